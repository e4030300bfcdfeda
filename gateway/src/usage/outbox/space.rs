//! The segments as one long list of records, and the promise of room in it.
//!
//! Room is counted in segments that are allocated already, so a promise holds even when the disk
//! fills up. A segment is left when the next record does not fit, so it is filled but for less
//! than the largest record; that much of each is not counted, and what was promised always fits.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use schemas::ids::{CallId, Origin};

use super::error::{Error, Full};
use super::folder::Folder;
use super::record::{self, END, Head, Kind, Position};
use super::segment::{HEADER, Segment};

/// Bytes of a segment that hold no promised record.
const UNCOUNTED: usize = record::MOST + END;

/// Where a record is.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) segment: Arc<Segment>,
    pub(super) offset: usize,
}

impl Place {
    pub(super) fn position(&self) -> Position {
        self.segment.at(self.offset)
    }
}

/// Sizes in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// The first segment of a process start: small, so that many short starts cost little.
    pub(super) first: usize,
    /// All others.
    pub(super) segment: usize,
    /// All files together.
    pub(super) limit: u64,
}

/// The segments of an open outbox.
#[derive(Debug)]
pub(super) struct Space {
    folder: Arc<Folder>,
    origin: Origin,
    pub(super) sizes: Sizes,
    /// Oldest first; the last is the active one, unless nothing was appended yet.
    segments: VecDeque<Arc<Segment>>,
    /// Allocated and empty, in the order of their use.
    ready: VecDeque<Arc<Segment>>,
    /// Where the next record goes in the active segment; zero when there is none.
    tail: usize,
    next_generation: u64,
    /// Behind the newest record that readers may see. Never falls.
    last: Position,
    /// Bytes of all files.
    allocated: u64,
    /// Bytes promised to admitted calls.
    reserved: u64,
    scratch: Vec<u8>,
}

impl Space {
    /// Over the segments of earlier processes, oldest first, without an active one. New segments
    /// start at `own_from`.
    pub(super) fn new(
        folder: Arc<Folder>,
        origin: Origin,
        sizes: Sizes,
        old: VecDeque<Arc<Segment>>,
        own_from: u64,
    ) -> Self {
        let allocated = old.iter().map(|segment| segment.size as u64).sum();
        Self {
            folder,
            origin,
            sizes,
            segments: old,
            ready: VecDeque::new(),
            tail: 0,
            next_generation: own_from,
            last: Position { generation: own_from, offset: 0 },
            allocated,
            reserved: 0,
            scratch: Vec::with_capacity(1024),
        }
    }

    /// Bytes that can be promised.
    fn room(&self) -> u64 {
        let active = self.active().map_or(0, |segment| segment.size - self.tail);
        let ready = self.ready.iter().map(|segment| segment.size - HEADER);
        ready.chain([active]).map(|bytes| bytes.saturating_sub(UNCOUNTED) as u64).sum()
    }

    fn active(&self) -> Option<&Arc<Segment>> {
        self.segments.back().filter(|_| self.tail != 0)
    }

    /// What is kept free for moving live records out of the oldest segment.
    fn headroom(&self) -> u64 {
        (self.sizes.segment - HEADER - UNCOUNTED) as u64
    }

    /// Promises `bytes`; they are taken by [`Space::append`] and given back by
    /// [`Space::release`].
    pub(super) fn reserve(&mut self, bytes: u64) -> Result<(), Full> {
        while self.room() < self.reserved + bytes + self.headroom() {
            let held = self.allocated;
            if !self.may_grow() {
                return Err(Full::Limit { held, limit: self.sizes.limit });
            }
            self.grow(self.sizes.segment).map_err(|error| match error {
                Error::Allocate { source, .. } => Full::Disk(source.to_string()),
                other => Full::Broken(other.to_string()),
            })?;
        }
        self.reserved += bytes;
        Ok(())
    }

    /// Gives back a promise.
    pub(super) fn release(&mut self, bytes: u64) {
        self.reserved = self.reserved.saturating_sub(bytes);
    }

    /// Whether `bytes` are free beside all promises.
    pub(super) fn has_spare(&self, bytes: u64) -> bool {
        self.room() >= self.reserved + bytes
    }

    fn may_grow(&self) -> bool {
        self.allocated + self.sizes.segment as u64 <= self.sizes.limit
    }

    /// Whether another segment should be made ready before it is needed: a new one when there is
    /// none, a used one also as the second, so that in the long run files are only used again.
    pub(super) fn wants_ready(&self, used: bool) -> bool {
        self.ready.len() < 1 + usize::from(used) && self.may_grow()
    }

    /// Allocates a segment of `size` bytes, whatever the limit says.
    pub(super) fn grow(&mut self, size: usize) -> Result<(), Error> {
        let generation = self.new_generation();
        let segment = make(&self.folder, None, generation, self.origin, size)?;
        let overtaken = self.adopt(segment);
        debug_assert!(overtaken.is_none(), "its generation was taken under the same lock");
        Ok(())
    }

    /// A generation that was never used.
    pub(super) fn new_generation(&mut self) -> u64 {
        self.next_generation += 1;
        self.next_generation - 1
    }

    /// Puts an empty segment behind the ready ones; gives it back if a later one is there already,
    /// since places must rise.
    pub(super) fn adopt(&mut self, segment: Arc<Segment>) -> Option<Arc<Segment>> {
        let newest = self.ready.back().or(self.segments.back());
        if newest.is_some_and(|newest| newest.generation >= segment.generation) {
            return Some(segment);
        }
        self.allocated += segment.size as u64;
        self.ready.push_back(segment);
        None
    }

    /// Appends a record, not yet visible to readers: see [`Space::publish`].
    pub(super) fn append(
        &mut self,
        head: &Head,
        key: &[u8],
        payload: &[&[u8]],
    ) -> Result<Place, Error> {
        let len = record::size(key.len(), payload.iter().map(|part| part.len()).sum());
        if len > record::MOST {
            let source = io::Error::new(io::ErrorKind::FileTooLarge, "the record is too large");
            return Err(Error::Folder { path: self.folder.file(""), source });
        }
        let segment = self.segment_for(len)?;
        let place = Place { segment, offset: self.tail };
        record::compose(&mut self.scratch, place.position(), head, key, payload);
        self.write(place)
    }

    /// Appends a copy of a record from elsewhere.
    pub(super) fn append_copy(&mut self, kind: Kind, record: &[u8]) -> Result<Place, Error> {
        let segment = self.segment_for(record.len())?;
        let place = Place { segment, offset: self.tail };
        self.scratch.clear();
        self.scratch.extend_from_slice(record);
        record::rebind(&mut self.scratch, kind, place.position());
        self.write(place)
    }

    fn write(&mut self, place: Place) -> Result<Place, Error> {
        let written = place.segment.write(place.offset, &self.scratch);
        written.map_err(|source| Error::File { path: place.segment.path.clone(), source })?;
        self.tail += self.scratch.len();
        Ok(place)
    }

    /// Lets readers see what was appended.
    pub(super) fn publish(&mut self) {
        if let Some(active) = self.active() {
            active.publish(self.tail);
            self.last = active.at(self.tail);
        }
    }

    /// The segment that has room for a record of `len` bytes at the tail.
    fn segment_for(&mut self, len: usize) -> Result<Arc<Segment>, Error> {
        if let Some(active) = self.active() {
            if self.tail + len + END <= active.size {
                return Ok(Arc::clone(active));
            }
            let (active, tail) = (Arc::clone(active), self.tail);
            let head = Head {
                kind: Kind::End,
                call: CallId::default(),
                word: 0,
                source: None,
                partition: 0,
                number: 0,
            };
            record::compose(&mut self.scratch, active.at(tail), &head, &[], &[]);
            let written = active.write(tail, &self.scratch);
            written.map_err(|source| Error::File { path: active.path.clone(), source })?;
            active.publish(tail + END);
            self.last = active.at(tail + END);
            self.tail = 0;
        }
        if self.ready.is_empty() {
            let size = if len + HEADER + END > self.sizes.first {
                self.sizes.segment
            } else {
                self.sizes.first
            };
            self.grow(size)?;
        }
        let Some(next) = self.ready.pop_front() else {
            return Err(Error::Folder {
                path: self.folder.file(""),
                source: io::Error::other("no segment is ready"),
            });
        };
        self.segments.push_back(Arc::clone(&next));
        self.tail = HEADER;
        Ok(next)
    }

    /// All segments that hold records, oldest first.
    pub(super) fn segments(&self) -> impl DoubleEndedIterator<Item = &Arc<Segment>> {
        self.segments.iter()
    }

    /// Behind the newest record that readers may see.
    pub(super) const fn tail(&self) -> Position {
        self.last
    }

    /// Bytes of all files, and bytes promised.
    pub(super) const fn usage(&self) -> (u64, u64) {
        (self.allocated, self.reserved)
    }

    /// Takes the oldest segment out of the list if it is `generation` and not the active one.
    pub(super) fn take_oldest(&mut self, generation: u64) -> Option<Arc<Segment>> {
        let oldest = self.segments.front()?;
        let active = self.segments.len() == 1 && self.tail != 0;
        if oldest.generation != generation || active {
            return None;
        }
        self.allocated = self.allocated.saturating_sub(oldest.size as u64);
        self.segments.pop_front()
    }
}

/// Makes a segment whose name and header are on disk, of a file that is no longer needed or of a
/// new one. It gets its name only when its header is right.
pub(super) fn make(
    folder: &Folder,
    used: Option<&Path>,
    generation: u64,
    origin: Origin,
    size: usize,
) -> Result<Arc<Segment>, Error> {
    let path = folder.segment(generation);
    let unnamed = path.with_extension("new");
    let steps = || {
        if let Some(used) = used {
            fs::rename(used, &unnamed)?;
        }
        let mut segment =
            Segment::create(unnamed.clone(), generation, origin, size, folder.access)?;
        fs::rename(&unnamed, &path)?;
        folder.sync()?;
        segment.path.clone_from(&path);
        Ok(Arc::new(segment))
    };
    steps().map_err(|source: io::Error| {
        // a file that could not be allocated whole is of no use
        if let Err(error) = fs::remove_file(&unnamed) {
            tracing::debug!(%error, path = %unnamed.display(), "half-made outbox file not removed");
        }
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        if matches!(source.kind(), StorageFull | QuotaExceeded | FileTooLarge) {
            Error::Allocate { path: path.clone(), size: size as u64, source }
        } else {
            Error::File { path: path.clone(), source }
        }
    })
}

/// Tries to make a segment larger than the disk.
#[cfg(test)]
pub(in crate::usage) fn allocate_for_test(folder: &Path, size: usize) -> Result<(), Error> {
    let folder = Folder::open(folder, None)?;
    make(&folder, None, 1, Origin::default(), size).map(drop)
}
