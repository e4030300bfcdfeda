//! The conversation: turns that alternate, of blocks.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

use super::request::{Block, Source, Turn};
use crate::call::Lacks;
use crate::call::chat::{self, Content, Message, Part, Role};
use crate::error::{Error, Kind};
use crate::providers::Wire;

/// The images that the vendor takes.
const IMAGES: [&str; 4] = ["image/jpeg", "image/png", "image/gif", "image/webp"];

/// The turns of a conversation. Neighbours of one role are one turn, in which results of tools come
/// first. A system message stays one where the model knows such and where it may stand; elsewhere
/// it is told as the user's.
pub(super) fn turns<'a>(
    messages: &'a [Message],
    system_inside: bool,
    lacks: &mut Lacks,
) -> Result<Vec<Turn<'a>>, Error> {
    let mut turns: Vec<Turn<'a>> = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        let mut content = Vec::with_capacity(message.parts.len());
        for part in &message.parts {
            content.extend(block(part, lacks)?);
        }
        lacks.drop("messages.name", message.name.is_some());
        let role = match message.role {
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::System if system_inside && stands(&turns, messages.get(at + 1..)) => "system",
            Role::System => "user",
        };
        if content.is_empty() {
            continue; // an empty turn is refused
        }
        match turns.last_mut().filter(|turn| turn.role == role) {
            Some(turn) => turn.content.append(&mut content),
            None => turns.push(Turn { role, content }),
        }
    }
    for turn in turns.iter_mut().filter(|turn| turn.role == "user") {
        turn.content.sort_by_key(|block| !matches!(block, Block::ToolResult { .. }));
    }
    Ok(turns)
}

/// Whether a system message may stand behind these turns: the user's, or the same message's; and
/// before an answer or nothing.
fn stands(before: &[Turn<'_>], after: Option<&[Message]>) -> bool {
    let before = before.last().is_some_and(|turn| turn.role != "assistant");
    let after = after.unwrap_or_default().iter().find(|message| message.role != Role::System);
    before && after.is_none_or(|message| message.role == Role::Assistant)
}

/// The blocks of system texts.
pub(super) fn system<'a>(parts: &'a [Part], lacks: &mut Lacks) -> Result<Vec<Block<'a>>, Error> {
    let mut blocks = Vec::with_capacity(parts.len());
    for part in parts {
        blocks.extend(block(part, lacks)?);
    }
    Ok(blocks)
}

/// The block of a part; `None` for what need not be told.
fn block<'a>(part: &'a Part, lacks: &mut Lacks) -> Result<Option<Block<'a>>, Error> {
    let cache_control = part.cache.map(Into::into);
    Ok(Some(match &part.content {
        Content::Text(text) | Content::Refusal(text) => {
            if text.is_empty() {
                return Ok(None); // refused
            }
            Block::Text { text, cache_control }
        }
        Content::Image { source, detail } => {
            lacks.drop("image detail", detail.is_some());
            Block::Image { source: image(source, lacks)?, cache_control }
        }
        Content::File { source, name } => match source {
            chat::Source::Data { media_type, .. } if IMAGES.contains(&media_type.as_str()) => {
                Block::Image { source: image(source, lacks)?, cache_control }
            }
            _ => Block::Document {
                source: document(source, lacks)?,
                title: name.as_deref().filter(|name| !name.is_empty()),
                cache_control,
            },
        },
        Content::Audio(_) => return refused("audio", lacks),
        Content::Video(_) => return refused("video", lacks),
        // another vendor's thoughts, or ones without proof, mean nothing here
        Content::Reasoning { text, signature } => {
            let signature = signature.as_ref().and_then(|proof| proof.for_target(Wire::Anthropic));
            return Ok(signature.map(|signature| Block::Thinking { thinking: text, signature }));
        }
        Content::Redacted(sealed) => {
            let data = sealed.for_target(Wire::Anthropic);
            return Ok(data.map(|data| Block::RedactedThinking { data }));
        }
        Content::ToolCall { id, name, arguments, .. } => {
            Block::ToolUse { id: tool_id(id), name, input: input(arguments)?, cache_control }
        }
        Content::ToolResult { id, parts, is_error, .. } => {
            let mut content = Vec::with_capacity(parts.len());
            for part in parts {
                match part.content {
                    Content::Text(_)
                    | Content::Refusal(_)
                    | Content::Image { .. }
                    | Content::File { .. } => content.extend(block(part, lacks)?),
                    _ => return refused("a tool's result of this kind", lacks),
                }
            }
            Block::ToolResult {
                tool_use_id: tool_id(id),
                content,
                is_error: *is_error,
                cache_control,
            }
        }
    }))
}

fn refused<T>(what: &str, lacks: &Lacks) -> Result<Option<T>, Error> {
    refuse(what, true, lacks).map(|()| None)
}

fn refuse(what: &str, there: bool, lacks: &Lacks) -> Result<(), Error> {
    lacks.refuse(what, there).map_err(|error| error.at("messages"))
}

fn image<'a>(source: &'a chat::Source, lacks: &Lacks) -> Result<Source<'a>, Error> {
    match source {
        chat::Source::Data { media_type, base64 } => {
            let known = IMAGES.contains(&media_type.as_str());
            refuse("an image that is neither JPEG, PNG, GIF nor WebP", !known, lacks)?;
            Ok(Source::Base64 { media_type, data: base64 })
        }
        chat::Source::Url { url, .. } => Ok(Source::Url { url }),
        chat::Source::Id(_) => Err(of_elsewhere(lacks)),
    }
}

fn document<'a>(source: &'a chat::Source, lacks: &Lacks) -> Result<Source<'a>, Error> {
    match source {
        chat::Source::Data { media_type, base64 } if media_type == "application/pdf" => {
            Ok(Source::Base64 { media_type, data: base64 })
        }
        chat::Source::Data { media_type, base64 } => {
            let kind = media_type.split(';').next().unwrap_or_default().trim();
            let is_text = kind.starts_with("text/")
                || matches!(kind, "application/json" | "application/xml" | "application/csv");
            refuse("a file that is neither PDF nor text", !is_text, lacks)?;
            let bytes = STANDARD.decode(base64).ok();
            let data = bytes.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(|| {
                let message = "a file of text must be UTF-8 in standard base64";
                Error::new(Kind::InvalidField, message).at("messages")
            })?;
            Ok(Source::Text { media_type: "text/plain", data })
        }
        chat::Source::Url { url, .. } => Ok(Source::Url { url }),
        chat::Source::Id(_) => Err(of_elsewhere(lacks)),
    }
}

fn of_elsewhere(lacks: &Lacks) -> Error {
    let name = "the id of a file";
    refuse(name, true, lacks).err().unwrap_or_else(|| Error::new(Kind::UnsupportedField, name))
}

/// The vendor takes letters, digits, `_` and `-` in the ids of calls; others take more.
fn tool_id(id: &str) -> Cow<'_, str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    match id.chars().all(fits) {
        true => id.into(),
        false => id.chars().map(|c| if fits(c) { c } else { '_' }).collect::<String>().into(),
    }
}

fn input(arguments: &str) -> Result<&RawValue, Error> {
    let text = if arguments.trim().is_empty() { "{}" } else { arguments };
    let input: Option<&RawValue> = serde_json::from_str(text).ok();
    input.filter(|input| input.get().starts_with('{')).ok_or_else(|| {
        let message = "the arguments of a tool's call must be a JSON object";
        Error::new(Kind::InvalidField, message).at("messages")
    })
}
