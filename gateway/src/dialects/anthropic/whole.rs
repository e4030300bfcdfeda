//! A whole answer.

use super::shown::{Block, Citation, Head, Message, Stop, Usage, image, input};
use crate::dialects::Renderer;
use crate::providers::Wire;
use crate::reply::{Delta, Finish, Tally};

/// Collects an answer and shows it at its end.
pub(super) struct Whole {
    head: Head,
    blocks: Vec<Held>,
    reason: Option<Finish>,
    refused: bool,
}

/// A block as far as it came.
enum Held {
    Text(String, Vec<Citation>),
    Thinking(String, Option<String>),
    Redacted(String),
    Tool { index: u32, id: String, name: String, arguments: String },
}

impl Whole {
    pub(super) const fn new(head: Head) -> Self {
        Self { head, blocks: Vec::new(), reason: None, refused: false }
    }

    fn text(&mut self, more: &str) {
        match self.blocks.last_mut() {
            Some(Held::Text(text, _)) => text.push_str(more),
            _ => self.blocks.push(Held::Text(more.to_owned(), Vec::new())),
        }
    }
}

impl Renderer for Whole {
    fn show(&mut self, delta: Delta, _: &mut Vec<u8>) {
        match delta {
            Delta::Start { id, model } => self.head.start(id, model),
            Delta::Text { choice: 0, text } => self.text(&text),
            Delta::Refusal { choice: 0, text } => {
                self.refused = true;
                self.text(&text);
            }
            Delta::Image { choice: 0, source } => self.text(&image(&source)),
            Delta::Citation { choice: 0, url, title } => {
                if let Some(Held::Text(_, citations)) = self.blocks.last_mut() {
                    citations.push(Citation::new(url, title));
                }
            }
            Delta::Reasoning { choice: 0, text } => match self.blocks.last_mut() {
                Some(Held::Thinking(thoughts, None)) => thoughts.push_str(&text),
                _ => self.blocks.push(Held::Thinking(text, None)),
            },
            Delta::Signature { choice: 0, signature } => {
                let told = signature.told(Wire::Anthropic);
                match self.blocks.last_mut() {
                    Some(Held::Thinking(_, proof @ None)) => *proof = Some(told),
                    _ => self.blocks.push(Held::Thinking(String::new(), Some(told))),
                }
            }
            Delta::Redacted { choice: 0, signature } => {
                self.blocks.push(Held::Redacted(signature.told(Wire::Anthropic)));
            }
            Delta::ToolCall { choice: 0, index, id, name, signature } => {
                // a call has no place for a proof: it stands before it, as a block that clients
                // bring back unchanged
                let proof = signature.map(|proof| Held::Redacted(proof.told(Wire::Anthropic)));
                self.blocks.extend(proof);
                self.blocks.push(Held::Tool { index, id, name, arguments: String::new() });
            }
            Delta::Arguments { choice: 0, index, json } => {
                let call = self.blocks.iter_mut().rev().find_map(|block| match block {
                    Held::Tool { index: known, arguments, .. } if *known == index => {
                        Some(arguments)
                    }
                    _ => None,
                });
                if let Some(arguments) = call {
                    arguments.push_str(&json);
                }
            }
            Delta::Finish { choice: 0, reason } => self.reason = Some(reason),
            // other choices can't be asked for in this format; the rest has no place in it
            Delta::Text { .. }
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
        let unsigned = self.head.unsigned();
        let tools = self.blocks.iter().any(|block| matches!(block, Held::Tool { .. }));
        let stop = Stop::of(self.reason.take(), tools, self.refused);
        let blocks = self.blocks.iter().map(|block| match block {
            Held::Text(text, citations) => Block::Text { text, citations },
            Held::Thinking(thinking, proof) => {
                Block::Thinking { thinking, signature: proof.as_ref().unwrap_or(&unsigned) }
            }
            Held::Redacted(data) => Block::RedactedThinking { data },
            Held::Tool { id, name, arguments, .. } => {
                Block::ToolUse { id, name, input: input(arguments) }
            }
        });
        let message = Message::new(&self.head, blocks.collect(), stop, Usage::from(tally));
        // writing to memory can't fail
        serde_json::to_writer(out, &message).unwrap_or_default();
    }
}
