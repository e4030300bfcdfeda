//! The conversation.

use serde_json::Value;

use super::object::{At, Object, wrong};
use crate::call::chat::{Content, Message, Part, Role, Source};
use crate::call::{Chat, Own};
use crate::error::Error;
use crate::providers::gemini_proof as proof;

/// Fields of a part of which the answer means the same without.
pub(super) const HINTS: [&str; 3] = ["mediaResolution", "partMetadata", "thought"];

/// Calls that have no result yet, by name: Google ties the two together by their order too.
#[derive(Default)]
struct Open {
    calls: Vec<(String, String)>,
    /// Calls so far. Ids are made up of their number, so that the conversation is the same when it is sent
    /// again and goes on: caches of prompts compare it from its beginning.
    made: usize,
}

/// Reads the conversation into the chat.
pub(super) fn read(root: &mut Object<'_>, chat: &mut Chat) -> Result<(), Error> {
    let mut open = Open::default();
    for content in root.list("contents")? {
        let mut content = content.object()?;
        let role = content.any("role");
        let said = role.as_ref().map_or(Ok(""), At::text)?;
        let role = match (said, role) {
            ("model", _) => Role::Assistant,
            ("" | "user" | "function", _) | (_, None) => Role::User,
            (_, Some(role)) => return Err(wrong(&role.at, "user or model")),
        };
        let goes_on = role == Role::Assistant && last_is_model(chat);
        let mut parts: Vec<Part> = Vec::new();
        for given in content.list("parts")? {
            part(given.object()?, &mut open, &mut chat.own, &mut parts)?;
        }
        content.left(&mut chat.own, &[]);
        match chat.messages.last_mut() {
            Some(last) if goes_on => go_on(&mut last.parts, parts),
            _ => chat.messages.push(Message { role, parts, name: None }),
        }
    }
    Ok(())
}

fn last_is_model(chat: &Chat) -> bool {
    chat.messages.last().is_some_and(|message| message.role == Role::Assistant)
}

/// A turn of the model that goes on: Google's SDKs keep each piece of a stream as a content of its
/// own, so a text or a thought goes on where the one before ended.
fn go_on(parts: &mut Vec<Part>, more: Vec<Part>) {
    let mut more = more.into_iter();
    if let Some(first) = more.next() {
        match (parts.last_mut().map(|part| &mut part.content), first.content) {
            (Some(Content::Text(text)), Content::Text(new)) => text.push_str(&new),
            (
                Some(Content::Reasoning { text, signature: last @ None }),
                Content::Reasoning { text: new, signature },
            ) => {
                text.push_str(&new);
                *last = signature;
            }
            (_, Content::Text(new)) if new.is_empty() => {}
            (_, content) => parts.push(content.into()),
        }
    }
    parts.extend(more);
}

fn part(
    mut given: Object<'_>,
    open: &mut Open,
    own: &mut Vec<Own>,
    parts: &mut Vec<Part>,
) -> Result<(), Error> {
    let thought = given.flag("thought")? == Some(true);
    let signature = given.text("thoughtSignature")?.and_then(proof::heard);
    let before = parts.len();
    if let Some(text) = given.text("text")? {
        match parts.last_mut().map(|part| &mut part.content) {
            // a stream's thoughts come in pieces, the last of them signed
            Some(Content::Reasoning { text: all, signature: last @ None }) if thought => {
                all.push_str(text);
                *last = signature;
                given.left(own, &HINTS);
                return Ok(());
            }
            _ if thought => {
                parts.push(Content::Reasoning { text: text.to_owned(), signature }.into())
            }
            _ => {
                if !text.is_empty() || signature.is_none() {
                    parts.push(Part::text(text));
                }
                if let Some(signature) = signature {
                    let text = String::new();
                    parts.push(Content::Reasoning { text, signature: Some(signature) }.into());
                }
                given.left(own, &HINTS);
                return Ok(());
            }
        }
    } else if let Some(mut called) = given.object("functionCall")? {
        let name = named(&mut called)?;
        let said = called.text("id")?.filter(|id| !id.is_empty()).map(str::to_owned);
        let id = said.unwrap_or_else(|| format!("call_{}", open.made));
        open.made += 1;
        let arguments = called.any("args");
        if let Some(arguments) = arguments.as_ref().filter(|args| !args.value.is_object()) {
            return Err(wrong(&arguments.at, "an object"));
        }
        let arguments = arguments.map_or_else(|| "{}".to_owned(), |args| args.value.to_string());
        called.left(own, &[]);
        open.calls.push((name.clone(), id.clone()));
        parts.push(Content::ToolCall { id, name, arguments, signature }.into());
    } else if let Some(result) = given.object("functionResponse")? {
        parts.push(answered(result, open, own)?.into());
    } else if let Some(blob) = given.object("inlineData")? {
        parts.push(media(blob, own)?.into());
    } else if let Some(file) = given.object("fileData")? {
        parts.push(filed(file, own)?.into());
    } else if let Some(signature) = signature.filter(|_| thought) {
        parts.push(Content::Redacted(signature).into());
    }
    let at = given.at().to_owned();
    let unread = own.len();
    given.left(own, &HINTS);
    if parts.len() == before && own.len() == unread {
        return Err(wrong(&at, "text, inlineData, fileData, functionCall or functionResponse"));
    }
    Ok(())
}

fn named(object: &mut Object<'_>) -> Result<String, Error> {
    let name = object.text("name")?.filter(|name| !name.is_empty());
    name.map(str::to_owned).ok_or_else(|| wrong(&object.path("name"), "the function's name"))
}

fn answered(mut result: Object<'_>, open: &mut Open, own: &mut Vec<Own>) -> Result<Content, Error> {
    let name = named(&mut result)?;
    let said = result.text("id")?.filter(|id| !id.is_empty());
    let place = open.calls.iter().position(|(called, id)| match said {
        Some(said) => id == said,
        None => *called == name,
    });
    let called = place.map(|place| open.calls.remove(place).1);
    let id = said.map(str::to_owned).or(called).ok_or_else(|| {
        wrong(&result.path("name"), "the name of a function that was called before")
    })?;
    let response = result.any("response");
    if let Some(response) = response.as_ref().filter(|response| !response.value.is_object()) {
        return Err(wrong(&response.at, "an object"));
    }
    let (text, is_error) = response.map_or((String::new(), false), |given| given_back(given.value));
    let mut parts = vec![Part::text(text)];
    for part in result.list("parts")? {
        let mut part = part.object()?;
        if let Some(blob) = part.object("inlineData")? {
            parts.push(media(blob, own)?.into());
        } else if let Some(file) = part.object("fileData")? {
            parts.push(filed(file, own)?.into());
        }
        part.left(own, &HINTS);
    }
    result.left(own, &[]);
    Ok(Content::ToolResult { id, name: Some(name), parts, is_error })
}

/// What the function gave: under Google's documented names `output` and `error`, or else all of it.
fn given_back(response: &Value) -> (String, bool) {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let only = response.as_object().filter(|object| object.len() == 1);
    let named = |name: &str| only.and_then(|object| object.get(name));
    match (named("output"), named("error")) {
        (Some(output), _) => (text(output), false),
        (None, Some(error)) => (text(error), true),
        (None, None) => (response.to_string(), false),
    }
}

fn media(mut blob: Object<'_>, own: &mut Vec<Own>) -> Result<Content, Error> {
    let media_type = blob.text("mimeType")?.filter(|kind| kind.contains('/'));
    let wanted = || wrong(&blob.path("mimeType"), "a media type, such as image/png");
    let media_type = media_type.ok_or_else(wanted)?.to_owned();
    let data = blob.text("data")?.ok_or_else(|| wrong(&blob.path("data"), "base64"))?;
    let name = blob.text("displayName")?.map(str::to_owned);
    blob.left(own, &[]);
    let base64 = proof::padded(data);
    Ok(of_kind(&media_type.clone(), Source::Data { media_type, base64 }, name))
}

fn filed(mut file: Object<'_>, own: &mut Vec<Own>) -> Result<Content, Error> {
    let uri = file.text("fileUri")?.filter(|uri| !uri.is_empty());
    let uri = uri.ok_or_else(|| wrong(&file.path("fileUri"), "an address"))?.to_owned();
    let media_type = file.text("mimeType")?.map(str::to_owned);
    let name = file.text("displayName")?.map(str::to_owned);
    file.left(own, &[]);
    let kind = media_type.clone().unwrap_or_default();
    // files at Google are behind its own keys
    let there = uri.contains("generativelanguage.googleapis.com/") || !uri.starts_with("http");
    let source = if there { Source::Id(uri) } else { Source::Url { url: uri, media_type } };
    Ok(of_kind(&kind, source, name))
}

fn of_kind(media_type: &str, source: Source, name: Option<String>) -> Content {
    match media_type.split('/').next().unwrap_or_default() {
        "image" => Content::Image { source, detail: None },
        "audio" => Content::Audio(source),
        "video" => Content::Video(source),
        _ => Content::File { source, name },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_function_gave() {
        for (response, wanted) in [
            (serde_json::json!({"output": "42"}), ("42", false)),
            (serde_json::json!({"output": {"a": 1}}), (r#"{"a":1}"#, false)),
            (serde_json::json!({"error": "no"}), ("no", true)),
            (serde_json::json!({"result": "42"}), (r#"{"result":"42"}"#, false)),
            (serde_json::json!({}), ("{}", false)),
        ] {
            assert_eq!(given_back(&response), (wanted.0.to_owned(), wanted.1));
        }
    }
}
