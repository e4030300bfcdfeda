//! How `Converse` names the types of media.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::call::Lacks;
use crate::call::chat::Source;
use crate::error::{Error, Kind};

const IMAGES: &[(&str, &str)] = &[
    ("image/png", "png"),
    ("image/jpeg", "jpeg"),
    ("image/jpg", "jpeg"),
    ("image/gif", "gif"),
    ("image/webp", "webp"),
];

const SOUNDS: &[(&str, &str)] = &[
    ("audio/mpeg", "mp3"),
    ("audio/mp3", "mp3"),
    ("audio/wav", "wav"),
    ("audio/x-wav", "wav"),
    ("audio/opus", "opus"),
    ("audio/aac", "aac"),
    ("audio/flac", "flac"),
    ("audio/mp4", "mp4"),
    ("audio/m4a", "m4a"),
    ("audio/ogg", "ogg"),
    ("audio/webm", "webm"),
    ("audio/pcm", "pcm"),
    ("audio/pcm16", "pcm"),
];

const FILMS: &[(&str, &str)] = &[
    ("video/mp4", "mp4"),
    ("video/quicktime", "mov"),
    ("video/x-matroska", "mkv"),
    ("video/webm", "webm"),
    ("video/x-flv", "flv"),
    ("video/mpeg", "mpeg"),
    ("video/x-ms-wmv", "wmv"),
    ("video/3gpp", "three_gp"),
];

const DOCUMENTS: &[(&str, &str)] = &[
    ("application/pdf", "pdf"),
    ("text/csv", "csv"),
    ("application/msword", "doc"),
    ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"),
    ("application/vnd.ms-excel", "xls"),
    ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"),
    ("text/html", "html"),
    ("text/plain", "txt"),
    ("text/markdown", "md"),
];

/// Names that documents had so far: two of the same name are refused.
#[derive(Default)]
pub(super) struct Names(HashSet<String>);

/// An image.
pub(super) fn image(source: &Source, lacks: &Lacks) -> Result<Value, Error> {
    let (format, bytes) = taken("image", source, IMAGES, lacks)?;
    Ok(json!({"image": {"format": format, "source": {"bytes": bytes}}}))
}

/// Sound.
pub(super) fn audio(source: &Source, lacks: &Lacks) -> Result<Value, Error> {
    let (format, bytes) = taken("audio", source, SOUNDS, lacks)?;
    Ok(json!({"audio": {"format": format, "source": {"bytes": bytes}}}))
}

/// A film.
pub(super) fn video(source: &Source, lacks: &Lacks) -> Result<Value, Error> {
    let (format, bytes) = taken("video", source, FILMS, lacks)?;
    Ok(json!({"video": {"format": format, "source": {"bytes": bytes}}}))
}

/// A document.
pub(super) fn document(
    source: &Source,
    name: Option<&str>,
    names: &mut Names,
    lacks: &Lacks,
) -> Result<Value, Error> {
    let (format, bytes) = taken("file", source, DOCUMENTS, lacks)?;
    let name = names.free(name.unwrap_or_default());
    Ok(json!({"document": {"format": format, "name": name, "source": {"bytes": bytes}}}))
}

/// The format's name and the bytes as base64.
fn taken<'a>(
    what: &str,
    source: &'a Source,
    known: &[(&str, &'static str)],
    lacks: &Lacks,
) -> Result<(&'static str, &'a str), Error> {
    let (media_type, base64) = match source {
        Source::Data { media_type, base64 } => (media_type, base64),
        Source::Url { .. } => return Err(refusal(lacks, &format!("{what} by its address"))),
        Source::Id(_) => return Err(refusal(lacks, &format!("{what} by its id"))),
    };
    let plain = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match known.iter().find(|(name, _)| *name == plain) {
        Some((_, format)) => Ok((format, base64)),
        None => {
            let formats: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            let message = format!("{what}: the type must be one of {}", formats.join(", "));
            Err(Error::new(Kind::UnsupportedField, message).at(what))
        }
    }
}

fn refusal(lacks: &Lacks, name: &str) -> Error {
    let refused = lacks.refuse(name, true).err();
    refused.unwrap_or_else(|| Error::new(Kind::UnsupportedField, name.to_owned()).at(name))
}

impl Names {
    /// The name as `Converse` takes it, and not used before. Letters, digits, single blanks and some signs are
    /// allowed.
    fn free(&mut self, name: &str) -> String {
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '(' | ')' | '[' | ']');
        let words: String = stem.chars().map(|c| if fits(c) { c } else { ' ' }).take(180).collect();
        let words: Vec<&str> = words.split_whitespace().collect();
        let base = if words.is_empty() { "document".to_owned() } else { words.join(" ") };
        let more = (2..).map(|number: u32| format!("{base} {number}"));
        let mut names = std::iter::once(base.clone()).chain(more);
        let name = names.find(|name| !self.0.contains(name)).unwrap_or(base);
        self.0.insert(name.clone());
        name
    }
}
