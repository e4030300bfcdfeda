//! Reading segments: in order up to an end, and, after a crash, whatever is whole.

use std::io;

use super::record::{self, Kind, Position, View};
use super::segment::{HEADER, Segment};

const CHUNK: usize = 256 << 10;

/// A view of a segment that moves forward.
#[derive(Debug)]
pub(super) struct Window<'a> {
    segment: &'a Segment,
    limit: usize,
    bytes: Vec<u8>,
    start: usize,
}

impl<'a> Window<'a> {
    /// Over the bytes of a segment up to `limit`.
    pub(super) fn new(segment: &'a Segment, limit: usize) -> Self {
        let limit = limit.min(segment.size);
        Self { segment, limit: limit - limit % 8, bytes: Vec::new(), start: 0 }
    }

    /// The bytes from `at` on: as many as the largest record has, or up to the limit.
    pub(super) fn from(&mut self, at: usize) -> io::Result<&[u8]> {
        let end = self.start + self.bytes.len();
        let wanted = (at + record::MOST).min(self.limit);
        if at < self.start || wanted > end {
            let len = CHUNK.min(self.limit.saturating_sub(at));
            self.bytes.clear();
            self.segment.read(at, len, &mut self.bytes)?;
            self.start = at;
        }
        Ok(self.bytes.get(at - self.start..).unwrap_or_default())
    }
}

/// How the records of a segment end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Ended {
    /// Behind the last record of the unbroken row from the start.
    pub(super) end: usize,
    /// The row ends with the mark that the segment was full.
    pub(super) closed: bool,
}

/// Visits every whole record of a segment, in order. The last argument of `each` says whether the
/// record stands past the first place where none could be read.
pub(super) fn scan(
    segment: &Segment,
    mut each: impl FnMut(&View<'_>, Position, bool),
) -> io::Result<Ended> {
    let mut window = Window::new(segment, segment.size);
    let mut ended = Ended { end: HEADER.min(segment.size), closed: false };
    let mut past = false;
    let mut at = HEADER;
    while at + record::OVERHEAD <= segment.size {
        let bytes = window.from(at)?;
        let Some(view) = View::parse(bytes, segment.at(at)) else {
            past = true;
            at += skip(bytes, segment.generation);
            continue;
        };
        let next = at + view.len;
        if !past {
            ended = Ended { end: next, closed: view.head.kind == Kind::End };
        }
        if view.head.kind == Kind::End {
            break;
        }
        each(&view, segment.at(at), past);
        at = next;
    }
    Ok(ended)
}

/// How far it is to the next place where a record may start.
fn skip(bytes: &[u8], generation: u64) -> usize {
    let mut at = 8;
    while let Some(rest) = bytes.get(at..).filter(|rest| rest.len() >= record::OVERHEAD) {
        if record::peek(rest, generation).is_some() {
            return at;
        }
        at += 8;
    }
    at
}
