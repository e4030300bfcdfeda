//! What the blocks of an answer say: the same for whole answers and for streams.

use super::usage::Count;
use super::wire::{Block, Citation, Step, StopDetails, Usage};
use crate::providers::{Wanted, Wire};
use crate::reply::{Delta, Finish, Signature, Tally};

/// Reads the blocks of one answer, and counts.
pub(super) struct Said {
    wanted: Wanted,
    /// What was said since it was asked last; empty where nobody wants it.
    pub(super) deltas: Vec<Delta>,
    pub(super) tally: Tally,
    count: Count,
    /// Tool calls that have begun and not ended.
    open: Vec<Open>,
    tools: u32,
    finished: bool,
}

/// A tool call whose arguments come.
struct Open {
    block: u32,
    tool: u32,
    /// As they stood in the block's start; those that come piece by piece take their place.
    input: Option<String>,
}

impl Said {
    pub(super) fn new(wanted: Wanted) -> Self {
        Self {
            wanted,
            deltas: Vec::new(),
            tally: Tally::default(),
            count: Count::default(),
            open: Vec::new(),
            tools: 0,
            finished: false,
        }
    }

    fn say(&mut self, delta: impl FnOnce() -> Delta) {
        if self.wanted == Wanted::Deltas {
            self.deltas.push(delta());
        }
    }

    fn grow(&mut self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.tally.content_bytes = self.tally.content_bytes.saturating_add(bytes);
    }

    /// The answer begins.
    pub(super) fn start(&mut self, id: Option<String>, model: Option<String>) {
        self.say(|| Delta::Start { id, model });
    }

    /// A block begins, or is there as a whole. Whether it is content.
    pub(super) fn begin(&mut self, index: u32, block: &Block<'_>) -> bool {
        match &*block.kind {
            "text" => {
                let is_content = self.text(&block.text);
                for citation in block.citations.iter().flatten() {
                    self.cite(citation);
                }
                is_content
            }
            "thinking" => {
                let thought = self.think(&block.thinking);
                let signed = self.sign(&block.signature);
                thought || signed
            }
            "redacted_thinking" => {
                self.say(|| Delta::Redacted {
                    choice: 0,
                    signature: Signature::new(Wire::Anthropic, &*block.data),
                });
                true
            }
            "tool_use" => {
                let tool = self.tools;
                self.tools = self.tools.saturating_add(1);
                self.grow(block.name.len());
                let input = block.input.map(|input| input.get()).filter(|input| *input != "{}");
                self.open.push(Open { block: index, tool, input: input.map(str::to_owned) });
                self.say(|| Delta::ToolCall {
                    choice: 0,
                    index: tool,
                    id: block.id.to_string(),
                    name: block.name.to_string(),
                    signature: None,
                });
                true
            }
            // what the vendor's own tools did, and what is not known yet
            _ => true,
        }
    }

    /// More of a block. Whether it is content.
    pub(super) fn step(&mut self, index: u32, step: &Step<'_>) -> bool {
        match &*step.kind {
            "text_delta" => self.text(&step.text),
            "thinking_delta" => self.think(&step.thinking),
            "signature_delta" => self.sign(&step.signature),
            "input_json_delta" => {
                if step.partial_json.is_empty() {
                    return false;
                }
                self.grow(step.partial_json.len());
                let open = self.open.iter_mut().find(|open| open.block == index);
                if let Some(tool) = open.map(|open| {
                    open.input = Some(String::new());
                    open.tool
                }) {
                    self.arguments(tool, &step.partial_json);
                }
                true
            }
            "citations_delta" => {
                if let Some(citation) = &step.citation {
                    self.cite(citation);
                }
                true
            }
            _ => true,
        }
    }

    /// A block ends: a tool's arguments that did not come piece by piece are those of its start.
    pub(super) fn stop(&mut self, index: u32) {
        let Some(at) = self.open.iter().position(|open| open.block == index) else {
            return;
        };
        let Open { tool, input, .. } = self.open.swap_remove(at);
        let input = input.unwrap_or_else(|| "{}".to_owned());
        if !input.is_empty() {
            self.grow(input.len());
            self.arguments(tool, &input);
        }
    }

    /// The answer ends, once.
    pub(super) fn finish(
        &mut self,
        reason: String,
        sequence: Option<String>,
        details: Option<StopDetails>,
    ) {
        if std::mem::replace(&mut self.finished, true) {
            return;
        }
        if let Some(text) = details.and_then(|details| details.explanation) {
            self.grow(text.len());
            self.say(|| Delta::Refusal { choice: 0, text });
        }
        let reason = match reason.as_str() {
            "end_turn" => Finish::Stop,
            "stop_sequence" => Finish::StopSequence(sequence),
            "max_tokens" | "model_context_window_exceeded" => Finish::Length,
            "tool_use" => Finish::ToolCalls,
            "refusal" => Finish::Refusal,
            "pause_turn" => Finish::Pause,
            _ => Finish::Other(reason),
        };
        self.say(|| Delta::Finish { choice: 0, reason });
    }

    /// What was used until now.
    pub(super) fn used(&mut self, usage: Usage, is_final: bool) {
        self.count.take(usage, is_final, &mut self.tally);
    }

    /// Counts the content that was given since.
    pub(super) fn grew(&mut self) {
        self.count.grew(&mut self.tally);
    }

    fn text(&mut self, text: &str) -> bool {
        self.grow(text.len());
        if !text.is_empty() {
            self.say(|| Delta::Text { choice: 0, text: text.to_owned() });
        }
        !text.is_empty()
    }

    fn think(&mut self, text: &str) -> bool {
        self.grow(text.len());
        if !text.is_empty() {
            self.say(|| Delta::Reasoning { choice: 0, text: text.to_owned() });
        }
        !text.is_empty()
    }

    fn sign(&mut self, text: &str) -> bool {
        if !text.is_empty() {
            self.say(|| Delta::Signature {
                choice: 0,
                signature: Signature::new(Wire::Anthropic, text),
            });
        }
        !text.is_empty()
    }

    fn arguments(&mut self, index: u32, json: &str) {
        self.say(|| Delta::Arguments { choice: 0, index, json: json.to_owned() });
    }

    fn cite(&mut self, citation: &Citation) {
        if let Some(url) = citation.url.as_ref().or(citation.source.as_ref()) {
            self.say(|| Delta::Citation {
                choice: 0,
                url: url.clone(),
                title: citation.title.clone(),
            });
        }
    }
}
