//! Parts of messages.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::wire::{Address, CacheControl, File, ImageUrl, InputAudio, Part, What, Words};
use crate::call::Lacks;
use crate::call::chat::{self, CacheMark, Content, Source};
use crate::error::{Error, Kind};
use crate::providers::compat::Vendor;

/// A part of a user's message or of a tool's result; `None` for what is said elsewhere.
pub(super) fn part<'a>(
    part: &'a chat::Part,
    vendor: &Vendor,
    lacks: &mut Lacks,
) -> Result<Option<Part<'a>>, Error> {
    let what = match &part.content {
        Content::Text(text) | Content::Refusal(text) => What::Text { text: Cow::Borrowed(text) },
        Content::Image { source, detail } => {
            refuse(vendor, lacks, "image_url", "images")?;
            let known = detail.as_deref().filter(|detail| DETAILS.contains(detail));
            lacks.drop("detail", detail.as_deref() != known);
            What::ImageUrl { image_url: ImageUrl { url: address(source, lacks)?, detail: known } }
        }
        Content::Audio(source) => {
            refuse(vendor, lacks, "input_audio", "audio")?;
            What::InputAudio { input_audio: audio(source, lacks)? }
        }
        Content::File { source, name } => match text_of(source) {
            Some(text) => What::Text { text: Cow::Owned(text) },
            None => {
                refuse(vendor, lacks, "file", "files")?;
                lacks.refuse("a file at an address", matches!(source, Source::Url { .. }))?;
                let filename = name.as_deref().unwrap_or("file.pdf");
                What::File { file: File { filename, file_data: address(source, lacks)? } }
            }
        },
        Content::Video(source) => {
            lacks.refuse("video", !vendor.knows("video_url"))?;
            What::VideoUrl { video_url: ImageUrl { url: address(source, lacks)?, detail: None } }
        }
        Content::Reasoning { .. }
        | Content::Redacted(_)
        | Content::ToolCall { .. }
        | Content::ToolResult { .. } => return Ok(None),
    };
    Ok(Some(Part { what, cache_control: cache(part.cache, vendor, lacks) }))
}

/// Levels of detail that OpenAI knows.
const DETAILS: [&str; 4] = ["auto", "low", "high", "original"];

/// The row can name a type of content parts that the vendor lacks.
fn refuse(vendor: &Vendor, lacks: &Lacks, kind: &str, name: &str) -> Result<(), Error> {
    lacks.refuse(name, vendor.refuse.contains_key(kind))
}

fn address<'a>(source: &'a Source, lacks: &Lacks) -> Result<Address<'a>, Error> {
    lacks.refuse("a file's id at another vendor", matches!(source, Source::Id(_)))?;
    Address::of(source).ok_or_else(|| Error::new(Kind::Internal, "a source without an address"))
}

fn audio<'a>(source: &'a Source, lacks: &Lacks) -> Result<InputAudio<'a>, Error> {
    let known = match source {
        Source::Data { media_type, base64 } => match media_type.as_str() {
            "audio/wav" | "audio/x-wav" | "audio/wave" => Some((base64.as_str(), "wav")),
            "audio/mpeg" | "audio/mp3" => Some((base64.as_str(), "mp3")),
            _ => None,
        },
        Source::Url { .. } | Source::Id(_) => None,
    };
    lacks.refuse("audio that is not wav or mp3 in the request", known.is_none())?;
    let (data, format) = known.unwrap_or_default();
    Ok(InputAudio { data, format })
}

/// The words of a document that is plain text: no vendor takes such files, all take text.
fn text_of(source: &Source) -> Option<String> {
    match source {
        Source::Data { media_type, base64 } if media_type.starts_with("text/") => {
            String::from_utf8(STANDARD.decode(base64).ok()?).ok()
        }
        _ => None,
    }
}

pub(super) fn cache(
    mark: Option<CacheMark>,
    vendor: &Vendor,
    lacks: &mut Lacks,
) -> Option<CacheControl> {
    let mark = mark?;
    if !vendor.knows("cache_control") {
        lacks.drop("cache", true);
        return None;
    }
    let ttl = (mark == CacheMark::Long).then_some("1h");
    Some(CacheControl { r#type: "ephemeral", ttl })
}

/// Parts as text where all are, joined; as parts where one is marked or no text.
pub(super) fn words<'a>(mut parts: Vec<Part<'a>>, between: &str) -> Option<Words<'a>> {
    if parts.is_empty() {
        return None;
    }
    let plain =
        |part: &Part<'_>| part.cache_control.is_none() && matches!(part.what, What::Text { .. });
    if !parts.iter().all(plain) {
        return Some(Words::Parts(parts));
    }
    if parts.len() == 1
        && let Some(Part { what: What::Text { text }, .. }) = parts.pop()
    {
        return Some(Words::Text(text));
    }
    let texts: Vec<&str> = parts
        .iter()
        .filter_map(|part| match &part.what {
            What::Text { text } => Some(&**text),
            _ => None,
        })
        .collect();
    Some(Words::Text(texts.join(between).into()))
}
