//! What the shipper does with the outbox: sync, read, remember, trim.

use std::sync::Arc;

use bytes::Bytes;
use runtime::log::{Header, NewRecord, Outgoing};
use schemas::event::Usage;
use schemas::topics::Topic;

use super::error::Error;
use super::record::{Kind, Position, View};
use super::scan::Window;
use super::segment::{HEADER, Segment};
use super::watermark::Mark;
use super::{Outbox, Stats};

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
            if segment.generation < batch.next.generation || segment.generation > synced.generation
            {
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
        let before = self.shipped.send_replace(next);
        self.forget(before, next);
        Ok(())
    }

    /// Lets go of the memory of what is shipped, so that a busy hour does not show for ever.
    fn forget(&self, from: Position, to: Position) {
        let (segments, _) = self.segments();
        let within = |segment: &&Arc<Segment>| {
            (from.generation..=to.generation).contains(&segment.generation)
        };
        for segment in segments.iter().filter(within) {
            let start =
                if segment.generation == from.generation { from.offset as usize } else { 0 };
            let last = segment.generation == to.generation;
            segment
                .forget(start - start % 4096, if last { to.offset as usize } else { segment.size });
        }
    }

    /// The logs that the watermark belongs to, and its file.
    pub(in crate::usage) fn shipped_to(&self) -> (Option<[String; 2]>, std::path::PathBuf) {
        let watermark = self.watermark();
        (watermark.mark().logs.clone(), watermark.path().to_owned())
    }

    /// Visits the usage events that the log may not have yet, so that their spend can be counted.
    /// For the start: before the shipper runs, which lets go of what it shipped.
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
