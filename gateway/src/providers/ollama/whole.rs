//! Ollama's whole answer: one piece.

use std::sync::Arc;

use bytes::Bytes;
use schemas::event::AttemptError;

use super::answer::Reader;
use super::failure_inside;
use super::wire::Answer;
use crate::call::Call;
use crate::providers::held::Collected;
use crate::providers::{Endpoint, Failure, Piece, PieceKind, Wanted};
use crate::reply::Tally;
use crate::routing::Target;

/// A whole answer.
pub(super) struct Whole {
    endpoint: Arc<Endpoint>,
    wanted: Wanted,
    reader: Reader,
}

impl Whole {
    pub(super) fn new(call: &Call, target: &Target, wanted: Wanted) -> Self {
        let endpoint = Arc::clone(&target.endpoint);
        Self { endpoint, wanted, reader: Reader::new(call, wanted) }
    }
}

impl Collected for Whole {
    fn whole(&mut self, bytes: Bytes, pieces: &mut Vec<Piece>) -> Result<(), Failure> {
        let answer: Answer<'_> =
            serde_json::from_slice(&bytes).map_err(|_| Failure::of(AttemptError::Malformed))?;
        if answer.error.is_some() {
            return Err(failure_inside(&self.endpoint.vendor, &bytes));
        }
        match (&answer.message, &answer.embeddings, answer.done) {
            (None, None, _) => return Err(Failure::of(AttemptError::Malformed)),
            // a line of a stream, of which the rest did not come
            (Some(_), _, Some(false)) => return Err(Failure::of(AttemptError::Broken)),
            _ => {}
        }
        let mut deltas = Vec::new();
        self.reader.read(answer, &mut deltas);
        let bytes = if self.wanted == Wanted::Bytes { bytes } else { Bytes::new() };
        pieces.push(Piece { bytes, kind: PieceKind::Terminal, deltas });
        Ok(())
    }

    fn tally(&self) -> &Tally {
        &self.reader.tally
    }
}
