//! A stream of events: one block after the other.

use serde::Serialize;
use serde::de::IgnoredAny;

use super::shown::{Block, Citation, Head, Message, Stop, Usage, image, input};
use crate::dialects::Renderer;
use crate::providers::Wire;
use crate::reply::{Delta, Finish, Signature, Tally};

/// Shows an answer as it comes.
pub(super) struct Stream {
    head: Head,
    started: bool,
    /// The number of the next block.
    next: u32,
    open: Open,
    /// Calls that have begun while the arguments of an earlier one are not complete.
    held: Vec<Call>,
    tools: bool,
    refused: bool,
    reason: Option<Finish>,
}

/// The block that is open.
enum Open {
    None,
    Text,
    /// Whose proof did not come yet.
    Thinking,
    Tool {
        index: u32,
        /// As far as they came.
        arguments: String,
    },
}

/// A call that waits.
struct Call {
    index: u32,
    id: String,
    name: String,
    signature: Option<Signature>,
    arguments: String,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Event<'a> {
    MessageStart { message: Message<'a> },
    ContentBlockStart { index: u32, content_block: Block<'a> },
    ContentBlockDelta { index: u32, delta: Step<'a> },
    ContentBlockStop { index: u32 },
    MessageDelta { delta: Stop, usage: Usage },
    MessageStop,
}

#[derive(Serialize)]
#[serde(tag = "type")]
enum Step<'a> {
    #[serde(rename = "text_delta")]
    Text { text: &'a str },
    #[serde(rename = "thinking_delta")]
    Thinking { thinking: &'a str },
    #[serde(rename = "signature_delta")]
    Signature { signature: &'a str },
    #[serde(rename = "input_json_delta")]
    Input { partial_json: &'a str },
    #[serde(rename = "citations_delta")]
    Citations { citation: Citation },
}

impl Event<'_> {
    const fn name(&self) -> &'static str {
        match self {
            Self::MessageStart { .. } => "message_start",
            Self::ContentBlockStart { .. } => "content_block_start",
            Self::ContentBlockDelta { .. } => "content_block_delta",
            Self::ContentBlockStop { .. } => "content_block_stop",
            Self::MessageDelta { .. } => "message_delta",
            Self::MessageStop => "message_stop",
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(self.name().as_bytes());
        out.extend_from_slice(b"\ndata: ");
        // writing to memory can't fail
        serde_json::to_writer(&mut *out, self).unwrap_or_default();
        out.extend_from_slice(b"\n\n");
    }
}

impl Stream {
    pub(super) const fn new(head: Head) -> Self {
        Self {
            head,
            started: false,
            next: 0,
            open: Open::None,
            held: Vec::new(),
            tools: false,
            refused: false,
            reason: None,
        }
    }

    fn start(&mut self, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.started, true) {
            let (stop, usage) = (Stop::default(), Usage::default());
            let message = Message::new(&self.head, Vec::new(), stop, usage);
            Event::MessageStart { message }.write(out);
        }
    }

    /// Begins a block; the one before must have ended.
    fn begin(&mut self, content_block: Block<'_>, out: &mut Vec<u8>) {
        Event::ContentBlockStart { index: self.next, content_block }.write(out);
    }

    fn step(&self, delta: Step<'_>, out: &mut Vec<u8>) {
        Event::ContentBlockDelta { index: self.next, delta }.write(out);
    }

    fn stop(&mut self, out: &mut Vec<u8>) {
        Event::ContentBlockStop { index: self.next }.write(out);
        self.next = self.next.saturating_add(1);
    }

    /// Ends the block that is open.
    fn close(&mut self, out: &mut Vec<u8>) {
        match std::mem::replace(&mut self.open, Open::None) {
            Open::None => return,
            Open::Thinking => {
                self.step(Step::Signature { signature: &self.head.unsigned() }, out);
            }
            Open::Text | Open::Tool { .. } => {}
        }
        self.stop(out);
    }

    /// Ends what is open and all calls that wait: something else follows.
    fn flush(&mut self, out: &mut Vec<u8>) {
        for call in std::mem::take(&mut self.held) {
            self.call(call, out);
        }
        self.close(out);
    }

    fn text(&mut self, text: &str, out: &mut Vec<u8>) {
        if !matches!(self.open, Open::Text) {
            self.flush(out);
            self.begin(Block::Text { text: "", citations: &[] }, out);
            self.open = Open::Text;
        }
        self.step(Step::Text { text }, out);
    }

    fn think(&mut self, out: &mut Vec<u8>) {
        if !matches!(self.open, Open::Thinking) {
            self.flush(out);
            self.begin(Block::Thinking { thinking: "", signature: "" }, out);
            self.open = Open::Thinking;
        }
    }

    fn sealed(&mut self, data: &str, out: &mut Vec<u8>) {
        self.begin(Block::RedactedThinking { data }, out);
        self.stop(out);
    }

    /// Shows a call as far as it came.
    fn call(&mut self, call: Call, out: &mut Vec<u8>) {
        self.close(out);
        // a call has no place for a proof: it stands before it, as a block that clients bring
        // back unchanged
        if let Some(proof) = &call.signature {
            self.sealed(&proof.told(Wire::Anthropic), out);
        }
        self.begin(Block::ToolUse { id: &call.id, name: &call.name, input: input("{}") }, out);
        if !call.arguments.is_empty() {
            self.step(Step::Input { partial_json: &call.arguments }, out);
        }
        self.open = Open::Tool { index: call.index, arguments: call.arguments };
    }

    /// Whether the arguments of an open call are still to come: calls are shown one after the
    /// other, whatever the provider does.
    fn waits(&self) -> bool {
        let complete = |text: &str| serde_json::from_str::<IgnoredAny>(text).is_ok();
        match &self.open {
            Open::Tool { arguments, .. } => !complete(arguments),
            Open::None | Open::Text | Open::Thinking => false,
        }
    }

    fn arguments(&mut self, of: u32, json: &str, out: &mut Vec<u8>) {
        let is_open = match &mut self.open {
            Open::Tool { index, arguments } if *index == of => {
                arguments.push_str(json);
                true
            }
            _ => false,
        };
        if is_open {
            self.step(Step::Input { partial_json: json }, out);
        } else if let Some(call) = self.held.iter_mut().find(|call| call.index == of) {
            call.arguments.push_str(json);
        }
        while !self.held.is_empty() && !self.waits() {
            let call = self.held.remove(0);
            self.call(call, out);
        }
    }
}

impl Renderer for Stream {
    fn show(&mut self, delta: Delta, out: &mut Vec<u8>) {
        if let Delta::Start { id, model } = delta {
            self.head.start(id, model);
            return self.start(out);
        }
        self.start(out);
        match delta {
            Delta::Text { choice: 0, text } => self.text(&text, out),
            Delta::Refusal { choice: 0, text } => {
                self.refused = true;
                self.text(&text, out);
            }
            Delta::Image { choice: 0, source } => self.text(&image(&source), out),
            Delta::Citation { choice: 0, url, title } => {
                if let Open::Text = self.open {
                    let citation = Citation::new(url, title);
                    self.step(Step::Citations { citation }, out);
                }
            }
            Delta::Reasoning { choice: 0, text } => {
                self.think(out);
                self.step(Step::Thinking { thinking: &text }, out);
            }
            Delta::Signature { choice: 0, signature } => {
                self.think(out);
                let signature = signature.told(Wire::Anthropic);
                self.step(Step::Signature { signature: &signature }, out);
                self.open = Open::None;
                self.stop(out);
            }
            Delta::Redacted { choice: 0, signature } => {
                self.flush(out);
                self.sealed(&signature.told(Wire::Anthropic), out);
            }
            Delta::ToolCall { choice: 0, index, id, name, signature } => {
                self.tools = true;
                let call = Call { index, id, name, signature, arguments: String::new() };
                match self.waits() || !self.held.is_empty() {
                    true => self.held.push(call),
                    false => self.call(call, out),
                }
            }
            Delta::Arguments { choice: 0, index, json } => self.arguments(index, &json, out),
            Delta::Finish { choice: 0, reason } => self.reason = Some(reason),
            // other choices can't be asked for in this format; the rest has no place in it
            Delta::Start { .. }
            | Delta::Text { .. }
            | Delta::Refusal { .. }
            | Delta::Image { .. }
            | Delta::Citation { .. }
            | Delta::Reasoning { .. }
            | Delta::Signature { .. }
            | Delta::Redacted { .. }
            | Delta::ToolCall { .. }
            | Delta::Arguments { .. }
            | Delta::Finish { .. }
            | Delta::Embedding { .. }
            | Delta::Own { .. } => {}
        }
    }

    fn end(&mut self, tally: &Tally, out: &mut Vec<u8>) {
        self.start(out);
        self.flush(out);
        let delta = Stop::of(self.reason.take(), self.tools, self.refused);
        Event::MessageDelta { delta, usage: Usage::from(tally) }.write(out);
        Event::MessageStop.write(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(index: u32) -> Delta {
        let (id, name) = (format!("call_{index}"), format!("f{index}"));
        Delta::ToolCall { choice: 0, index, id, name, signature: None }
    }

    fn more(index: u32, json: &str) -> Delta {
        Delta::Arguments { choice: 0, index, json: json.to_owned() }
    }

    /// Clients know one open block: arguments that come mixed are shown call by call.
    #[test]
    fn mixed_calls_are_shown_one_after_the_other() {
        for deltas in [
            vec![call(0), more(0, "{\"a\""), call(1), more(1, "{}"), more(0, ":1}")],
            vec![call(0), call(1), more(0, "{\"a\":1}"), more(1, "{}")],
            vec![call(0), more(0, "{\"a\":1}"), call(1), more(1, "{"), more(1, "}")],
        ] {
            let head = Head::test();
            let (mut stream, mut out) = (Stream::new(head), Vec::new());
            deltas.into_iter().for_each(|delta| stream.show(delta, &mut out));
            stream.end(&Tally::default(), &mut out);
            let text = String::from_utf8(out).unwrap();
            let (mut open, mut given) = (None, [String::new(), String::new()]);
            for line in text.lines().filter_map(|line| line.strip_prefix("data: ")) {
                let event: serde_json::Value = serde_json::from_str(line).unwrap();
                let index = event["index"].as_u64().and_then(|index| usize::try_from(index).ok());
                match event["type"].as_str().unwrap() {
                    "content_block_start" => assert_eq!(open.replace(index), None, "{text}"),
                    "content_block_stop" => assert_eq!(open.take(), Some(index), "{text}"),
                    "content_block_delta" => {
                        assert_eq!(open, Some(index), "{text}");
                        let json = event["delta"]["partial_json"].as_str().unwrap();
                        given[index.unwrap()].push_str(json);
                    }
                    _ => assert_eq!(open, None),
                }
            }
            assert_eq!(given, ["{\"a\":1}", "{}"], "{text}");
        }
    }
}
