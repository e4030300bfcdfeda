//! Google's stream: each event is an answer that holds what is new. There is no terminator; the
//! end is the end once every choice gave its reason.

use std::sync::Arc;

use bytes::Bytes;
use schemas::event::AttemptError;

use super::failure_inside;
use super::read::Reader;
use super::wire::Answer;
use crate::call::Call;
use crate::providers::{Decoder, Endpoint, Failure, Piece, PieceKind, Wanted};
use crate::reply::Tally;
use crate::routing::Target;
use crate::streaming::sse::{Event, Splitter};

/// A stream of answers.
pub(super) struct Stream {
    endpoint: Arc<Endpoint>,
    splitter: Splitter,
    reader: Reader,
}

impl Stream {
    pub(super) fn new(call: &Call, target: &Target, wanted: Wanted) -> Self {
        Self {
            endpoint: Arc::clone(&target.endpoint),
            splitter: Splitter::default(),
            reader: Reader::new(call, wanted),
        }
    }

    fn event(&mut self, event: Event, pieces: &mut Vec<Piece>) -> Result<(), Failure> {
        let data = event.data();
        let bytes = event.bytes;
        let trimmed = data.trim_ascii();
        if trimmed.is_empty() || trimmed == b"[DONE]" {
            // Google prints an error over many lines, none of which says that it is data
            if matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'[')) {
                let failure = failure_inside(&self.endpoint.vendor, &bytes);
                pieces.push(Piece::new(bytes, PieceKind::Failed));
                return Err(failure);
            }
            pieces.push(Piece::new(bytes, PieceKind::Preamble));
            return Ok(());
        }
        let answer: Answer<'_> =
            serde_json::from_slice(&data).map_err(|_| Failure::of(AttemptError::Malformed))?;
        if answer.error.is_some() {
            pieces.push(Piece::new(bytes, PieceKind::Failed));
            return Err(failure_inside(&self.endpoint.vendor, &data));
        }
        let read = match self.reader.take(&answer) {
            Ok(read) => read,
            Err(failure) => {
                pieces.push(Piece::new(bytes, PieceKind::Failed));
                return Err(failure);
            }
        };
        let kind = read.kind();
        if read.content && read.closing {
            // Google's last content rides on the frame that ends it, which is held back
            pieces.push(Piece {
                bytes: Bytes::new(),
                kind: PieceKind::Content,
                deltas: read.deltas,
            });
            pieces.push(Piece::new(bytes, kind));
        } else {
            pieces.push(Piece { bytes, kind, deltas: read.deltas });
        }
        Ok(())
    }
}

impl Decoder for Stream {
    fn push(&mut self, bytes: Bytes, pieces: &mut Vec<Piece>) -> Result<(), Failure> {
        self.splitter.push(bytes);
        while let Some(event) = self.splitter.event()? {
            self.event(event, pieces)?;
        }
        Ok(())
    }

    fn end(&mut self, pieces: &mut Vec<Piece>) -> Result<(), Failure> {
        if let Some(event) = self.splitter.rest() {
            // an event that was cut is none; the last may lack its empty line
            let data = event.data();
            let whole = serde_json::from_slice::<serde::de::IgnoredAny>(&data).is_ok();
            if whole || data.is_empty() {
                self.event(event, pieces)?;
            }
        }
        if !self.reader.is_complete() {
            return Err(Failure::of(AttemptError::Broken));
        }
        let deltas = self.reader.finish();
        pieces.push(Piece { bytes: Bytes::new(), kind: PieceKind::Terminal, deltas });
        Ok(())
    }

    fn tally(&self) -> &Tally {
        &self.reader.tally
    }
}
