//! A whole answer.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::head::Head;
use super::wire::{Usage, annotation, extra, finish, image, logprobs, sealed, signed};
use crate::call::Call;
use crate::dialects::Renderer;
use crate::reply::{Delta, Finish, Tally};
use crate::routing::Target;

/// A whole answer: gathered, and shown at its end.
pub(in super::super) struct Whole {
    head: Head,
    choices: BTreeMap<u32, Gathered>,
}

#[derive(Default)]
struct Gathered {
    message: Message,
    /// Thoughts that are not signed yet.
    thoughts: String,
    logprobs: Option<Value>,
    finish: Option<Finish>,
}

#[derive(Serialize)]
struct Choice {
    index: u32,
    message: Message,
    logprobs: Option<Value>,
    finish_reason: &'static str,
}

#[derive(Serialize, Default)]
struct Message {
    role: &'static str,
    content: Option<String>,
    refusal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasoning_details: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<ToolCall>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_call: Option<Function>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    images: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    annotations: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audio: Option<Value>,
}

#[derive(Serialize)]
struct ToolCall {
    id: String,
    r#type: &'static str,
    function: Function,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra_content: Option<Value>,
}

#[derive(Serialize)]
struct Function {
    name: String,
    arguments: String,
}

impl Whole {
    pub(in super::super) fn new(call: &Call, target: &Target) -> Self {
        Self { head: Head::new(call, target), choices: BTreeMap::new() }
    }

    fn choice(&mut self, choice: u32) -> &mut Gathered {
        self.choices.entry(choice).or_default()
    }
}

impl Gathered {
    fn shown(mut self, index: u32, legacy: bool) -> Choice {
        let message = &mut self.message;
        message.role = "assistant";
        if legacy {
            let call = std::mem::take(&mut message.tool_calls).into_iter().next();
            message.function_call = call.map(|call| call.function);
        }
        let silent = message.refusal.is_none()
            && message.tool_calls.is_empty()
            && message.function_call.is_none();
        if silent {
            message.content.get_or_insert_default();
        }
        let refused = message.refusal.is_some();
        let reason = self.finish.unwrap_or(Finish::Stop);
        let finish_reason = finish(&reason, refused, legacy);
        Choice { index, message: self.message, logprobs: self.logprobs, finish_reason }
    }
}

impl Renderer for Whole {
    fn show(&mut self, delta: Delta, _: &mut Vec<u8>) {
        match delta {
            Delta::Start { id, model } => self.head.start(id, model),
            Delta::Text { choice, text } => {
                self.choice(choice).message.content.get_or_insert_default().push_str(&text);
            }
            Delta::Reasoning { choice, text } => {
                let gathered = self.choice(choice);
                gathered.message.reasoning_content.get_or_insert_default().push_str(&text);
                gathered.thoughts.push_str(&text);
            }
            Delta::Signature { choice, signature } => {
                let gathered = self.choice(choice);
                let (text, to) = (std::mem::take(&mut gathered.thoughts), &mut gathered.message);
                to.reasoning_details.push(signed(&text, &signature, to.reasoning_details.len()));
            }
            Delta::Redacted { choice, signature } => {
                let to = &mut self.choice(choice).message.reasoning_details;
                to.push(sealed(&signature, to.len()));
            }
            Delta::Refusal { choice, text } => {
                self.choice(choice).message.refusal.get_or_insert_default().push_str(&text);
            }
            Delta::ToolCall { choice, id, name, signature, .. } => {
                let function = Function { name, arguments: String::new() };
                let extra_content = signature.as_ref().map(extra);
                let call = ToolCall { id, r#type: "function", function, extra_content };
                self.choice(choice).message.tool_calls.push(call);
            }
            Delta::Arguments { choice, index, json } => {
                let calls = &mut self.choice(choice).message.tool_calls;
                let place = usize::try_from(index).ok();
                if let Some(call) = place.and_then(|place| calls.get_mut(place)) {
                    call.function.arguments.push_str(&json);
                }
            }
            Delta::Image { choice, source } => {
                let to = &mut self.choice(choice).message.images;
                to.extend(image(&source, to.len()));
            }
            Delta::Citation { choice, url, title } => {
                let to = &mut self.choice(choice).message;
                let end = to.content.as_ref().map_or(0, |text| text.chars().count());
                to.annotations.push(annotation(&url, title.as_deref(), end));
            }
            Delta::Own { choice, name, value } => {
                let to = self.choice(choice);
                if name == "audio" {
                    to.message.audio = Some(value);
                } else if let Some(value) = logprobs(&name, value) {
                    to.logprobs = Some(value);
                }
            }
            Delta::Finish { choice, reason } => self.choice(choice).finish = Some(reason),
            Delta::Embedding { .. } => {}
        }
    }

    fn end(&mut self, tally: &Tally, out: &mut Vec<u8>) {
        self.choice(0);
        let legacy = self.head.legacy;
        let gathered = std::mem::take(&mut self.choices).into_iter();
        let choices: Vec<Choice> =
            gathered.map(|(index, gathered)| gathered.shown(index, legacy)).collect();
        let usage = Some(Some(Usage::of(tally)));
        let document = self.head.document("chat.completion", &choices, usage);
        let start = out.len();
        if serde_json::to_writer(&mut *out, &document).is_err() {
            out.truncate(start); // can't be: all of it is plain data
        }
    }
}
