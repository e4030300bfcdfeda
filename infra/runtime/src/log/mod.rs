//! The log: an ordered, durable list of records per topic partition.
//!
//! One narrow contract with two implementations: [`local`] (SQLite, one machine) and Kafka. It is
//! made for Kafka's semantics, so that nothing above it knows which one it talks to:
//!
//! - the writer computes the partition and names it;
//! - offsets rise within a partition but need not be consecutive (transaction markers), so a
//!   reader goes on from [`Page::next`], never from `offset + 1`;
//! - a reader sees only committed records;
//! - a [`Writer`] commits outputs and input offsets as one step, and opening the same
//!   [`WriterId`] again fences the older one for ever;
//! - a position kept elsewhere is kept with the [`LogId`] of its topic: a topic that was made anew
//!   has another id, and a reader that meets another id or stands past the end stops and says so.

#[cfg(feature = "test-util")]
pub mod contract;
pub mod kafka;
pub mod local;
mod span;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use schemas::topics::{Topic, TopicPartition};

use crate::clock::Micros;

pub use self::span::Span;

/// A position in a partition.
pub type Offset = u64;

/// Which making of a topic a position belongs to.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct LogId(pub String);

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A named value beside a record's value: the marks that move even if the value can't be decoded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Header {
    /// The name, ASCII.
    pub name: &'static str,
    /// The value.
    pub value: Bytes,
}

/// A record as it is handed to the log.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NewRecord {
    /// What compaction and partitioning go by.
    pub key: Bytes,
    /// The value; `None` is a tombstone: on a compacted topic it removes the key.
    pub value: Option<Bytes>,
    /// Named values beside it.
    pub headers: Vec<Header>,
}

/// A record on its way to a partition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outgoing {
    /// Where it goes.
    pub to: TopicPartition,
    /// The record.
    pub record: NewRecord,
}

/// A record as the log gives it back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// Its position.
    pub offset: Offset,
    /// When the log took it (log-append time); never falls within a partition.
    pub at: Micros,
    /// The key.
    pub key: Bytes,
    /// The value; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// Named values beside it.
    pub headers: Vec<(String, Bytes)>,
}

/// How much to read at once.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Stop after this many records.
    pub records: usize,
    /// Stop after this many bytes; one record is always given, however large.
    pub bytes: usize,
    /// Wait this long for the first record.
    pub wait: Duration,
}

/// What one read gave. Empty when nothing came within [`Limit::wait`].
#[derive(Clone, Debug)]
pub struct Page {
    /// In order.
    pub records: Vec<Record>,
    /// Where to go on.
    pub next: Offset,
    /// The end of the partition as known at the read: the lag is `end - next`. What another process
    /// appended in the last moment may be missing; who has to read up to now asks [`Log::ends`].
    pub end: Offset,
}

/// The ends of a partition: records from `start` (older ones were removed) up to before `end`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ends {
    /// First offset that can be read.
    pub start: Offset,
    /// The offset that the next record will get, or a later one.
    pub end: Offset,
}

/// The newest record of each key of a compacted partition, tombstoned keys left out.
#[derive(Clone, Debug)]
pub struct Latest {
    /// Ordered by key.
    pub records: Vec<Record>,
    /// Where to read on for what came after.
    pub next: Offset,
}

/// The name under which one writer at a time commits: processor and partition.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct WriterId(pub String);

/// What a writer commits as one: all of it, or nothing.
#[derive(Clone, Debug, Default)]
pub struct Step {
    /// Records to append, in order.
    pub outputs: Vec<Outgoing>,
    /// The next offset to read of each input, replacing what was committed before.
    pub inputs: Vec<(TopicPartition, Offset)>,
}

/// What went wrong in a log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A newer writer holds the id; this one must stop.
    #[error("writer {0} is fenced: a newer one took over")]
    Fenced(String),
    /// The partition does not exist.
    #[error("{0} does not exist (the topic has {1} partitions)")]
    NoPartition(TopicPartition, u32),
    /// The reader stands past the end: the log went back, or is another one.
    #[error("{partition}: position {offset} is past the end {end}: the log was cut or replaced")]
    PastEnd {
        /// Which partition.
        partition: TopicPartition,
        /// Where the reader stands.
        offset: Offset,
        /// Where the partition ends.
        end: Offset,
    },
    /// What the reader wants was removed by retention.
    #[error("{partition}: position {offset} was removed; the first kept is {start}")]
    Removed {
        /// Which partition.
        partition: TopicPartition,
        /// Where the reader stands.
        offset: Offset,
        /// What is kept.
        start: Offset,
    },
    /// The topic was made with another number of partitions than is configured.
    #[error(
        "topic {topic} has {found} partitions, but {wanted} are configured; the count never changes"
    )]
    Partitions {
        /// Which topic.
        topic: Topic,
        /// As stored with the topic.
        found: u32,
        /// As configured.
        wanted: u32,
    },
    /// The topic was deleted and made again: positions in the old one mean nothing.
    #[error("topic {topic} was made anew: it was {was}, now it is {now}")]
    MadeAnew {
        /// Which topic.
        topic: Topic,
        /// The one that was opened.
        was: LogId,
        /// What is there.
        now: LogId,
    },
    /// A setting of the log, or of a topic of the cluster, is wrong; waiting does not help.
    #[error("{field} {why}")]
    Settings {
        /// Which.
        field: String,
        /// What is wrong with it, and what would be right.
        why: String,
    },
    /// A record or step is larger than the log takes.
    #[error("a record of {size} bytes is larger than the limit of {limit}")]
    TooLarge {
        /// Its size.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// The outcome is not known or the log is away; the caller re-opens and resumes.
    #[error("the log is unavailable: {0}")]
    Unavailable(String),
    /// The stored data is damaged.
    #[error("the log is damaged: {0}")]
    Damaged(String),
}

/// The result of a log operation.
pub type Result<T> = std::result::Result<T, Error>;

/// The contract. Cheap to share as `Arc<dyn Log>`.
#[async_trait]
pub trait Log: Send + Sync + fmt::Debug {
    /// How many partitions the topic has; fixed when the topic is made.
    fn partitions(&self, topic: Topic) -> u32;

    /// Which making of the topic this is.
    fn id(&self, topic: Topic) -> LogId;

    /// Appends records in order and returns their offsets, once they are durable. Records of one
    /// partition keep their order; after an error any prefix may have been taken, so the caller
    /// sends the same records again from its own watermark and readers drop what they have seen.
    async fn append(&self, records: Vec<Outgoing>) -> Result<Vec<Offset>>;

    /// The ends of a partition.
    async fn ends(&self, partition: TopicPartition) -> Result<Ends>;

    /// A reader of committed records from `from` on.
    async fn reader(&self, partition: TopicPartition, from: Offset) -> Result<Box<dyn Reader>>;

    /// The newest record of each key of a compacted partition, read to its stable end.
    async fn latest(&self, partition: TopicPartition) -> Result<Latest>;

    /// Takes over the writer id: older writers of it are fenced before this returns.
    async fn writer(&self, id: WriterId) -> Result<Box<dyn Writer>>;
}

/// An ordered read of one partition.
#[async_trait]
pub trait Reader: Send + fmt::Debug {
    /// The next records; waits up to `limit.wait` for the first. Cancel safe: a dropped call
    /// leaves the position as it was.
    async fn next(&mut self, limit: Limit) -> Result<Page>;
}

/// The holder of a writer id.
#[async_trait]
pub trait Writer: Send + fmt::Debug {
    /// The input offsets as the last step committed them.
    async fn committed(&mut self) -> Result<BTreeMap<TopicPartition, Offset>>;

    /// Commits outputs and input offsets as one, and returns the offsets of the outputs. An empty
    /// step only checks that this writer still owns its id.
    ///
    /// # Errors
    /// [`Error::Fenced`]: stop for good. [`Error::Unavailable`]: whether it was committed is not
    /// known; open the writer again, read [`Writer::committed`] and the state, and resume.
    async fn commit(&mut self, step: Step) -> Result<Vec<Offset>>;
}
