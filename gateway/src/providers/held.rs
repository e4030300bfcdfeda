//! An answer that is read once it is whole.

use bytes::Bytes;

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
