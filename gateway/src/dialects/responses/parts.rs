//! Parts of messages and of what tools gave.

use super::node::Node;
use crate::call::chat::{CacheMark, Content, Part, Source};
use crate::error::Error;

/// The parts of a message's `content` or of a tool's `output`: a string, or an array.
pub(super) fn parts(node: &Node<'_>) -> Result<Vec<Part>, Error> {
    if let Some(text) = node.value.as_str() {
        return Ok(vec![Part::text(text)]);
    }
    if !node.value.is_array() {
        return Err(node.wrong("a string or an array of parts"));
    }
    node.list()?.map(|part| read(&part)).collect()
}

fn read(node: &Node<'_>) -> Result<Part, Error> {
    let kind = node.need("type", "input_text, input_image, input_file, output_text or refusal")?;
    let content = match kind.text()? {
        "input_text" | "output_text" => Content::Text(node.need_text("text")?.to_owned()),
        "refusal" => Content::Refusal(node.need_text("refusal")?.to_owned()),
        "input_image" => image(node)?,
        "input_file" => file(node)?,
        "input_audio" => audio(node)?,
        _ => {
            let wanted = "input_text, input_image, input_file, output_text or refusal";
            return Err(kind.wrong(wanted));
        }
    };
    Ok(Part { content, cache: mark(node)? })
}

fn image(node: &Node<'_>) -> Result<Content, Error> {
    let source = match (node.get("image_url"), node.get_text("file_id")?) {
        (Some(url), _) => source(&url, url.text()?)?,
        (None, Some(id)) => Source::Id(id.to_owned()),
        (None, None) => return Err(node.wrong("an image with image_url or file_id")),
    };
    Ok(Content::Image { source, detail: node.get_text("detail")?.map(str::to_owned) })
}

fn file(node: &Node<'_>) -> Result<Content, Error> {
    let name = node.get_text("filename")?;
    let source = match (node.get("file_data"), node.get("file_url"), node.get_text("file_id")?) {
        (Some(data), ..) => match data.text()? {
            text if text.starts_with("data:") => source(&data, text)?,
            text => Source::Data { media_type: type_of(name).into(), base64: text.to_owned() },
        },
        (None, Some(url), _) => source(&url, url.text()?)?,
        (None, None, Some(id)) => Source::Id(id.to_owned()),
        (None, None, None) => {
            return Err(node.wrong("a file with file_data, file_url or file_id"));
        }
    };
    Ok(Content::File { source, name: name.map(str::to_owned) })
}

fn audio(node: &Node<'_>) -> Result<Content, Error> {
    let audio = node.need("input_audio", "an object with data and format")?;
    let format = audio.need("format", "wav or mp3")?;
    let media_type = match format.text()? {
        "wav" => "audio/wav",
        "mp3" => "audio/mpeg",
        _ => return Err(format.wrong("wav or mp3")),
    };
    let base64 = audio.need_text("data")?.to_owned();
    Ok(Content::Audio(Source::Data { media_type: media_type.into(), base64 }))
}

/// What an address says: the media themselves, or where they are.
fn source(node: &Node<'_>, url: &str) -> Result<Source, Error> {
    if let Some((media_type, base64)) = url.strip_prefix("data:").and_then(|data| {
        let (head, base64) = data.split_once(',')?;
        Some((head.strip_suffix(";base64")?, base64))
    }) {
        let media_type = media_type.split(';').next().unwrap_or_default();
        return Ok(Source::Data { media_type: media_type.into(), base64: base64.into() });
    }
    if url.starts_with("https://") || url.starts_with("http://") {
        return Ok(Source::Url { url: url.to_owned(), media_type: None });
    }
    Err(node.wrong("an https address, or a data URL in base64"))
}

/// The media type that a file's name tells; documents are most often PDFs.
fn type_of(name: Option<&str>) -> &'static str {
    let ending = name.and_then(|name| name.rsplit_once('.')).map_or("", |(_, ending)| ending);
    match ending.to_ascii_lowercase().as_str() {
        "txt" => "text/plain",
        "md" => "text/markdown",
        "csv" => "text/csv",
        "html" => "text/html",
        "json" => "application/json",
        _ => "application/pdf",
    }
}

/// `prompt_cache_breakpoint`: 30 minutes where it says nothing else.
fn mark(node: &Node<'_>) -> Result<Option<CacheMark>, Error> {
    let Some(mark) = node.get("prompt_cache_breakpoint") else {
        return Ok(None);
    };
    match mark.get("ttl") {
        None => Ok(Some(CacheMark::Short)),
        Some(ttl) => match ttl.text()? {
            "30m" => Ok(Some(CacheMark::Short)),
            "12h" => Ok(Some(CacheMark::Long)),
            _ => Err(ttl.wrong("30m or 12h")),
        },
    }
}
