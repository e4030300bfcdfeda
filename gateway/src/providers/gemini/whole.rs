//! Google's whole answer: one piece.

use std::sync::Arc;

use bytes::Bytes;
use schemas::event::AttemptError;

use super::failure_inside;
use super::read::Reader;
use super::wire::Answer;
use crate::call::Call;
use crate::providers::held::Collected;
use crate::providers::{Endpoint, Failure, Piece, PieceKind, Wanted};
use crate::reply::Tally;
use crate::routing::Target;

/// A whole answer.
pub(super) struct Whole {
    endpoint: Arc<Endpoint>,
    reader: Reader,
    /// The client wants it as an array.
    listed: bool,
}

impl Whole {
    pub(super) fn new(call: &Call, target: &Target, wanted: Wanted) -> Self {
        Self {
            endpoint: Arc::clone(&target.endpoint),
            reader: Reader::new(call, wanted),
            listed: call.listed,
        }
    }
}

impl Collected for Whole {
    fn whole(&mut self, bytes: Bytes, pieces: &mut Vec<Piece>) -> Result<(), Failure> {
        let vendor = &self.endpoint.vendor;
        let Ok(answer) = serde_json::from_slice::<Answer<'_>>(&bytes) else {
            // an error may stand in an array; all else can't be read
            return Err(failure_inside(vendor, &bytes));
        };
        if answer.error.is_some() {
            return Err(failure_inside(vendor, &bytes));
        }
        let mut deltas = self.reader.take(&answer)?.deltas;
        if self.reader.is_empty() {
            return Err(Failure::of(AttemptError::Malformed));
        }
        self.reader.close();
        deltas.extend(self.reader.finish());
        let bytes = if self.listed { [b"[", &bytes[..], b"]"].concat().into() } else { bytes };
        pieces.push(Piece { bytes, kind: PieceKind::Terminal, deltas });
        Ok(())
    }

    fn tally(&self) -> &Tally {
        &self.reader.tally
    }
}
