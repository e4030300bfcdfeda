//! The files of the outbox: made before they are needed, let go when they are shipped.

use std::fs;
use std::sync::Arc;

use super::error::Error;
use super::open::set_aside;
use super::record::{self, Kind};
use super::segment::Segment;
use super::space::{self, Place};
use super::watermark::Mark;
use super::{Live, Outbox, State};

impl Outbox {
    /// Makes segments ready before they are needed. Blocks.
    pub(in crate::usage) fn prepare(&self) -> Result<(), Error> {
        loop {
            let mut state = self.state();
            if !state.space.wants_ready(false) {
                return Ok(());
            }
            let generation = state.space.new_generation();
            let size = state.space.sizes.segment;
            drop(state);
            let made = space::make(&self.folder, None, generation, self.origin, size)?;
            self.adopt(made)?;
        }
    }

    fn adopt(&self, made: Arc<Segment>) -> Result<(), Error> {
        let overtaken = self.state().space.adopt(made);
        overtaken.map_or(Ok(()), |unused| remove(&unused))
    }

    /// Lets go of segments that are shipped and hold no live call; live calls are moved out of
    /// the oldest, so that a long one does not pin it. Blocks.
    pub(in crate::usage) fn trim(&self) -> Result<(), Error> {
        let shipped = *self.shipped.borrow();
        loop {
            let mut state = self.state();
            let Some(oldest) = state.space.segments().next().map(Arc::clone) else {
                return Ok(());
            };
            let done = oldest.generation < shipped.generation
                && (oldest.generation >= state.own_from || shipped >= state.recovered_to);
            if !done {
                return Ok(());
            }
            if !state.unpin(&oldest)? {
                return Ok(());
            }
            if *self.synced.borrow() < state.moved_to {
                drop(state);
                self.ring();
                return Ok(());
            }
            drop(state);
            // first so that it is never read again, then so that it is gone
            let mut watermark = self.watermark();
            let first = oldest.generation + 1;
            let mark = Mark { first, ..watermark.mark().clone() };
            watermark.store(mark, true)?;
            drop(watermark);
            self.let_go(oldest)?;
        }
    }

    fn let_go(&self, oldest: Arc<Segment>) -> Result<(), Error> {
        let mut state = self.state();
        let Some(oldest) = state.space.take_oldest(oldest.generation) else {
            return Ok(());
        };
        let size = state.space.sizes.segment;
        let again = oldest.size == size && state.space.wants_ready(true) && oldest.origin.is_some();
        let generation = again.then(|| state.space.new_generation());
        drop(state);
        let Some(generation) = generation else {
            return remove(&oldest);
        };
        let made = space::make(&self.folder, Some(&oldest.path), generation, self.origin, size)?;
        self.adopt(made)
    }
}

impl State {
    /// Moves the records of live calls out of a segment; false when that has to wait.
    fn unpin(&mut self, segment: &Arc<Segment>) -> Result<bool, Error> {
        let here = |place: &Place| place.segment.generation == segment.generation;
        let pinning = self.live.values().filter(|live| {
            let places = live.places();
            here(&places.admitted) || places.sent.as_ref().is_some_and(here)
        });
        let pinning: Vec<Arc<Live>> = pinning.map(Arc::clone).collect();
        if pinning.is_empty() {
            return Ok(true);
        }
        let mut bytes = Vec::new();
        let mut sum = 0;
        for live in &pinning {
            let places = live.places();
            for place in [Some(&places.admitted), places.sent.as_ref()].into_iter().flatten() {
                sum += if here(place) { length(place, &mut bytes)? } else { 0 };
            }
        }
        // half a segment of live records is not worth moving: they end sooner than that
        if sum > segment.size / 2 || !self.space.has_spare(sum as u64) {
            return Ok(false);
        }
        for live in pinning {
            let mut places = live.places();
            if here(&places.admitted) {
                places.admitted = self.relocate(&places.admitted, Kind::Admitted, &mut bytes)?;
            }
            if let Some(sent) = places.sent.clone().filter(here) {
                places.sent = Some(self.relocate(&sent, Kind::Sent, &mut bytes)?);
            }
        }
        self.space.publish();
        self.moved_to = self.space.tail();
        Ok(true)
    }

    fn relocate(&mut self, from: &Place, kind: Kind, bytes: &mut Vec<u8>) -> Result<Place, Error> {
        let len = length(from, bytes)?;
        bytes.clear();
        let read = from.segment.read(from.offset, len, bytes);
        read.map_err(|source| Error::File { path: from.segment.path.clone(), source })?;
        self.space.append_copy(kind, bytes)
    }
}

/// Length of the record at a place.
fn length(place: &Place, bytes: &mut Vec<u8>) -> Result<usize, Error> {
    let failed = |source| Error::File { path: place.segment.path.clone(), source };
    bytes.clear();
    place.segment.read(place.offset, 16, bytes).map_err(failed)?;
    let len = record::peek(bytes, place.segment.generation);
    len.ok_or_else(|| failed(std::io::ErrorKind::InvalidData.into()))
}

/// Removes the file of a segment; one with a damaged header is set aside, for whoever looks.
fn remove(segment: &Segment) -> Result<(), Error> {
    if segment.origin.is_none() {
        return set_aside(&segment.path);
    }
    let removed = fs::remove_file(&segment.path);
    removed.map_err(|source| Error::File { path: segment.path.clone(), source })
}
