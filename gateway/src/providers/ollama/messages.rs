//! The conversation as Ollama wants it: texts are one string, images bare base64, each tool's
//! result a message of its own, and arguments objects.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::value::RawValue;

use super::wire::{Called, Message, ToolCall};
use crate::call::chat::{Content, Part, Role, Source};
use crate::call::{Chat, Lacks, chat};
use crate::error::{Error, Kind};
use crate::providers::Wire;

/// Writes the conversation, the instructions before it.
pub(super) fn messages<'a>(chat: &'a Chat, lacks: &mut Lacks) -> Result<Vec<Message<'a>>, Error> {
    let mut writer = Writer { lacks, called: HashMap::new() };
    let mut all = Vec::with_capacity(chat.messages.len() + 1);
    if !chat.system.is_empty() {
        all.push(writer.message("system", &chat.system)?);
    }
    for message in &chat.messages {
        writer.lacks.drop("name", message.name.is_some());
        match message.role {
            Role::System => all.push(writer.message("system", &message.parts)?),
            Role::User => writer.user(message, &mut all)?,
            Role::Assistant => {
                let said = writer.message("assistant", &message.parts)?;
                // nothing is left of one that held another vendor's proofs alone
                if !is_blank(&said) || message.parts.is_empty() {
                    all.push(said);
                }
            }
        }
    }
    Ok(all)
}

struct Writer<'a, 'l> {
    lacks: &'l mut Lacks,
    /// Tools by the ids of their calls.
    called: HashMap<&'a str, &'a str>,
}

impl<'a> Writer<'a, '_> {
    fn message(&mut self, role: &'static str, parts: &'a [Part]) -> Result<Message<'a>, Error> {
        let mut message = blank(role);
        parts.iter().try_for_each(|part| self.say(&mut message, part))?;
        Ok(message)
    }

    /// Results of tools stand where they stood among the rest.
    fn user(&mut self, from: &'a chat::Message, all: &mut Vec<Message<'a>>) -> Result<(), Error> {
        let mut said: Option<Message<'a>> = None;
        for part in &from.parts {
            let Content::ToolResult { id, name, parts, is_error } = &part.content else {
                self.say(said.get_or_insert_with(|| blank("user")), part)?;
                continue;
            };
            all.extend(said.take());
            self.lacks.drop("is_error", *is_error);
            self.lacks.drop("cache_control", part.cache.is_some());
            let mut result = self.message("tool", parts)?;
            result.tool_name = name.as_deref().or_else(|| self.called.get(id.as_str()).copied());
            result.tool_call_id = Some(id);
            all.push(result);
        }
        all.extend(said.or_else(|| from.parts.is_empty().then(|| blank("user"))));
        Ok(())
    }

    fn say(&mut self, message: &mut Message<'a>, part: &'a Part) -> Result<(), Error> {
        self.lacks.drop("cache_control", part.cache.is_some());
        match &part.content {
            Content::Text(text) | Content::Refusal(text) => join(&mut message.content, text),
            Content::Image { source: Source::Data { base64, .. }, detail } => {
                self.lacks.drop("detail", detail.as_deref().is_some_and(|detail| detail != "auto"));
                message.images.push(base64);
            }
            Content::Image { source: Source::Url { .. }, .. } => {
                self.lacks.refuse("the address of an image", true)?;
            }
            Content::Image { source: Source::Id(_), .. } => {
                self.lacks.refuse("the id of a file", true)?;
            }
            Content::Audio(_) => self.lacks.refuse("audio", true)?,
            Content::Video(_) => self.lacks.refuse("video", true)?,
            Content::File { .. } => self.lacks.refuse("file", true)?,
            Content::Reasoning { text, signature } => {
                // another vendor's proof is worth nothing here, nor are the thoughts that it proves
                if signature.as_ref().is_none_or(|proof| proof.for_target(Wire::Ollama).is_some()) {
                    join(&mut message.thinking, text);
                }
            }
            Content::Redacted(_) => {}
            Content::ToolCall { id, name, arguments, .. } => {
                self.called.insert(id, name);
                let index = message.tool_calls.len();
                let function = Called { index, name, arguments: object(arguments)? };
                message.tool_calls.push(ToolCall { id, function });
            }
            Content::ToolResult { .. } => {
                self.lacks.refuse("a tool's result inside another message", true)?;
            }
        }
        Ok(())
    }
}

const fn blank(role: &'static str) -> Message<'static> {
    Message {
        role,
        content: Cow::Borrowed(""),
        thinking: Cow::Borrowed(""),
        images: Vec::new(),
        tool_calls: Vec::new(),
        tool_name: None,
        tool_call_id: None,
    }
}

fn is_blank(said: &Message<'_>) -> bool {
    said.content.is_empty()
        && said.thinking.is_empty()
        && said.images.is_empty()
        && said.tool_calls.is_empty()
}

/// A message has one text: parts become its lines.
fn join<'a>(all: &mut Cow<'a, str>, text: &'a str) {
    if all.is_empty() {
        *all = Cow::Borrowed(text);
    } else if !text.is_empty() {
        let all = all.to_mut();
        all.push('\n');
        all.push_str(text);
    }
}

/// Arguments as the object that their text is.
fn object(arguments: &str) -> Result<&RawValue, Error> {
    let text = if arguments.trim_ascii().is_empty() { "{}" } else { arguments };
    let object = serde_json::from_str::<&RawValue>(text).ok();
    object.filter(|object| object.get().starts_with('{')).ok_or_else(|| {
        let message = "the arguments of a call of a tool must be a JSON object";
        Error::new(Kind::InvalidField, message).at("messages")
    })
}
