//! The conversation.

use std::collections::HashMap;

use serde_json::Value;

use super::content::{cache, content};
use super::object::{Object, missing, wrong};
use super::proofs;
use crate::call::Chat;
use crate::call::chat::{Content, Message, Part, Role};
use crate::error::Error;

/// Reads the messages: instructions before the conversation are kept apart from it.
pub(super) fn messages(input: &mut Object, chat: &mut Chat) -> Result<(), Error> {
    let path = input.path("messages");
    let items = input.list("messages")?.ok_or_else(|| missing(&path, "an array of messages"))?;
    if items.is_empty() {
        return Err(wrong(&path, "an array that is not empty"));
    }
    let mut called = HashMap::new();
    for (path, item) in items {
        let message = message(Object::of(path, item)?, &mut called)?;
        match message.role {
            Role::System if chat.messages.is_empty() => chat.system.extend(message.parts),
            _ => chat.messages.push(message),
        }
    }
    Ok(())
}

fn message(mut from: Object, called: &mut HashMap<String, String>) -> Result<Message, Error> {
    let role = from.needed("role")?;
    let path = from.path("content");
    let mark = cache(&mut from)?;
    let mut parts = content(&mut from)?;
    let mut name = from.text("name")?;
    if role != "agent" {
        parts.iter_mut().for_each(say);
    }
    let role = match role.as_str() {
        "system" => {
            if parts.iter().any(|part| !matches!(part.content, Content::Text(_))) {
                return Err(wrong(&path, "text where the role is system"));
            }
            Role::System
        }
        "user" => Role::User,
        "agent" => {
            calls(&mut from, &mut parts, called)?;
            Role::Assistant
        }
        "tool" => {
            let id = from.needed("toolCallId")?;
            let name = called.get(&id).cloned().or_else(|| name.take());
            parts = vec![Content::ToolResult { id, name, parts, is_error: false }.into()];
            Role::User
        }
        _ => return Err(wrong(&from.path("role"), "system, user, agent or tool")),
    };
    if let (Some(mark), Some(last)) = (mark, parts.last_mut()) {
        last.cache = Some(mark);
    }
    Ok(Message { role, parts, name })
}

/// Only an agent thinks.
fn say(part: &mut Part) {
    if let Content::Reasoning { text, .. } = &mut part.content {
        part.content = Content::Text(std::mem::take(text));
    }
}

/// The tools that an agent calls, behind what it says. What it thought before stands before that.
fn calls(
    from: &mut Object,
    parts: &mut Vec<Part>,
    called: &mut HashMap<String, String>,
) -> Result<(), Error> {
    for (path, item) in from.list("toolCalls")?.unwrap_or_default() {
        let mut call = Object::of(path, item)?;
        let id = call.needed("id")?;
        let path = call.path("function");
        let mut function = call.object("function")?.ok_or_else(|| missing(&path, "an object"))?;
        let name = function.needed("name")?;
        let arguments = match function.take("arguments") {
            None => "{}".into(),
            Some(arguments @ Value::Object(_)) => arguments.to_string(),
            Some(_) => return Err(wrong(&function.path("arguments"), "an object")),
        };
        let told = call.object("metadata")?.map(proofs::read).transpose()?.unwrap_or_default();
        if !told.thoughts.is_empty() {
            // the proven thoughts say the same as those without proof, and more
            parts
                .retain(|part| !matches!(part.content, Content::Reasoning { signature: None, .. }));
            parts.splice(0..0, told.thoughts.into_iter().map(Part::from));
        }
        called.insert(id.clone(), name.clone());
        let signature = told.signature;
        parts.push(Content::ToolCall { id, name, arguments, signature }.into());
    }
    Ok(())
}
