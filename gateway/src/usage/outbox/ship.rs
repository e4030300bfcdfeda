//! What the shipper does with the outbox: sync, read, remember, trim.

use std::fs;
use std::sync::Arc;

use bytes::Bytes;
use runtime::log::{Header, NewRecord, Outgoing};
use schemas::event::Usage;
use schemas::topics::Topic;

use super::error::Error;
use super::open::set_aside;
use super::record::{self, Kind, Position, View};
use super::scan::Window;
use super::segment::{HEADER, Segment};
use super::space::{self, Place};
use super::watermark::Mark;
use super::{Live, Outbox, Stats};


/// Records on their way to the log.
#[derive(Debug)]
pub(in crate::usage) struct Batch {
    pub(in crate::usage) records: Vec<Outgoing>,
    /// Where to go on once they are there.
    pub(in crate::usage) next: Position,
}

impl Outbox {
    /// Waits until something is appended that is not synced; at once if there is something.
    pub(in crate::usage) async fn appended(&self) {
        use std::sync::atomic::Ordering::Relaxed;
        self.waiting.store(true, Relaxed);
        // an append after this look sees `waiting`: the append lock orders the two
        if self.state().space.tail() <= *self.synced.borrow() {
            self.bell.notified().await;
        }
        self.waiting.store(false, Relaxed);
    }

    /// Waits until something is synced that is not shipped.
    pub(in crate::usage) async fn unshipped_synced(&self) {
        let mut synced = self.synced.subscribe();
        let shipped = *self.shipped.borrow();
        if synced.wait_for(|synced| *synced > shipped).await.is_err() {
            tracing::debug!("outbox gone while waiting for its sync");
        }
    }

    /// Brings everything that is appended now to the disk. Blocks.
    pub(in crate::usage) fn sync(&self) -> Result<(), Error> {
        let from = *self.synced.borrow();
        let (segments, tail) = self.segments();
        for segment in segments.iter().filter(|segment| segment.generation >= from.generation) {
            let first = segment.generation == from.generation;
            let start = if first { from.offset as usize } else { 0 };
            let last = segment.generation == tail.generation;
            let end = if last { tail.offset as usize } else { segment.end() };
            if start < end {
                let synced = segment.sync(start, end);
                synced.map_err(|source| Error::File { path: segment.path.clone(), source })?;
            }
        }
        self.note_age(tail);
        self.synced.send_if_modified(|synced| {
            let further = tail > *synced;
            *synced = tail.max(*synced);
            further
        });
        Ok(())
    }

    fn segments(&self) -> (Vec<Arc<Segment>>, Position) {
        let state = self.state();
        (state.space.segments().map(Arc::clone).collect(), state.space.tail())
    }

    fn note_age(&self, tail: Position) {
        const MOST: usize = 4096;
        let mut ages = self.ages();
        let full = ages.len() >= MOST;
        match ages.back_mut() {
            Some((newest, _)) if *newest >= tail => {}
            // a coarser grain rather than an endless list: the older time stands for both
            Some((newest, _)) if full => *newest = tail,
            _ => ages.push_back((tail, self.now())),
        }
    }

    /// What is synced and not shipped, up to about `bytes` bytes.
    pub(in crate::usage) fn batch(&self, records: usize, bytes: usize) -> Result<Batch, Error> {
        let synced = *self.synced.borrow();
        let mut batch = Batch { records: Vec::new(), next: *self.shipped.borrow() };
        let mut taken = 0;
        let (segments, _) = self.segments();
        for segment in &segments {
            if segment.generation < batch.next.generation || segment.generation > synced.generation {
                continue;
            }
            let last = segment.generation == synced.generation;
            let end = if last { synced.offset as usize } else { segment.end() };
            let mut at = HEADER;
            if segment.generation == batch.next.generation {
                at = at.max(batch.next.offset as usize);
            }
            let origin = Bytes::copy_from_slice(&segment.origin.unwrap_or_default().0);
            let mut window = Window::new(segment, end);
            while at < end {
                if batch.records.len() >= records || taken >= bytes {
                    return Ok(batch);
                }
                let view = record_at(segment, &mut window, at)?;
                if view.head.kind.ships() {
                    taken += view.len;
                    batch.records.push(outgoing(&view, &origin));
                }
                at += view.len;
                batch.next = segment.at(at);
            }
        }
        batch.next = batch.next.max(synced);
        Ok(batch)
    }

    /// Remembers that everything before `next`, `count` records more, is in the logs of these ids.
    pub(in crate::usage) fn advance(
        &self,
        next: Position,
        count: usize,
        logs: [String; 2],
    ) -> Result<(), Error> {
        let mut watermark = self.watermark();
        let mark = Mark { first: watermark.mark().first, shipped: next, logs: Some(logs) };
        watermark.store(mark, false)?;
        drop(watermark);
        self.state().counts.shipped += count as u64;
        let mut ages = self.ages();
        while ages.front().is_some_and(|(position, _)| *position <= next) {
            ages.pop_front();
        }
        drop(ages);
        self.shipped.send_replace(next);
        Ok(())
    }

    /// The logs that the watermark belongs to, and its file.
    pub(in crate::usage) fn shipped_to(&self) -> (Option<[String; 2]>, std::path::PathBuf) {
        let watermark = self.watermark();
        (watermark.mark().logs.clone(), watermark.path().to_owned())
    }

    /// Makes segments ready before they are needed. Blocks.
    pub(in crate::usage) fn prepare(&self) -> Result<(), Error> {
        loop {
            let mut state = self.state();
            if !state.space.wants_ready() {
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
        let again = oldest.size == size && state.space.wants_ready() && oldest.origin.is_some();
        let generation = again.then(|| state.space.new_generation());
        drop(state);
        let Some(generation) = generation else {
            return remove(&oldest);
        };
        let made = space::make(&self.folder, Some(&oldest.path), generation, self.origin, size)?;
        self.adopt(made)
    }

    /// Visits the usage events that the log may not have yet, so that their spend can be counted.
    ///
    /// # Errors
    /// [`Error::File`] when a segment can't be read.
    pub fn unshipped(&self, mut each: impl FnMut(Usage)) -> Result<(), Error> {
        let from = *self.shipped.borrow();
        let (segments, _) = self.segments();
        for segment in segments.iter().filter(|segment| segment.generation >= from.generation) {
            let mut at = HEADER;
            if segment.generation == from.generation {
                at = at.max(from.offset as usize);
            }
            let end = segment.end();
            let mut window = Window::new(segment, end);
            while at < end {
                let view = record_at(segment, &mut window, at)?;
                at += view.len;
                if view.head.kind == Kind::Settled
                    && let Ok(usage) = self.options.codec.decode(view.payload)
                {
                    each(usage);
                }
            }
        }
        Ok(())
    }

    /// How it stands.
    pub fn stats(&self) -> Stats {
        let oldest = self.ages().front().map(|(_, since)| *since);
        let failing = self.failing();
        let failing = failing.iter().flatten().next().cloned();
        let state = self.state();
        let (held, promised) = state.space.usage();
        Stats {
            live: state.live.len(),
            held,
            limit: state.space.sizes.limit,
            promised,
            unshipped: state.counts.appended.saturating_sub(state.counts.shipped),
            oldest: oldest.map(|since| self.now().since(since)).unwrap_or_default(),
            shipped: state.counts.shipped,
            failing,
        }
    }

    /// Waits until all tickets are settled and the log has everything; false when `limit` passes
    /// before. The shipper must be running.
    pub async fn drain(&self, limit: std::time::Duration) -> bool {
        let mut shipped = self.shipped.subscribe();
        let drained = shipped.wait_for(|shipped| {
            let state = self.state();
            state.live.is_empty() && *shipped >= state.space.tail()
        });
        tokio::time::timeout(limit, drained).await.is_ok_and(|drained| drained.is_ok())
    }
}

impl super::State {
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

fn record_at<'a>(
    segment: &Segment,
    window: &'a mut Window<'_>,
    at: usize,
) -> Result<View<'a>, Error> {
    let failed = |source| Error::File { path: segment.path.clone(), source };
    let bytes = window.from(at).map_err(failed)?;
    View::parse(bytes, segment.at(at)).ok_or_else(|| {
        failed(std::io::Error::new(
            std::io::ErrorKind::InvalidData,
            format!("the record at {at} is damaged; a restart recovers what is whole behind it"),
        ))
    })
}

fn outgoing(view: &View<'_>, origin: &Bytes) -> Outgoing {
    let topic = if view.head.kind == Kind::Settled { Topic::Usage } else { Topic::Attempts };
    let mut bytes = Vec::with_capacity(24 + view.key.len() + view.payload.len());
    bytes.extend_from_slice(&view.head.word.to_be_bytes());
    bytes.extend_from_slice(&view.head.call.0);
    bytes.extend_from_slice(view.key);
    bytes.extend_from_slice(view.payload);
    let bytes = Bytes::from(bytes);
    let key = bytes.slice(24..24 + view.key.len());
    let account = if topic == Topic::Usage { key.clone() } else { Bytes::new() };
    let header = |name, value| Header { name, value };
    let record = NewRecord {
        value: Some(bytes.slice(24 + view.key.len()..)),
        headers: vec![
            header("origin", origin.clone()),
            header("seq", bytes.slice(..8)),
            header("account", account),
            header("call", bytes.slice(8..24)),
        ],
        key,
    };
    Outgoing { to: topic.at(view.head.partition), record }
}

/// Removes the file of a segment; one with a damaged header is set aside, for whoever looks.
fn remove(segment: &Segment) -> Result<(), Error> {
    if segment.origin.is_none() {
        return set_aside(&segment.path);
    }
    let removed = fs::remove_file(&segment.path);
    removed.map_err(|source| Error::File { path: segment.path.clone(), source })
}
