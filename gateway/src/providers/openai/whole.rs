//! A whole answer: one piece.

use std::sync::Arc;

use bytes::Bytes;
use schemas::event::AttemptError;

use super::deltas::Reading;
use super::images;
use super::inside::{enter_if_said, failed, failure_inside};
use super::wire::Answer;
use crate::call::Call;
use crate::providers::held::Collected;
use crate::providers::{Endpoint, Failure, Piece, PieceKind, Wanted};
use crate::reply::Tally;

/// A whole answer.
pub(super) struct Whole {
    endpoint: Arc<Endpoint>,
    tally: Tally,
    /// Where deltas are wanted.
    reading: Option<Reading>,
}

impl Whole {
    pub(super) fn new(call: &Call, endpoint: Arc<Endpoint>, wanted: Wanted) -> Self {
        let reading = (wanted == Wanted::Deltas).then(|| Reading::new(call));
        Self { endpoint, tally: Tally::default(), reading }
    }
}

impl Collected for Whole {
    fn whole(&mut self, bytes: Bytes, pieces: &mut Vec<Piece>) -> Result<(), Failure> {
        let answer: Answer<'_> =
            serde_json::from_slice(&bytes).map_err(|_| Failure::of(AttemptError::Malformed))?;
        let vendor = &self.endpoint.vendor;
        if answer.error.is_some() || answer.choices.failed {
            return Err(failure_inside(vendor, &bytes));
        }
        if answer.choices.count == 0 && answer.data.is_none() {
            return Err(Failure::of(AttemptError::Malformed));
        }
        if answer.choices.finished.iter().any(|reason| failed(vendor, reason)) {
            return Err(Failure::of(AttemptError::Server));
        }
        self.tally.content_bytes = answer.choices.weight.bytes;
        enter_if_said(answer.usage, vendor, &mut self.tally);
        let data = answer.data.filter(|_| answer.choices.count == 0);
        // embeddings tell what they used as chats do, images do not
        let drawn = data.filter(|_| !self.tally.reported);
        let drawn = drawn.and_then(|data| images::read(data.get())).transpose()?;
        if let Some(drawn) = &drawn {
            images::enter(answer.usage, drawn.len(), &mut self.tally);
        }
        let mut piece = Piece::new(Bytes::new(), PieceKind::Terminal);
        match self.reading.as_mut() {
            None => piece.bytes = bytes,
            Some(reading) => {
                match (drawn, data) {
                    (Some(drawn), _) => reading.images(&bytes, drawn, &mut piece.deltas)?,
                    (None, Some(data)) => {
                        reading.vectors(&bytes, data.get(), &mut piece.deltas)?;
                    }
                    (None, None) => reading.read(&bytes, &mut piece.deltas)?,
                }
                reading.close(&mut piece.deltas);
            }
        }
        pieces.push(piece);
        Ok(())
    }

    fn tally(&self) -> &Tally {
        &self.tally
    }
}
