//! The conversation as Google's `contents`: turns of `user` and `model`, one after the other.

use serde_json::{Map, Value, json};

use super::model::Model;
use super::proof;
use crate::call::chat::{Content, Part, Role, Source};
use crate::call::{Chat, Lacks};
use crate::error::{Error, Kind};
use crate::providers::Wire;
use crate::reply::Signature;

/// A turn.
struct Turn {
    role: &'static str,
    parts: Vec<Map<String, Value>>,
}

/// All turns so far.
struct Turns<'a> {
    chat: &'a Chat,
    model: Model<'a>,
    all: Vec<Turn>,
    /// The last part was only there for its signature, which may belong to what follows.
    loose: bool,
    /// Calls are checked for signatures from here on: the turn is not over.
    current: bool,
}

/// The conversation.
pub(super) fn contents(
    chat: &Chat,
    model: Model<'_>,
    lacks: &mut Lacks,
) -> Result<Vec<Value>, Error> {
    let spoken = |part: &Part| !matches!(part.content, Content::ToolResult { .. });
    let asks = chat
        .messages
        .iter()
        .rposition(|message| message.role != Role::Assistant && message.parts.iter().any(spoken));
    let mut turns = Turns { chat, model, all: Vec::new(), loose: false, current: false };
    for (at, message) in chat.messages.iter().enumerate() {
        turns.current = asks.is_none_or(|asks| at > asks);
        // Google knows no instructions inside a conversation
        let role = if message.role == Role::Assistant { "model" } else { "user" };
        for part in &message.parts {
            turns.part(role, &part.content, lacks)?;
        }
    }
    let all = turns.all.into_iter();
    Ok(all.map(|turn| json!({"role": turn.role, "parts": turn.parts})).collect())
}

impl Turns<'_> {
    fn part(&mut self, role: &'static str, part: &Content, lacks: &Lacks) -> Result<(), Error> {
        let loose = std::mem::take(&mut self.loose);
        match part {
            Content::Text(text) | Content::Refusal(text) if text.is_empty() => {
                self.loose = loose;
            }
            Content::Text(text) | Content::Refusal(text) => self.push(role, json!({"text": text})),
            Content::Image { source, .. }
            | Content::Audio(source)
            | Content::Video(source)
            | Content::File { source, .. } => {
                let data = inline(source, lacks)?;
                self.push(role, json!({"inlineData": data}));
            }
            Content::Reasoning { text, signature } => {
                self.thought(role, text, signature.as_ref());
            }
            Content::Redacted(signature) => self.thought(role, "", Some(signature)),
            Content::ToolCall { id, name, arguments, signature } => {
                let args = arguments_of(arguments)?;
                let call = json!({"functionCall": {"id": id, "name": name, "args": args}});
                let own = signature.as_ref().and_then(|proof| proof.for_target(Wire::Gemini));
                let own = own.map(str::to_owned);
                let moved = || loose.then(|| self.take_loose()).flatten();
                let proof = own.or_else(moved).or_else(|| self.stand_in());
                self.push(role, call);
                if let Some(proof) = proof {
                    self.sign(&proof);
                }
            }
            Content::ToolResult { id, name, parts, is_error } => {
                let name = name.as_deref().or_else(|| self.chat.called(id)).ok_or_else(|| {
                    let message = "a tool's result must follow the call that it answers";
                    Error::new(Kind::InvalidField, message).at("messages")
                })?;
                self.result(role, (id, name), parts, *is_error, lacks)?;
            }
        }
        Ok(())
    }

    fn push(&mut self, role: &'static str, part: Value) {
        let Value::Object(part) = part else {
            return;
        };
        match self.all.last_mut() {
            Some(turn) if turn.role == role => turn.parts.push(part),
            _ => self.all.push(Turn { role, parts: vec![part] }),
        }
    }

    /// Signs the last part.
    fn sign(&mut self, proof: &str) {
        if let Some(part) = self.all.last_mut().and_then(|turn| turn.parts.last_mut()) {
            part.insert("thoughtSignature".into(), proof.into());
        }
    }

    /// Thoughts without Google's own signature mean nothing to it.
    fn thought(&mut self, role: &'static str, text: &str, signature: Option<&Signature>) {
        let Some(proof) = signature.and_then(|proof| proof.for_target(Wire::Gemini)) else {
            return;
        };
        let part = if text.is_empty() {
            json!({"text": ""})
        } else {
            json!({"text": text, "thought": true})
        };
        self.push(role, part);
        self.sign(proof);
        self.loose = true;
    }

    /// Google signs calls, not thoughts: a client whose format has no place for that has carried
    /// the signature before the call.
    fn take_loose(&mut self) -> Option<String> {
        let turn = self.all.last_mut()?;
        let part = turn.parts.last_mut()?;
        let proof = part.remove("thoughtSignature")?;
        if part.get("thought").is_none() {
            turn.parts.pop();
        }
        if turn.parts.is_empty() {
            self.all.pop();
        }
        proof.as_str().map(str::to_owned)
    }

    /// The first call of each step of a turn that goes on must be signed.
    fn stand_in(&self) -> Option<String> {
        let turn = self.all.last().filter(|turn| turn.role == "model");
        let mut parts = turn.iter().flat_map(|turn| &turn.parts);
        let first = !parts.any(|part| part.contains_key("functionCall"));
        (self.current && first && self.model.is_of_3()).then(|| proof::NONE.to_owned())
    }

    fn result(
        &mut self,
        role: &'static str,
        (id, name): (&str, &str),
        parts: &[Part],
        is_error: bool,
        lacks: &Lacks,
    ) -> Result<(), Error> {
        let mut texts: Vec<&str> = Vec::new();
        let mut media = Vec::new();
        for part in parts {
            match &part.content {
                Content::Text(text) | Content::Refusal(text) => texts.push(text),
                Content::Image { source, .. }
                | Content::Audio(source)
                | Content::Video(source)
                | Content::File { source, .. } => {
                    media.push(json!({"inlineData": inline(source, lacks)?}));
                }
                Content::Reasoning { .. }
                | Content::Redacted(_)
                | Content::ToolCall { .. }
                | Content::ToolResult { .. } => lacks.refuse("tool_result", true)?,
            }
        }
        let response = response(&texts.join("\n"), is_error);
        let mut result = json!({"id": id, "name": name, "response": response});
        if let (Value::Object(result), true) =
            (&mut result, self.model.is_of_3() && !media.is_empty())
        {
            result.insert("parts".into(), std::mem::take(&mut media).into());
        }
        self.push(role, json!({"functionResponse": result}));
        // older models take them beside it
        for part in media {
            self.push(role, part);
        }
        Ok(())
    }
}

/// Google wants an object: one that the tool gave as it is, else its text under a documented name.
fn response(text: &str, is_error: bool) -> Value {
    if is_error {
        return json!({"error": text});
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => object.into(),
        _ => json!({"output": text}),
    }
}

fn arguments_of(text: &str) -> Result<Value, Error> {
    if text.trim().is_empty() {
        return Ok(json!({}));
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Ok(object.into()),
        _ => {
            let message = "the arguments of a tool's call must be a JSON object";
            Err(Error::new(Kind::InvalidField, message).at("messages"))
        }
    }
}

/// Media in the request itself.
pub(super) fn inline(source: &Source, lacks: &Lacks) -> Result<Value, Error> {
    match source {
        Source::Data { media_type, base64 } => Ok(json!({"mimeType": media_type, "data": base64})),
        Source::Url { .. } => {
            lacks.refuse("url", true)?;
            Ok(Value::Null)
        }
        Source::Id(_) => {
            lacks.refuse("file_id", true)?;
            Ok(Value::Null)
        }
    }
}
