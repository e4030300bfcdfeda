//! Parts of messages.

use serde_json::Value;

use super::json::{At, Fields, wrong};
use crate::call::Own;
use crate::call::chat::{CacheMark, Content, Part, Source};
use crate::error::Error;

/// What a user can say.
pub(super) const USER: [&str; 5] = ["text", "image_url", "input_audio", "file", "video_url"];
/// What a tool can give. OpenAI documents text; others take more.
pub(super) const RESULT: [&str; 3] = ["text", "image_url", "file"];

/// The parts of a message that must have some.
pub(super) fn needed(
    fields: &mut Fields<'_>,
    kinds: &[&str],
    own: &mut Vec<Own>,
) -> Result<Vec<Part>, Error> {
    let value = fields.needed_value("content", "a string or an array of parts")?;
    let at = At::Field(fields.at, "content");
    parts(value, &at, kinds, own)
}

/// The parts of a message.
pub(super) fn content(
    fields: &mut Fields<'_>,
    kinds: &[&str],
    own: &mut Vec<Own>,
) -> Result<Vec<Part>, Error> {
    let at = At::Field(fields.at, "content");
    fields.take("content").map_or_else(|| Ok(Vec::new()), |value| parts(value, &at, kinds, own))
}

/// Images that the model made (OpenRouter).
pub(super) fn images(fields: &mut Fields<'_>, own: &mut Vec<Own>) -> Result<Vec<Part>, Error> {
    let at = At::Field(fields.at, "images");
    let images = fields.list("images")?.unwrap_or_default();
    let each = images.into_iter().enumerate();
    each.map(|(index, value)| part(value, &At::Item(&at, index), &["image_url"], own)).collect()
}

fn parts(
    value: Value,
    at: &At<'_>,
    kinds: &[&str],
    own: &mut Vec<Own>,
) -> Result<Vec<Part>, Error> {
    match value {
        Value::String(text) => Ok(vec![Part::text(text)]),
        Value::Array(list) if !list.is_empty() => {
            let each = list.into_iter().enumerate();
            each.map(|(index, value)| part(value, &At::Item(at, index), kinds, own)).collect()
        }
        _ => Err(wrong(at, "a string or an array of parts that is not empty")),
    }
}

fn part(value: Value, at: &At<'_>, kinds: &[&str], own: &mut Vec<Own>) -> Result<Part, Error> {
    let mut fields = Fields::of(value, at)?;
    let kind = fields.needed("type", &kinds.join(", "))?;
    if !kinds.contains(&kind.as_str()) {
        let must = if kinds.len() > 1 { "one of " } else { "" };
        return Err(wrong(&At::Field(at, "type"), format_args!("{must}{}", kinds.join(", "))));
    }
    let cache = cache(&mut fields)?;
    let content = match kind.as_str() {
        "text" => Content::Text(fields.needed("text", "the text")?),
        "refusal" => Content::Refusal(fields.needed("refusal", "the refusal")?),
        kind => {
            let inner = fields.needed_value(kind, "where it is")?;
            let at = At::Field(at, kind);
            let mut inner = Fields::of(inner, &at)?;
            let content = match kind {
                "image_url" => image(&mut inner)?,
                "input_audio" => audio(&mut inner)?,
                "video_url" => Content::Video(address(&mut inner, "url")?),
                _ => file(&mut inner)?,
            };
            inner.rest(own);
            content
        }
    };
    fields.rest(own);
    Ok(Part { content, cache })
}

/// OpenAI's `prompt_cache_breakpoint`, or Anthropic's `cache_control`, as OpenRouter has it.
pub(super) fn cache(fields: &mut Fields<'_>) -> Result<Option<CacheMark>, Error> {
    let mut mark = None;
    for (name, long) in [("prompt_cache_breakpoint", "12h"), ("cache_control", "1h")] {
        if let Some(value) = fields.take(name) {
            let at = At::Field(fields.at, name);
            let ttl = Fields::of(value, &at)?.text("ttl")?;
            let is_long = ttl.as_deref() == Some(long);
            mark = Some(if is_long { CacheMark::Long } else { CacheMark::Short });
        }
    }
    Ok(mark)
}

fn image(fields: &mut Fields<'_>) -> Result<Content, Error> {
    let detail = fields.one_of("detail", &["auto", "low", "high", "original"])?;
    Ok(Content::Image { source: address(fields, "url")?, detail })
}

fn audio(fields: &mut Fields<'_>) -> Result<Content, Error> {
    let base64 = fields.needed("data", "base64 of the sound")?;
    let format = fields.needed("format", "wav or mp3")?;
    let media_type = match format.as_str() {
        "wav" => "audio/wav",
        "mp3" => "audio/mpeg",
        _ => return Err(wrong(&At::Field(fields.at, "format"), "wav or mp3")),
    };
    Ok(Content::Audio(Source::Data { media_type: media_type.into(), base64 }))
}

fn file(fields: &mut Fields<'_>) -> Result<Content, Error> {
    let name = fields.text("filename")?;
    if let Some(id) = fields.text("file_id")? {
        fields.take("file_data");
        return Ok(Content::File { source: Source::Id(id), name });
    }
    let data = fields.needed("file_data", "base64 of the file, or file_id")?;
    let source = if data.contains(':') {
        source(data, &At::Field(fields.at, "file_data"))?
    } else {
        let is_pdf =
            name.as_deref().is_some_and(|name| name.to_ascii_lowercase().ends_with(".pdf"));
        let media_type = if is_pdf { "application/pdf" } else { "application/octet-stream" };
        Source::Data { media_type: media_type.into(), base64: data }
    };
    Ok(Content::File { source, name })
}

fn address(fields: &mut Fields<'_>, name: &str) -> Result<Source, Error> {
    let url = fields.needed(name, "an https address, or data:…;base64,…")?;
    source(url, &At::Field(fields.at, name))
}

/// An address, or data in one.
pub(super) fn source(url: String, at: &At<'_>) -> Result<Source, Error> {
    let is_web = ["https://", "http://"].iter().any(|scheme| {
        url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    });
    if is_web {
        return Ok(Source::Url { url, media_type: None });
    }
    let data = url.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,"));
    match data {
        Some((media_type, base64)) if !base64.is_empty() => {
            let media_type = media_type.split(';').next().unwrap_or_default();
            let media_type = if media_type.is_empty() { "text/plain" } else { media_type };
            Ok(Source::Data { media_type: media_type.to_owned(), base64: base64.to_owned() })
        }
        _ => Err(wrong(at, "an https address, or data:…;base64,…")),
    }
}
