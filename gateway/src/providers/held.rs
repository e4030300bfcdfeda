//! An answer that is read once it is whole.

use bytes::Bytes;

use super::{Decoder, Failure, Piece};
use crate::reply::Tally;

/// What came of it so far.
#[derive(Debug, Default)]
pub(super) struct Held(Vec<Bytes>);

impl Held {
    /// Appends.
    pub(super) fn push(&mut self, bytes: Bytes) {
        self.0.push(bytes);
    }

    /// All of it; what came in one read is not copied.
    pub(super) fn take(&mut self) -> Bytes {
        let mut held = std::mem::take(&mut self.0);
        if held.len() == 1 { held.swap_remove(0) } else { held.concat().into() }
    }
}

/// What reads an answer once it is whole.
pub(super) trait Collected: Send {
    /// Appends the pieces that it is.
    ///
    /// # Errors
    /// It says that the provider failed, or can't be read.
    fn whole(&mut self, answer: Bytes, pieces: &mut Vec<Piece>) -> Result<(), Failure>;

    /// What it used.
    fn tally(&self) -> &Tally;
}

/// Holds an answer until it is whole.
#[derive(Debug)]
pub(super) struct Collect<R> {
    held: Held,
    reader: R,
}

impl<R: Collected> Collect<R> {
    /// To be read by this.
    pub(super) fn of(reader: R) -> Self {
        Self { held: Held::default(), reader }
    }
}

impl<R: Collected> Decoder for Collect<R> {
    fn push(&mut self, bytes: Bytes, _: &mut Vec<Piece>) -> Result<(), Failure> {
        self.held.push(bytes);
        Ok(())
    }

    fn end(&mut self, pieces: &mut Vec<Piece>) -> Result<(), Failure> {
        self.reader.whole(self.held.take(), pieces)
    }

    fn tally(&self) -> &Tally {
        self.reader.tally()
    }
}
