//! A stream of chunks.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::head::Head;
use super::wire::{Usage, annotation, extra, finish, image, logprobs, sealed, signed};
use crate::call::Call;
use crate::dialects::Renderer;
use crate::reply::{Delta, Tally};
use crate::routing::Target;

/// A stream of chunks.
pub(in super::super) struct Chunks {
    head: Head,
    /// Each chunk says `usage`, the last one with numbers.
    usage_wanted: bool,
    choices: BTreeMap<u32, State>,
}

/// What was said of a choice.
#[derive(Default)]
struct State {
    /// Thoughts that are not signed yet.
    thoughts: String,
    details: usize,
    images: usize,
    /// Characters of its text.
    text: usize,
    refused: bool,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: u32,
    delta: Message<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<Value>,
    finish_reason: Option<&'static str>,
}

#[derive(Serialize, Default)]
struct Message<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[ToolCall<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_call: Option<Function<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_details: Option<[Value; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    images: Option<[Value; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<[Value; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audio: Option<Value>,
}

#[derive(Serialize)]
struct ToolCall<'a> {
    index: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'static str>,
    function: Function<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra_content: Option<Value>,
}

#[derive(Serialize)]
struct Function<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    arguments: &'a str,
}

impl Chunks {
    pub(in super::super) fn new(call: &Call, target: &Target) -> Self {
        Self {
            head: Head::new(call, target),
            usage_wanted: call.usage_wanted,
            choices: BTreeMap::new(),
        }
    }

    fn chunk(&self, choice: Choice<'_>, out: &mut Vec<u8>) {
        let usage = self.usage_wanted.then_some(None);
        frame(&self.head.document(OBJECT, &[choice], usage), out);
    }

    fn say(&self, index: u32, delta: Message<'_>, out: &mut Vec<u8>) {
        self.chunk(Choice { index, delta, logprobs: None, finish_reason: None }, out);
    }

    /// The choice; its role is said first.
    fn state(&mut self, choice: u32, out: &mut Vec<u8>) -> &mut State {
        if !self.choices.contains_key(&choice) {
            let role = Message { role: Some("assistant"), content: Some(""), ..Message::default() };
            self.say(choice, role, out);
        }
        self.choices.entry(choice).or_default()
    }

    fn call(
        &self,
        choice: u32,
        index: u32,
        begins: Option<(&str, &str)>,
        json: &str,
        proof: Option<Value>,
        out: &mut Vec<u8>,
    ) {
        let name = begins.map(|(_, name)| name);
        let function = Function { name, arguments: json };
        let mut delta = Message::default();
        if self.head.legacy {
            if index > 0 {
                return; // there is room for one
            }
            delta.function_call = Some(function);
        } else {
            let (id, r#type) = (begins.map(|(id, _)| id), begins.map(|_| "function"));
            delta.tool_calls =
                Some([ToolCall { index, id, r#type, function, extra_content: proof }]);
        }
        self.say(choice, delta, out);
    }
}

const OBJECT: &str = "chat.completion.chunk";

fn frame(document: &impl Serialize, out: &mut Vec<u8>) {
    out.extend_from_slice(b"data: ");
    let start = out.len();
    if serde_json::to_writer(&mut *out, document).is_err() {
        out.truncate(start); // can't be: all of it is plain data
    }
    out.extend_from_slice(b"\n\n");
}

impl Renderer for Chunks {
    fn show(&mut self, delta: Delta, out: &mut Vec<u8>) {
        let message = Message::default();
        match delta {
            Delta::Start { id, model } => {
                self.head.start(id, model);
                self.state(0, out);
            }
            Delta::Text { choice, text } => {
                self.state(choice, out).text += text.chars().count();
                self.say(choice, Message { content: Some(&text), ..message }, out);
            }
            Delta::Reasoning { choice, text } => {
                self.state(choice, out).thoughts.push_str(&text);
                self.say(choice, Message { reasoning_content: Some(&text), ..message }, out);
            }
            Delta::Signature { choice, signature } => {
                let state = self.state(choice, out);
                let detail =
                    signed(&std::mem::take(&mut state.thoughts), &signature, state.details);
                state.details += 1;
                self.say(choice, Message { reasoning_details: Some([detail]), ..message }, out);
            }
            Delta::Redacted { choice, signature } => {
                let state = self.state(choice, out);
                let detail = sealed(&signature, state.details);
                state.details += 1;
                self.say(choice, Message { reasoning_details: Some([detail]), ..message }, out);
            }
            Delta::Refusal { choice, text } => {
                self.state(choice, out).refused = true;
                self.say(choice, Message { refusal: Some(&text), ..message }, out);
            }
            Delta::ToolCall { choice, index, id, name, signature } => {
                self.state(choice, out);
                let proof = signature.as_ref().map(extra);
                self.call(choice, index, Some((&id, &name)), "", proof, out);
            }
            Delta::Arguments { choice, index, json } => {
                self.state(choice, out);
                self.call(choice, index, None, &json, None, out);
            }
            Delta::Image { choice, source } => {
                let state = self.state(choice, out);
                if let Some(image) = image(&source, state.images) {
                    state.images += 1;
                    self.say(choice, Message { images: Some([image]), ..message }, out);
                }
            }
            Delta::Citation { choice, url, title } => {
                let end = self.state(choice, out).text;
                let cited = annotation(&url, title.as_deref(), end);
                self.say(choice, Message { annotations: Some([cited]), ..message }, out);
            }
            Delta::Own { choice, name, value } => {
                self.state(choice, out);
                if name == "audio" {
                    self.say(choice, Message { audio: Some(value), ..message }, out);
                } else if let Some(value) = logprobs(&name, value) {
                    let (delta, logprobs) = (message, Some(value));
                    self.chunk(Choice { index: choice, delta, logprobs, finish_reason: None }, out);
                }
            }
            Delta::Finish { choice, reason } => {
                let refused = self.state(choice, out).refused;
                let reason = Some(finish(&reason, refused, self.head.legacy));
                let delta = message;
                self.chunk(
                    Choice { index: choice, delta, logprobs: None, finish_reason: reason },
                    out,
                );
            }
            Delta::Embedding { .. } => {}
        }
    }

    fn end(&mut self, tally: &Tally, out: &mut Vec<u8>) {
        if self.usage_wanted {
            let usage = Usage::of(tally);
            frame(&self.head.document::<Choice<'_>>(OBJECT, &[], Some(Some(usage))), out);
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }
}
