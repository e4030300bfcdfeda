//! What was read of an answer and not sent to the client yet.

use bytes::{Bytes, BytesMut};

use crate::providers::{Piece, PieceKind};

/// What may go out at once, and what is held back until the call is settled: everything from the
/// first closing piece on.
#[derive(Default)]
pub(crate) struct Outgoing {
    free: Vec<Bytes>,
    held: Vec<Bytes>,
    closing: bool,
    content: bool,
    done: bool,
    failure: Option<Bytes>,
}

impl Outgoing {
    /// Sorts pieces in, in their order.
    pub(crate) fn take(&mut self, pieces: &mut Vec<Piece>) {
        for Piece { bytes, kind, .. } in pieces.drain(..) {
            match kind {
                PieceKind::Preamble => {}
                PieceKind::Content => self.content = true,
                PieceKind::Closing => self.closing = true,
                PieceKind::Terminal => (self.closing, self.done) = (true, true),
                PieceKind::Failed => {
                    self.failure = Some(bytes);
                    continue;
                }
            }
            if !bytes.is_empty() {
                if self.closing { &mut self.held } else { &mut self.free }.push(bytes);
            }
        }
    }

    /// Whether content was among it, or the end of an answer without any.
    pub(crate) const fn is_committed(&self) -> bool {
        self.content || self.closing
    }

    /// Whether content was among it.
    pub(crate) const fn has_content(&self) -> bool {
        self.content
    }

    /// Whether the terminator was.
    pub(crate) const fn is_done(&self) -> bool {
        self.done
    }

    /// Bytes of it.
    pub(crate) fn len(&self) -> usize {
        self.free.iter().chain(&self.held).map(Bytes::len).sum()
    }

    /// What may go out now.
    pub(crate) fn free(&mut self) -> Option<Bytes> {
        join(&mut self.free)
    }

    /// All of it: the call is settled.
    pub(crate) fn all(&mut self) -> Option<Bytes> {
        self.free.append(&mut self.held);
        join(&mut self.free)
    }

    /// The frame in which the provider says that it failed.
    pub(crate) fn failure(&mut self) -> Option<Bytes> {
        self.failure.take()
    }
}

/// One read goes out as one write.
fn join(parts: &mut Vec<Bytes>) -> Option<Bytes> {
    if parts.len() < 2 {
        return parts.pop();
    }
    let mut joined = BytesMut::with_capacity(parts.iter().map(Bytes::len).sum());
    parts.drain(..).for_each(|part| joined.extend_from_slice(&part));
    Some(joined.freeze())
}
