//! OpenAI's stream of chunks.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use schemas::event::AttemptError;
use serde_json::value::RawValue;

use super::deltas::Reading;
use super::inside::{enter_if_said, failed, failure_inside};
use super::wire::Answer;
use crate::call::{Call, place};
use crate::providers::{Decoder, Endpoint, Failure, Next, Piece, PieceKind, Wanted};
use crate::reply::Tally;
use crate::streaming::sse::{Event, Splitter};

/// A stream of chunks.
pub(super) struct Stream {
    endpoint: Arc<Endpoint>,
    splitter: Splitter,
    /// The hub asked for usage, the client did not: it is taken out again.
    hide_usage: bool,
    choices: i64,
    finished: i64,
    done: bool,
    tally: Tally,
    /// Where deltas are wanted.
    reading: Option<Reading>,
}

impl Stream {
    pub(super) fn new(call: &Call, endpoint: Arc<Endpoint>, wanted: Wanted) -> Self {
        Self {
            reading: (wanted == Wanted::Deltas).then(|| Reading::new(call)),
            hide_usage: !call.usage_wanted,
            endpoint,
            splitter: Splitter::default(),
            choices: call.choices,
            finished: 0,
            done: false,
            tally: Tally::default(),
        }
    }

    fn event(&mut self, event: Event, pieces: &mut Vec<Piece>) -> Result<(), Failure> {
        let data = event.data();
        let (bytes, vendor) = (event.bytes, &self.endpoint.vendor);
        let trimmed = data.trim_ascii();
        if trimmed.is_empty() {
            pieces.push(Piece::new(bytes, PieceKind::Preamble));
            return Ok(());
        }
        if trimmed == b"[DONE]" {
            self.done = true;
            let mut piece = Piece::new(bytes, PieceKind::Terminal);
            if let Some(reading) = &mut self.reading {
                reading.close(&mut piece.deltas);
            }
            pieces.push(piece);
            return Ok(());
        }
        let chunk: Answer<'_> =
            serde_json::from_slice(&data).map_err(|_| Failure::of(AttemptError::Malformed))?;
        if chunk.error.is_some() || chunk.choices.failed {
            // content that rides on the frame of the error goes with it
            pieces.push(Piece::new(bytes, PieceKind::Failed));
            return Err(failure_inside(vendor, &data));
        }
        if chunk.choices.finished.iter().any(|reason| failed(vendor, reason)) {
            return Err(Failure { next: Next::Target, ..Failure::of(AttemptError::Server) });
        }
        enter_if_said(chunk.usage, vendor, &mut self.tally);
        let weight = chunk.choices.weight;
        self.tally.content_bytes = self.tally.content_bytes.saturating_add(weight.bytes);
        self.finished += i64::try_from(chunk.choices.finished.len()).unwrap_or(0);
        let has_usage = chunk.usage.is_some_and(|usage| usage.get() != "null");
        let only_usage = chunk.choices.count == 0 && has_usage;
        let kind = match () {
            () if only_usage || self.finished >= self.choices => PieceKind::Closing,
            () if weight.content => PieceKind::Content,
            () => PieceKind::Preamble,
        };
        if let Some(reading) = &mut self.reading {
            let mut piece = Piece::new(Bytes::new(), kind);
            reading.read(&data, &mut piece.deltas)?;
            pieces.push(piece);
            return Ok(());
        }
        let bytes = match (self.hide_usage, chunk.usage) {
            (true, Some(_)) if only_usage => Bytes::new(),
            (true, Some(usage)) => without(&bytes, &data, usage),
            _ => bytes,
        };
        pieces.push(Piece::new(bytes, kind));
        Ok(())
    }
}

/// The event without the field whose value is `usage`: the client did not ask for it. An event
/// whose data had to be joined of several lines stays as it is.
fn without(bytes: &Bytes, data: &Bytes, usage: &RawValue) -> Bytes {
    let inside = bytes.as_ptr_range().contains(&data.as_ptr());
    let value = place(bytes, usage.get());
    let field = inside.then(|| field_around(bytes, value.start, value.end)).flatten();
    match field.and_then(|(start, end)| Some((bytes.get(..start)?, bytes.get(end..)?))) {
        Some((before, after)) => {
            let mut cut = BytesMut::with_capacity(before.len() + after.len());
            cut.extend_from_slice(before);
            cut.extend_from_slice(after);
            cut.freeze()
        }
        None => bytes.clone(),
    }
}

/// From the comma before the name of the field, or else the name, to the end of the value, or
/// else behind the comma that follows.
fn field_around(bytes: &[u8], value: usize, end: usize) -> Option<(usize, usize)> {
    let back = |to: usize| Some(bytes.get(..to)?.trim_ascii_end().len());
    let colon = back(value)?.checked_sub(1)?;
    let quote = back(colon)?.checked_sub(1)?;
    // a name that was written with escapes is left alone
    let name = quote.checked_sub(b"\"usage".len())?;
    if bytes.get(name..=quote)? != b"\"usage\"" {
        return None;
    }
    let before = back(name)?.checked_sub(1)?;
    if bytes.get(before) == Some(&b',') {
        return Some((before, end));
    }
    let rest = bytes.get(end..)?;
    let blank = rest.len() - rest.trim_ascii_start().len();
    let comma = rest.get(blank) == Some(&b',');
    Some((name, if comma { end + blank + 1 } else { end }))
}

impl Decoder for Stream {
    fn push(&mut self, bytes: Bytes, pieces: &mut Vec<Piece>) -> Result<(), Failure> {
        self.splitter.push(bytes);
        while let Some(event) = self.splitter.event()? {
            // nothing that counts comes behind the terminator
            if !self.done {
                self.event(event, pieces)?;
            }
        }
        Ok(())
    }

    fn end(&mut self, pieces: &mut Vec<Piece>) -> Result<(), Failure> {
        if let Some(event) = self.splitter.rest().filter(|_| !self.done) {
            // only the terminator may lack its empty line: a cut event is no event
            if event.data().trim_ascii() == b"[DONE]" {
                self.event(event, pieces)?;
            }
        }
        if self.done { Ok(()) } else { Err(Failure::of(AttemptError::Broken)) }
    }

    fn tally(&self) -> &Tally {
        &self.tally
    }
}
