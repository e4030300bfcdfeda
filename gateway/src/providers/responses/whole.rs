//! A whole answer: one piece.

use bytes::Bytes;
use schemas::event::AttemptError;

use super::reader::Reader;
use super::wire::Response;
use crate::providers::held::Collected;
use crate::providers::{Failure, Piece, PieceKind};
use crate::reply::Tally;

/// A whole answer.
pub(super) struct Whole {
    reader: Reader,
}

impl Whole {
    pub(super) const fn new(reader: Reader) -> Self {
        Self { reader }
    }
}

impl Collected for Whole {
    fn whole(&mut self, bytes: Bytes, pieces: &mut Vec<Piece>) -> Result<(), Failure> {
        let said: Response<'_> =
            serde_json::from_slice(&bytes).map_err(|_| Failure::of(AttemptError::Malformed))?;
        let reader = &mut self.reader;
        let failed = said.error.is_some_and(|error| error.get() != "null");
        if said.output.is_none() && said.status.is_none() && !failed {
            return Err(Failure::of(AttemptError::Malformed));
        }
        if !failed {
            reader.start(&said);
            for (at, item) in (0..).zip(said.output.iter().flatten()) {
                reader.item(at, item);
            }
        }
        reader.finish(&said, &bytes)?;
        let deltas = reader.take();
        pieces.push(Piece { bytes, kind: PieceKind::Terminal, deltas });
        Ok(())
    }

    fn tally(&self) -> &Tally {
        &self.reader.tally
    }
}
