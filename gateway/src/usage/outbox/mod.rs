//! The outbox: what this gateway has to tell the log, kept in mapped files until the log has it.

mod append;
mod error;
mod folder;
mod map;
mod open;
mod record;
mod recover;
mod scan;
mod segment;
mod ship;
mod space;
mod store;
mod upkeep;
mod watermark;

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use runtime::clock::{Clock, Micros};
use schemas::ids::{CallId, Origin, Seq};
use schemas::wire::Codec;
use tokio::sync::{Notify, watch};

#[cfg(test)]
pub(super) use append::ATTEMPT_ROOM;
pub use error::{Error, Full};
pub use record::Position;
pub(super) use ship::Batch;
#[cfg(test)]
pub(super) use space::allocate_for_test;

use self::folder::Folder;
use self::space::{Place, Sizes, Space};
use self::watermark::Watermark;

/// What a settled call survives.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Durability {
    /// The death of the process; the answer never waits. Power loss costs at most the calls of
    /// the last group sync.
    #[default]
    Process,
    /// Power loss: the end of the answer waits for the group sync.
    Host,
}

/// How many partitions the topics have that the outbox writes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Partitions {
    /// Of `hub.usage.v1`.
    pub usage: u32,
    /// Of `hub.attempts.v1`.
    pub attempts: u32,
}

/// How an outbox is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its folder.
    pub folder: PathBuf,
    /// Bytes of one preallocated file.
    pub segment: u64,
    /// Bytes of all files. Past it new calls are refused.
    pub limit: u64,
    /// What a settled call survives.
    pub durability: Durability,
    /// How long the shipper lets records gather before it syncs and ships them.
    pub linger: Duration,
    /// Whether files are mapped into memory, or written by calls; `None`: mapped, unless the file
    /// system copies on write.
    pub mapped: Option<bool>,
    /// Of the topics.
    pub partitions: Partitions,
    /// How events are framed.
    pub codec: Codec,
    /// The time.
    pub clock: Clock,
}

impl Options {
    /// The defaults: files of 64 MiB, 1 GiB together, an answer never waits.
    pub fn new(folder: impl Into<PathBuf>, partitions: Partitions) -> Self {
        Self {
            folder: folder.into(),
            segment: 64 << 20,
            limit: 1 << 30,
            durability: Durability::Process,
            linger: Duration::from_millis(10),
            mapped: None,
            partitions,
            codec: Codec::fixed(),
            clock: Clock::system(),
        }
    }

    fn sizes(&self) -> Result<Sizes, Error> {
        const PAGE: u64 = 4096;
        let refuse = |field, found, wanted| Err(Error::Size { field, found, wanted });
        if !(64 << 10..=1 << 30).contains(&self.segment) || !self.segment.is_multiple_of(PAGE) {
            return refuse("segment", self.segment, "a multiple of 4 KiB from 64 KiB to 1 GiB");
        }
        if self.limit < 4 * self.segment {
            return refuse("limit", self.limit, "at least four times outbox.segment");
        }
        let segment = usize::try_from(self.segment).unwrap_or(usize::MAX);
        let first = (segment / 16).next_multiple_of(4096).max(64 << 10);
        Ok(Sizes { first: first.min(segment), segment, limit: self.limit })
    }
}

/// What opening found of earlier processes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Recovered {
    /// Records that are shipped again unchanged, or for the first time.
    pub unshipped: u64,
    /// Calls that were admitted and never settled: settled as lost.
    pub lost: u64,
    /// Attempts that those calls were in the middle of: written as cancelled.
    pub cut_off: u64,
    /// Records found past a damaged place: written again under the new origin.
    pub reemitted: u64,
    /// Segments whose header was damaged: what could be read of them is kept as the above.
    pub quarantined: u64,
}

/// How an outbox stands, for `/readyz` and metrics.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Calls admitted and not settled.
    pub live: usize,
    /// Bytes of all files.
    pub held: u64,
    /// Bytes that may be held.
    pub limit: u64,
    /// Bytes promised to admitted calls.
    pub promised: u64,
    /// Records that the log does not have.
    pub unshipped: u64,
    /// Age of the oldest of them, to the shipper's grain.
    pub oldest: Duration,
    /// Records that the log took since the start.
    pub shipped: u64,
    /// What the last try to sync or ship ended with, if it failed.
    pub failing: Option<String>,
}

/// The outbox of one process. The folder stays locked until the last ticket is settled.
#[derive(Debug)]
pub struct Outbox {
    folder: Arc<Folder>,
    origin: Origin,
    options: Options,
    recovered: Recovered,
    state: Mutex<State>,
    /// Up to where bytes are on disk.
    synced: watch::Sender<Position>,
    /// Up to where records are in the log.
    shipped: watch::Sender<Position>,
    /// Rung for the shipper when it waits.
    bell: Notify,
    waiting: AtomicBool,
    watermark: Mutex<Watermark>,
    /// When what came since the place before was first seen by the shipper; unshipped ones only.
    ages: Mutex<VecDeque<(Position, Micros)>>,
    failing: Mutex<[Option<String>; 3]>,
}

/// A duty of the shipper that may fail by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Duty {
    /// Bringing bytes to the disk.
    Sync,
    /// Bringing records to the log.
    Ship,
    /// Making and removing files.
    Files,
}

/// What the append lock guards.
#[derive(Debug)]
struct State {
    space: Space,
    live: BTreeMap<u64, Arc<Live>>,
    next_live: u64,
    /// The last call was refused for want of room.
    full: bool,
    usage_seqs: Vec<Seq>,
    attempt_seqs: Vec<Seq>,
    counts: Counts,
    /// First generation of this process.
    own_from: u64,
    /// What older segments hold is done with once everything up to here is shipped.
    recovered_to: Position,
    /// Behind the newest record that was moved out of an older segment.
    moved_to: Position,
}

/// Counts of records that go to the log.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    appended: u64,
    shipped: u64,
}

/// A call that is admitted and not settled.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) call: CallId,
    pub(super) admitted_at: Micros,
    number: u64,
    progress: AtomicI64,
    /// Where its records are: they move when their segment is trimmed.
    places: Mutex<Places>,
}

#[derive(Debug)]
struct Places {
    admitted: Place,
    sent: Option<Place>,
}

impl Live {
    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn progress(&self) -> i64 {
        self.progress.load(Ordering::Relaxed)
    }
}

/// Room that is promised to a call.
#[derive(Debug)]
pub(super) struct Promise {
    /// For its attempts.
    attempts: u64,
    /// For its settled record.
    settled: u64,
}

impl Outbox {
    /// The origin of this process's events.
    pub const fn origin(&self) -> Origin {
        self.origin
    }

    /// What opening found of earlier processes.
    pub const fn recovered(&self) -> &Recovered {
        &self.recovered
    }

    /// What a settled call survives.
    pub const fn durability(&self) -> Durability {
        self.options.durability
    }

    pub(super) const fn linger(&self) -> Duration {
        self.options.linger
    }

    pub(super) fn now(&self) -> Micros {
        self.options.clock.now()
    }

    /// Waits until everything before the place is on disk.
    pub async fn synced(&self, at: Position) {
        let mut synced = self.synced.subscribe();
        // the sender lives in `self`, so this can't end early
        if synced.wait_for(|synced| *synced >= at).await.is_err() {
            tracing::debug!("outbox gone while waiting for its sync");
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watermark(&self) -> MutexGuard<'_, Watermark> {
        self.watermark.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ages(&self) -> MutexGuard<'_, VecDeque<(Position, Micros)>> {
        self.ages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failing(&self) -> MutexGuard<'_, [Option<String>; 3]> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what a duty failed with, or that it works; true when that is news.
    pub(super) fn note(&self, duty: Duty, error: Option<String>) -> bool {
        let mut failing = self.failing();
        let [sync, ship, files] = &mut *failing;
        let slot = match duty {
            Duty::Sync => sync,
            Duty::Ship => ship,
            Duty::Files => files,
        };
        let news = *slot != error;
        *slot = error;
        news
    }

    fn ring(&self) {
        if self.waiting.load(Ordering::Relaxed) && self.waiting.swap(false, Ordering::Relaxed) {
            self.bell.notify_one();
        }
    }
}
