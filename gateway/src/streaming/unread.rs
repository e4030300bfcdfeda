//! Bytes that came and were not taken yet. Most reads hold whole events and are not copied.

use std::ops::Deref;

use bytes::{Bytes, BytesMut};

/// Why a stream can't be read on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unreadable {
    /// It is not waited for the end of such an event.
    #[error("an event of the stream is larger than {0} bytes")]
    TooLarge(usize),
    /// A length or a checksum is wrong.
    #[error("a frame of the stream is damaged")]
    Damaged,
}

/// At most one of the two holds any.
#[derive(Debug, Default)]
pub(super) struct Unread {
    /// As they came.
    fresh: Bytes,
    /// What an earlier read left, and what came behind it.
    held: BytesMut,
}

impl Unread {
    /// Appends.
    pub(super) fn push(&mut self, bytes: Bytes) {
        if self.is_empty() {
            self.fresh = bytes;
            return;
        }
        self.held.extend_from_slice(&std::mem::take(&mut self.fresh));
        self.held.extend_from_slice(&bytes);
    }

    /// Takes as many from the front; all when there are fewer.
    pub(super) fn take(&mut self, length: usize) -> Bytes {
        let length = length.min(self.len());
        if self.held.is_empty() {
            self.fresh.split_to(length)
        } else {
            self.held.split_to(length).freeze()
        }
    }
}

impl Deref for Unread {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        if self.held.is_empty() { &self.fresh } else { &self.held }
    }
}
