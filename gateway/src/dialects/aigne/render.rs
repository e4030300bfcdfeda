//! A chat's answer, whole or as a stream.
//!
//! A stream tells texts as they come, and all else at its end: the client takes calls of tools only
//! with their arguments as objects, and an answer after a schema only as `json`.

use serde_json::Value;
use serde_json::value::RawValue;

use super::proofs;
use super::wire::{Answer, Called, File, More, Step, ToolCall, Usage, frame, json};
use crate::call::{Asked, Call, chat};
use crate::dialects::Renderer;
use crate::reply::{Delta, Signature, Tally};
use crate::routing::Target;

/// More of a text than this is not kept for the end of a stream; a whole answer has a limit of its own.
const MOST_KEPT: usize = 64 << 20;

/// Shows the answer to a chat.
pub(super) struct Chat {
    stream: bool,
    /// The answer is wanted after a schema.
    schema: bool,
    target: String,
    model: String,
    text: String,
    thoughts: String,
    /// Where the thoughts begin that have no proof yet.
    unproven: usize,
    proven: Vec<Value>,
    calls: Vec<Calling>,
    files: Vec<File>,
}

/// A call of a tool as far as it is known.
struct Calling {
    index: u32,
    id: String,
    name: String,
    arguments: String,
    signature: Option<Signature>,
    /// What was thought before it, with proofs.
    thoughts: Vec<Value>,
}

impl Chat {
    pub(super) fn new(call: &Call, target: &Target) -> Self {
        let schema = match call.asked().as_deref() {
            Ok(Asked::Chat(chat)) => matches!(chat.format, chat::Format::Schema { .. }),
            _ => false,
        };
        Self {
            stream: call.stream,
            schema,
            target: format!("{}/{}", target.provider, target.model),
            model: target.model.to_string(),
            text: String::new(),
            thoughts: String::new(),
            unproven: 0,
            proven: Vec::new(),
            calls: Vec::new(),
            files: Vec::new(),
        }
    }

    fn text(&mut self, more: &str, out: &mut Vec<u8>) {
        if self.stream && !self.schema {
            frame(Step::Text(More::Text(more)), out);
        } else {
            keep(&mut self.text, more);
        }
    }

    fn prove(&mut self, signature: &Signature, is_shown: bool) {
        let text = is_shown.then(|| self.thoughts.get(self.unproven..).unwrap_or_default());
        self.proven.push(proofs::thought(text, signature));
        self.unproven = self.thoughts.len();
    }
}

impl Renderer for Chat {
    fn show(&mut self, delta: Delta, out: &mut Vec<u8>) {
        match delta {
            Delta::Start { model, .. } => {
                self.model = model.unwrap_or_else(|| std::mem::take(&mut self.model));
                if self.stream {
                    frame(Step::Model { model: &self.model }, out);
                }
            }
            Delta::Text { choice: 0, text } | Delta::Refusal { choice: 0, text } => {
                self.text(&text, out);
            }
            Delta::Reasoning { choice: 0, text } => {
                keep(&mut self.thoughts, &text);
                if self.stream {
                    frame(Step::Text(More::Thoughts(&text)), out);
                }
            }
            Delta::Signature { choice: 0, signature } => self.prove(&signature, true),
            Delta::Redacted { choice: 0, signature } => self.prove(&signature, false),
            Delta::ToolCall { choice: 0, index, id, name, signature } => {
                let thoughts = std::mem::take(&mut self.proven);
                let arguments = String::new();
                self.calls.push(Calling { index, id, name, arguments, signature, thoughts });
            }
            Delta::Arguments { choice: 0, index, json } => {
                // most arguments are of the last call
                let call = self.calls.iter_mut().rev().find(|call| call.index == index);
                if let Some(call) = call {
                    keep(&mut call.arguments, &json);
                }
            }
            Delta::Image { choice: 0, source } => self.files.extend(File::of(source)),
            // there is one answer, and no place for the rest
            _ => {}
        }
    }

    fn end(&mut self, tally: &Tally, out: &mut Vec<u8>) {
        let tool_calls: Vec<_> = self.calls.iter().filter_map(Calling::told).collect();
        let fits = self.schema.then(|| object(&self.text)).flatten();
        let mut answer = Answer {
            text: if fits.is_some() { "" } else { &self.text },
            thoughts: &self.thoughts,
            json: fits,
            tool_calls,
            files: &self.files,
            usage: Usage::of(tally),
            model: &self.model,
            model_with_provider: &self.target,
            ..Answer::default()
        };
        if self.stream {
            // what a stream told already it does not tell again
            answer.thoughts = "";
            frame(Step::Json(&answer), out);
        } else {
            json(&answer, out);
        }
    }
}

impl Calling {
    /// `None` where the arguments are no object: a call that was cut is no call.
    fn told(&self) -> Option<ToolCall<'_>> {
        let arguments = if self.arguments.trim_ascii().is_empty() { "{}" } else { &self.arguments };
        Some(ToolCall {
            id: &self.id,
            r#type: "function",
            function: Called { name: &self.name, arguments: object(arguments)? },
            metadata: proofs::tell(self.signature.as_ref(), &self.thoughts),
        })
    }
}

/// The JSON object that a text is.
fn object(text: &str) -> Option<&RawValue> {
    let object = serde_json::from_str::<&RawValue>(text).ok()?;
    object.get().starts_with('{').then_some(object)
}

fn keep(all: &mut String, more: &str) {
    if all.len().saturating_add(more.len()) <= MOST_KEPT {
        all.push_str(more);
    }
}
