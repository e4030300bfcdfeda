//! The conversation.

use serde_json::{Map, Value, json};

use super::parts::{part, words};
use super::wire::{Called, Message, Part, ToolCall, What, Words};
use crate::call::Lacks;
use crate::call::chat::{self, Content, Role};
use crate::error::Error;
use crate::providers::Wire;
use crate::providers::compat::Vendor;
use crate::reply::Signature;

/// Writes messages in OpenAI's order: results of tools follow their calls at once, and what else
/// a user says comes behind them.
pub(super) struct Writer<'a, 'l> {
    vendor: &'a Vendor,
    lacks: &'l mut Lacks,
    out: Vec<Message<'a>>,
    /// What tools gave that is no text: only a user's message can hold it.
    media: Vec<Part<'a>>,
    /// Users' messages that wait until the results of tools are out.
    waiting: Vec<Message<'a>>,
}

impl<'a, 'l> Writer<'a, 'l> {
    pub(super) fn new(vendor: &'a Vendor, lacks: &'l mut Lacks) -> Self {
        Self { vendor, lacks, out: Vec::new(), media: Vec::new(), waiting: Vec::new() }
    }

    /// Instructions that stand before the conversation.
    pub(super) fn system(&mut self, parts: &'a [chat::Part]) {
        let parts = self.texts(parts);
        if let Some(content) = words(parts, "\n\n") {
            let content = Some(content);
            self.out.push(Message { role: "system", content, ..Message::default() });
        }
    }

    pub(super) fn message(&mut self, message: &'a chat::Message) -> Result<(), Error> {
        match message.role {
            Role::System => {
                self.flush();
                self.system(&message.parts);
            }
            Role::User => self.user(message)?,
            Role::Assistant => {
                self.flush();
                self.assistant(message)?;
            }
        }
        Ok(())
    }

    pub(super) fn done(mut self) -> Vec<Message<'a>> {
        self.flush();
        self.out
    }

    fn flush(&mut self) {
        let media = std::mem::take(&mut self.media);
        if !media.is_empty() {
            let content = Some(Words::Parts(media));
            self.out.push(Message { role: "user", content, ..Message::default() });
        }
        self.out.append(&mut self.waiting);
    }

    /// Parts that are texts: all that instructions can hold.
    fn texts(&mut self, parts: &'a [chat::Part]) -> Vec<Part<'a>> {
        let texts = parts.iter().filter(|part| matches!(part.content, Content::Text(_)));
        let parts = texts.filter_map(|text| part(text, self.vendor, self.lacks).ok().flatten());
        parts.collect()
    }

    fn user(&mut self, message: &'a chat::Message) -> Result<(), Error> {
        let mut said = Vec::new();
        for one in &message.parts {
            if let Content::ToolResult { id, parts, is_error, .. } = &one.content {
                self.lacks.drop("is_error", *is_error);
                self.result(id, parts)?;
            } else {
                said.extend(part(one, self.vendor, self.lacks)?);
            }
        }
        let content = match said.as_slice() {
            [] => return Ok(()),
            [_] => words(said, ""),
            _ => Some(Words::Parts(said)),
        };
        let name = message.name.as_deref();
        self.waiting.push(Message { role: "user", content, name, ..Message::default() });
        Ok(())
    }

    fn result(&mut self, id: &'a str, parts: &'a [chat::Part]) -> Result<(), Error> {
        let mut texts = Vec::new();
        for one in parts {
            let Some(part) = part(one, self.vendor, self.lacks)? else {
                continue;
            };
            match part.what {
                What::Text { .. } => texts.push(part),
                _ => self.media.push(part),
            }
        }
        let content = words(texts, "\n").or(Some(Words::Text("".into())));
        let tool_call_id = Some(id);
        self.out.push(Message { role: "tool", content, tool_call_id, ..Message::default() });
        Ok(())
    }

    fn assistant(&mut self, message: &'a chat::Message) -> Result<(), Error> {
        let mut to =
            Message { role: "assistant", name: message.name.as_deref(), ..Message::default() };
        let mut texts = Vec::new();
        for one in &message.parts {
            match &one.content {
                Content::Text(_) => texts.extend(part(one, self.vendor, self.lacks)?),
                Content::Refusal(text) => to.refusal.get_or_insert_default().push_str(text),
                Content::ToolCall { id, name, arguments, signature } => {
                    let arguments = if arguments.is_empty() { "{}" } else { arguments };
                    let proof = signature.as_ref().filter(|_| self.vendor.knows("extra_content"));
                    to.tool_calls.push(ToolCall {
                        id,
                        r#type: "function",
                        function: Called { name, arguments },
                        extra_content: proof.and_then(extra),
                    });
                }
                Content::Reasoning { text, signature } => {
                    self.thought(text, signature.as_ref(), &mut to);
                }
                Content::Redacted(signature) => self.sealed(signature, &mut to),
                Content::Image { .. } if self.vendor.knows("images") => {
                    to.images.extend(part(one, self.vendor, self.lacks)?);
                }
                Content::Image { .. }
                | Content::Audio(_)
                | Content::File { .. }
                | Content::Video(_) => {
                    self.lacks.refuse("media in a message of the model", true)?;
                }
                Content::ToolResult { .. } => {
                    self.lacks.refuse("a tool's result in a message of the model", true)?;
                }
            }
        }
        to.content = words(texts, "");
        if to.content.is_none()
            && to.refusal.is_none()
            && to.tool_calls.is_empty()
            && to.images.is_empty()
        {
            return Ok(()); // thoughts alone say nothing to others
        }
        // a turn that calls tools must bring its thoughts along, if it had any or not
        if self.vendor.knows("reasoning_content") && !to.tool_calls.is_empty() {
            to.reasoning_content.get_or_insert_default();
        }
        self.out.push(to);
        Ok(())
    }

    /// Thoughts go back to whom they are from.
    fn thought(&self, text: &str, signature: Option<&Signature>, to: &mut Message<'_>) {
        let proof = signature.map(|signature| signature.for_target(Wire::OpenAi));
        if proof == Some(None) {
            return; // signed by another vendor
        }
        if self.vendor.knows("reasoning_details") {
            to.reasoning_details.push(detail(
                "reasoning.text",
                Some(text),
                "signature",
                proof.flatten(),
            ));
        } else if self.vendor.knows("reasoning_content") {
            to.reasoning_content.get_or_insert_default().push_str(text);
        }
    }

    fn sealed(&self, signature: &Signature, to: &mut Message<'_>) {
        let data = signature.for_target(Wire::OpenAi);
        if let (Some(data), true) = (data, self.vendor.knows("reasoning_details")) {
            to.reasoning_details.push(detail("reasoning.encrypted", None, "data", Some(data)));
        }
    }
}

/// An entry of `reasoning_details`: as it was, where the proof carries the rest of it.
fn detail(kind: &str, text: Option<&str>, field: &str, proof: Option<&str>) -> Value {
    let carried = proof.filter(|proof| proof.starts_with('{'));
    let carried = carried.and_then(|json| serde_json::from_str::<Map<String, Value>>(json).ok());
    let mut detail = carried.unwrap_or_else(|| {
        let mut plain = Map::new();
        plain.insert("type".into(), kind.into());
        plain.extend(proof.map(|proof| (field.to_owned(), proof.into())));
        plain
    });
    detail.extend(text.map(|text| ("text".to_owned(), text.into())));
    detail.into()
}

fn extra(signature: &Signature) -> Option<Value> {
    let proof = signature.for_target(Wire::OpenAi)?;
    Some(json!({"google": {"thought_signature": proof}}))
}
