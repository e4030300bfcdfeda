//! One document: a moderation, or what was heard as JSON, as text, as subtitles.

use std::sync::Arc;

use bytes::Bytes;
use memchr::memmem;
use schemas::event::{AttemptError, Meter, Operation, Quantity};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::usage::enter;
use crate::call::Call;
use crate::providers::held::Held;
use crate::providers::openai::inside::failure_inside;
use crate::providers::{Decoder, Endpoint, Failure, Piece, PieceKind};
use crate::reply::Tally;

/// The largest that is waited for.
const MAX_DOCUMENT: usize = 16 << 20;

/// A document, held until it is complete.
pub(in super::super) struct Document {
    endpoint: Arc<Endpoint>,
    operation: Operation,
    /// Whether it may be no JSON.
    text: bool,
    held: Held,
    length: usize,
    tally: Tally,
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(default)]
    results: Option<IgnoredAny>,
    #[serde(default)]
    text: Option<IgnoredAny>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    /// Of the sound, in seconds: a number, and once a text.
    #[serde(borrow, default)]
    duration: Option<&'a RawValue>,
}

impl Document {
    pub(in super::super) fn new(call: &Call, endpoint: Arc<Endpoint>) -> Self {
        let format = call.field("response_format").unwrap_or_default();
        let text = call.form.is_some() && [&b"text"[..], b"srt", b"vtt"].contains(&format);
        let operation = call.operation;
        Self {
            endpoint,
            operation,
            text,
            held: Held::default(),
            length: 0,
            tally: Tally::default(),
        }
    }

    fn read(&mut self, bytes: &Bytes) -> Result<(), Failure> {
        let malformed = Failure::of(AttemptError::Malformed);
        let answer: Option<Answer<'_>> = serde_json::from_slice(bytes).ok();
        let Some(answer) = answer else {
            // no usage, but subtitles end with the speech
            let seconds = subtitled(bytes).filter(|_| self.text);
            self.tally.quantities =
                seconds.map(|units| Quantity { meter: Meter::Second, units }).into_iter().collect();
            return if self.text { Ok(()) } else { Err(malformed) };
        };
        if answer.error.is_some() {
            return Err(failure_inside(&self.endpoint.vendor, bytes));
        }
        let complete = match self.operation {
            Operation::Moderation => answer.results.is_some(),
            _ => answer.text.is_some() || self.text,
        };
        if !complete {
            return Err(malformed);
        }
        let duration = answer.duration.map(|raw| raw.get().trim_matches('"'));
        let duration = duration.and_then(|text| serde_json::from_str(text).ok());
        enter(self.operation, answer.usage, duration.as_ref(), &mut self.tally);
        Ok(())
    }
}

impl Decoder for Document {
    fn push(&mut self, bytes: Bytes, _: &mut Vec<Piece>) -> Result<(), Failure> {
        self.length = self.length.saturating_add(bytes.len());
        self.held.push(bytes);
        match self.length > MAX_DOCUMENT {
            true => Err(Failure::of(AttemptError::Malformed)),
            false => Ok(()),
        }
    }

    fn end(&mut self, pieces: &mut Vec<Piece>) -> Result<(), Failure> {
        let bytes = self.held.take();
        self.read(&bytes)?;
        self.tally.content_bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        pieces.push(Piece::new(bytes, PieceKind::Terminal));
        Ok(())
    }

    fn tally(&self) -> &Tally {
        &self.tally
    }
}

/// Begun seconds until the last subtitle ends: `00:00:01,000 --> 00:00:02,500`, hours may be absent.
fn subtitled(bytes: &[u8]) -> Option<i64> {
    let arrow = memmem::rfind(bytes, b" --> ")?;
    let line = bytes.get(arrow + 5..)?;
    let end = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
    let (whole, part) = std::str::from_utf8(line.get(..end)?).ok()?.split_once([',', '.'])?;
    let mut seconds = i64::from(part.bytes().any(|digit| digit != b'0'));
    for (number, of) in whole.rsplit(':').zip([1, 60, 3600]) {
        seconds += of * i64::from(number.parse::<u16>().ok()?);
    }
    (seconds > 0).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subtitles_end_with_the_speech() {
        for (text, wanted) in [
            (
                "1\n00:00:00,000 --> 00:00:02,000\nHi.\n\n2\n00:00:02,000 --> 01:01:02,500\n",
                Some(3663),
            ),
            ("WEBVTT\n\n00:00.000 --> 00:08.001 align:left\nHi.", Some(9)),
            ("1\n00:00:00,000 --> 00:00:00,000", None),
            ("1\n00:00 --> soon", None),
            ("1 --> 99999:00.0", None),
            (" --> ", None),
            ("Hi.", None),
        ] {
            assert_eq!(subtitled(text.as_bytes()), wanted, "{text}");
        }
    }
}
