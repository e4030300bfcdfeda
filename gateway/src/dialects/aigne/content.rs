//! What a message holds.

use serde_json::Value;

use super::object::{Object, missing, wrong};
use crate::call::chat::{CacheMark, Content, Part, Source};
use crate::error::{Error, Kind};

/// Text, or an array of texts and files.
pub(super) fn content(message: &mut Object) -> Result<Vec<Part>, Error> {
    let path = message.path("content");
    match message.take("content") {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![Part::text(text)]),
        Some(Value::Array(items)) => {
            let items = items.into_iter().enumerate();
            items.map(|(at, item)| part(Object::of(format!("{path}[{at}]"), item)?)).collect()
        }
        Some(_) => Err(wrong(&path, "a string or an array")),
    }
}

fn part(mut part: Object) -> Result<Part, Error> {
    let cache = cache(&mut part)?;
    let kind = part.needed("type")?;
    let content = match kind.as_str() {
        "text" => {
            let text = part.needed("text")?;
            match part.flag("isThinking")? {
                Some(true) => Content::Reasoning { text, signature: None },
                _ => Content::Text(text),
            }
        }
        _ => file(&kind, part)?,
    };
    Ok(Part { content, cache })
}

/// A file by what its type says; one that says none is taken for an image, as AIGNE does.
fn file(kind: &str, mut part: Object) -> Result<Content, Error> {
    let name = part.text("filename")?;
    let source = source(kind, &mut part)?;
    let (Source::Data { media_type, .. } | Source::Url { media_type: Some(media_type), .. }) =
        &source
    else {
        return Ok(Content::Image { source, detail: None });
    };
    Ok(match media_type.split('/').next() {
        Some("image") => Content::Image { source, detail: None },
        Some("audio") => Content::Audio(source),
        Some("video") => Content::Video(source),
        _ => Content::File { source, name },
    })
}

/// Where a file is.
pub(super) fn source(kind: &str, part: &mut Object) -> Result<Source, Error> {
    let media_type = part.text("mimeType")?;
    match kind {
        "url" => {
            let url = part.needed("url")?;
            let data = url.strip_prefix("data:").and_then(|data| data.split_once(";base64,"));
            if let Some((media_type, base64)) = data {
                return Ok(Source::Data { media_type: media_type.into(), base64: base64.into() });
            }
            let is_web = ["https://", "http://"].iter().any(|scheme| url.starts_with(scheme));
            if !is_web {
                return Err(wrong(&part.path("url"), "an address that begins with https://"));
            }
            Ok(Source::Url { url, media_type })
        }
        "file" => {
            let base64 = part.needed("data")?;
            let media_type = media_type.unwrap_or_else(|| "image/png".into());
            Ok(Source::Data { media_type, base64 })
        }
        "local" => {
            let path = part.path("type");
            let message = format!("{path}: a local path means nothing here; send the file itself");
            Err(Error::new(Kind::UnsupportedField, message).at(path))
        }
        _ => Err(wrong(&part.path("type"), "text, url or file")),
    }
}

/// A mark up to which the prompt shall be cached.
pub(super) fn cache(of: &mut Object) -> Result<Option<CacheMark>, Error> {
    let Some(mut mark) = of.object("cacheControl")? else {
        return Ok(None);
    };
    match mark.text("type")?.as_deref() {
        Some("ephemeral") => {}
        Some(_) => return Err(wrong(&mark.path("type"), "ephemeral")),
        None => return Err(missing(&mark.path("type"), "ephemeral")),
    }
    match mark.text("ttl")?.as_deref() {
        None | Some("5m") => Ok(Some(CacheMark::Short)),
        Some("1h") => Ok(Some(CacheMark::Long)),
        Some(_) => Err(wrong(&mark.path("ttl"), "5m or 1h")),
    }
}
