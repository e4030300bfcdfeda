//! A whole answer: one piece.

use bytes::Bytes;
use schemas::event::AttemptError;

use super::reader::Reader;
use super::wire::Response;
use crate::providers::held::Held;
use crate::providers::{Decoder, Failure, Piece, PieceKind};
use crate::reply::Tally;

/// A whole answer.
pub(super) struct Whole {
    reader: Reader,
    held: Held,
}

impl Whole {
    pub(super) fn new(reader: Reader) -> Self {
        Self { reader, held: Held::default() }
    }
}

impl Decoder for Whole {
    fn push(&mut self, bytes: Bytes, _: &mut Vec<Piece>) -> Result<(), Failure> {
        self.held.push(bytes);
        Ok(())
    }

    fn end(&mut self, pieces: &mut Vec<Piece>) -> Result<(), Failure> {
        let bytes = self.held.take();
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
