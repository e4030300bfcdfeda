//! Sound: bytes that say nothing of what they cost.

use bytes::Bytes;
use schemas::event::AttemptError;

use crate::providers::{Decoder, Failure, Piece, PieceKind};
use crate::reply::Tally;

/// Sound as it comes; it is complete when the answer is.
#[derive(Default)]
pub(in super::super) struct Sound {
    tally: Tally,
}

impl Decoder for Sound {
    fn push(&mut self, bytes: Bytes, pieces: &mut Vec<Piece>) -> Result<(), Failure> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.tally.content_bytes = self.tally.content_bytes.saturating_add(length);
        if !bytes.is_empty() {
            pieces.push(Piece::new(bytes, PieceKind::Content));
        }
        Ok(())
    }

    fn end(&mut self, pieces: &mut Vec<Piece>) -> Result<(), Failure> {
        if self.tally.content_bytes == 0 {
            return Err(Failure::of(AttemptError::Malformed));
        }
        pieces.push(Piece::new(Bytes::new(), PieceKind::Terminal));
        Ok(())
    }

    fn tally(&self) -> &Tally {
        &self.tally
    }
}
