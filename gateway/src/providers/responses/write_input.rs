//! A conversation as items.

use serde_json::{Value, json};

use super::write::breakpoint;
use crate::call::chat::{Content, Message, Part, Role, Source};
use crate::call::{Chat, Lacks};
use crate::error::Error;
use crate::providers::Wire;
use crate::reply::Signature;

/// Instructions, where they are one text, and the items.
pub(super) fn input(chat: &Chat, lacks: &mut Lacks) -> Result<(Option<String>, Vec<Value>), Error> {
    let mut items = Vec::new();
    let instructions = match chat.system.as_slice() {
        [Part { content: Content::Text(text), cache: None }] => Some(text.clone()),
        [] => None,
        system => {
            items.push(message("developer", contents(system, "input_text", lacks)?));
            None
        }
    };
    for message in &chat.messages {
        turn(message, &mut items, lacks)?;
    }
    Ok((instructions, items))
}

/// A message: runs of text and media are a message item, calls and results are items of their own.
fn turn(message: &Message, items: &mut Vec<Value>, lacks: &mut Lacks) -> Result<(), Error> {
    lacks.drop("name", message.name.is_some());
    let (role, kind) = match message.role {
        Role::System => ("developer", "input_text"),
        Role::User => ("user", "input_text"),
        Role::Assistant => ("assistant", "output_text"),
    };
    let mut run = Vec::new();
    for part in &message.parts {
        if let Some(content) = content(part, kind, lacks)? {
            run.push(content);
            continue;
        }
        if !run.is_empty() {
            items.push(self::message(role, std::mem::take(&mut run)));
        }
        items.extend(item(part, lacks)?);
    }
    if !run.is_empty() {
        items.push(self::message(role, run));
    }
    Ok(())
}

fn message(role: &str, content: Vec<Value>) -> Value {
    json!({"type": "message", "role": role, "content": content})
}

fn contents(parts: &[Part], kind: &str, lacks: &mut Lacks) -> Result<Vec<Value>, Error> {
    let mut all = Vec::new();
    for part in parts {
        all.extend(content(part, kind, lacks)?);
    }
    Ok(all)
}

/// A part of a message; `None` for what is an item.
fn content(part: &Part, kind: &str, lacks: &mut Lacks) -> Result<Option<Value>, Error> {
    let model = kind == "output_text";
    let mut said = match &part.content {
        Content::Text(text) if model => json!({"type": kind, "text": text, "annotations": []}),
        Content::Text(text) => json!({"type": kind, "text": text}),
        Content::Refusal(text) if model => json!({"type": "refusal", "refusal": text}),
        Content::Refusal(text) => json!({"type": kind, "text": text}),
        Content::Image { source, detail } => {
            lacks.refuse("images in an answer", model)?;
            let detail = detail.as_deref().unwrap_or("auto");
            json!({"type": "input_image", "image_url": address(source, "images by id", lacks)?, "detail": detail})
        }
        Content::File { source, name } => {
            lacks.refuse("files in an answer", model)?;
            let place = if matches!(source, Source::Url { .. }) { "file_url" } else { "file_data" };
            let mut said =
                json!({"type": "input_file", place: address(source, "files by id", lacks)?});
            let name = name.as_deref().or((place == "file_data").then_some("file"));
            if let (Some(name), Some(said)) = (name, said.as_object_mut()) {
                said.insert("filename".into(), name.into());
            }
            said
        }
        Content::Audio(_) => {
            lacks.refuse("audio input", true)?;
            return Ok(None);
        }
        Content::Video(_) => {
            lacks.refuse("video input", true)?;
            return Ok(None);
        }
        Content::Reasoning { .. }
        | Content::Redacted(_)
        | Content::ToolCall { .. }
        | Content::ToolResult { .. } => return Ok(None),
    };
    match (part.cache, said.as_object_mut()) {
        (Some(mark), Some(said)) if !model => {
            said.insert("prompt_cache_breakpoint".into(), breakpoint(mark));
        }
        (mark, _) => lacks.drop("cache marks", mark.is_some()),
    }
    Ok(Some(said))
}

fn address(source: &Source, by_id: &str, lacks: &Lacks) -> Result<String, Error> {
    match source {
        Source::Data { media_type, base64 } => Ok(format!("data:{media_type};base64,{base64}")),
        Source::Url { url, .. } => Ok(url.clone()),
        Source::Id(_) => lacks.refuse(by_id, true).map(|()| String::new()),
    }
}

/// A part that is an item; `None` for another vendor's thoughts.
fn item(part: &Part, lacks: &mut Lacks) -> Result<Option<Value>, Error> {
    let own = |signature: &Signature| signature.for_target(Wire::Responses).map(str::to_owned);
    let said = match &part.content {
        Content::Reasoning { text, signature: Some(signature) } => own(signature).map(|proof| {
            let summary = match text.is_empty() {
                true => json!([]),
                false => json!([{"type": "summary_text", "text": text}]),
            };
            json!({"type": "reasoning", "summary": summary, "encrypted_content": proof})
        }),
        Content::Redacted(signature) => own(signature)
            .map(|proof| json!({"type": "reasoning", "summary": [], "encrypted_content": proof})),
        Content::ToolCall { id, name, arguments, .. } => Some(json!({
            "type": "function_call",
            "call_id": id,
            "name": name,
            "arguments": if arguments.is_empty() { "{}" } else { arguments },
        })),
        Content::ToolResult { id, parts, is_error, .. } => {
            lacks.drop("is_error", *is_error);
            let output: Value = match parts.as_slice() {
                [Part { content: Content::Text(text), cache: None }] => text.as_str().into(),
                [] => "".into(),
                parts => contents(parts, "input_text", lacks)?.into(),
            };
            Some(json!({"type": "function_call_output", "call_id": id, "output": output}))
        }
        _ => None,
    };
    lacks.drop("cache marks", part.cache.is_some());
    Ok(said)
}
