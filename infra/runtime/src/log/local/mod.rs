//! The local log: a SQLite file that several processes of one machine share.
//!
//! ```text
//! append, commit ─► channel ─► commit thread: group ─► one transaction ─► WAL, fsync
//!                                                          │ then
//!                              tail in memory ◄────────────┼─► ends ─► readers of this process
//! reader ◄── tail, else ◄── read connections ◄── file      └─► bell ─► readers of others (inotify)
//! ```
//!
//! What it keeps:
//!
//! - *Acknowledged means durable.* WAL with `synchronous=FULL`: a commit returns after the WAL was
//!   synced, and only then is anybody answered or woken. Pages reach the file in a checkpoint,
//!   which syncs the WAL before and the file after it, and only then may the WAL be overwritten.
//!   After a power loss SQLite replays the WAL up to the last frame that belongs to a whole
//!   transaction and has the right checksum, so a group is there wholly or not at all, and no
//!   acknowledged one is missing. The folder is synced when the file is made. This holds as far
//!   as the disk does what it is told; blocks have a CRC of their own for when it does not.
//! - *Nobody trusts a cache over the file.* Ends and epochs are read inside the `BEGIN IMMEDIATE`
//!   transaction that uses them; what a process remembers of the ends counts only while the
//!   generation (one number, raised by every transaction of any process) is the one it was read at.
//! - *A commit that failed is not known.* It is answered with [`Error::Unavailable`], the
//!   connection is thrown away, and the next group reads everything anew. SQLite writes the frames
//!   of a failed commit again before it counts them, so a failed fsync is not taken for a good one.
//! - *A handle of a file that is gone takes nothing.* After each commit and before each read the
//!   name must still stand for the file that was opened.
//!
//! Blocks of a partition lie together in order of offsets. Readers hold a read transaction for one
//! page, so that no slow reader pins the WAL. Retention removes whole blocks; compaction drops
//! superseded records and merges small blocks; `latest` reads an index table that has the newest
//! record of each key of a compacted topic, written in the same transaction as the block.

mod bell;
mod block;
mod checkpoint;
mod ends;
mod file;
mod group;
mod maintain;
mod pool;
mod reader;
mod rows;
mod sequencer;
mod staged;
mod tail;
mod tidy;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use schemas::topics::{Topic, TopicPartition};
use tokio::sync::{mpsc, oneshot};

use crate::clock::Clock;

use super::{
    Ends as PartitionEnds, Error, Latest, Log, LogId, Offset, Outgoing, Reader, Result, Writer,
    WriterId,
};

pub use self::maintain::Maintained;

use self::bell::{Bell, Listener};
use self::ends::Ends;
use self::file::LogFile;
use self::group::{Job, Order, Reply};
use self::pool::Pool;
use self::reader::LocalReader;
use self::sequencer::{Published, Sequencer};
use self::tail::Tails;
use self::writer::LocalWriter;

/// How a local log is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Partitions of the partitioned topics, 1 to 1024; never changes once the file is made.
    pub partitions: u32,
    /// Where log-append time comes from.
    pub clock: Clock,
    /// Most bytes of one record: key, value and headers.
    pub record_bytes: usize,
    /// Most bytes of one append or step.
    pub step_bytes: usize,
    /// Appends and steps that may wait for the commit thread before callers are held up.
    pub waiting: usize,
    /// Connections for reading.
    pub readers: usize,
    /// Bytes of the newest records that are kept in memory, per partition.
    pub tail_bytes: usize,
    /// How long the file may be locked by something that takes no turns (a copy being made, a
    /// SQLite shell) before an append fails.
    pub busy: Duration,
    /// How long superseded records of compacted topics stay readable.
    pub grace: Duration,
}

impl Options {
    /// The defaults for this many partitions.
    pub const fn new(partitions: u32, clock: Clock) -> Self {
        Self {
            partitions,
            clock,
            record_bytes: 8 << 20,
            step_bytes: 64 << 20,
            waiting: 1024,
            readers: 4,
            tail_bytes: 256 << 10,
            busy: Duration::from_secs(10),
            grace: Duration::from_secs(60 * 60),
        }
    }
}

/// A log in one file.
#[derive(Debug)]
pub struct LocalLog {
    shared: Arc<Shared>,
}

/// What the log, its readers and its writers hold together.
#[derive(Debug)]
struct Shared {
    file: Arc<LogFile>,
    options: Options,
    ends: Arc<Ends>,
    tails: Arc<Tails>,
    pool: Arc<Pool>,
    orders: mpsc::Sender<Order>,
    _listener: Listener,
}

impl LocalLog {
    /// Opens the log, or makes it with all topics. Blocks for some milliseconds.
    ///
    /// # Errors
    /// [`Error::Partitions`] when it was made with another count, [`Error::Damaged`] when the file
    /// is not a log, [`Error::Unavailable`] when it cannot be opened.
    pub fn open(path: &Path, options: Options) -> Result<Arc<Self>> {
        let file = Arc::new(LogFile::open(path, options.partitions, options.busy)?);
        let parts = file.parts().map(|(part, _)| part + 1).max().unwrap_or(0);
        let ends = Arc::new(Ends::new(parts));
        let tails = Arc::new(Tails::new(parts, options.tail_bytes));
        let published = Published { ends: Arc::clone(&ends), tails: Arc::clone(&tails) };
        let bell = Bell::open(file.path())?;
        let listener = Listener::start(&file, &bell, Arc::clone(&ends))?;
        let clock = options.clock.clone();
        let sequencer = Sequencer::open(Arc::clone(&file), bell, clock, published)?;
        let pool = Arc::new(Pool::new(Arc::clone(&file), options.readers));
        let orders = group::start(sequencer, options.waiting)?;
        let shared = Shared { file, options, ends, tails, pool, orders, _listener: listener };
        Ok(Arc::new(Self { shared: Arc::new(shared) }))
    }
}

impl Shared {
    /// Refuses what the log does not take, before anything is written.
    fn check(&self, records: &[Outgoing]) -> Result<()> {
        let mut total = 0;
        for outgoing in records {
            self.file.part(outgoing.to)?;
            let size = group::record_size(&outgoing.record);
            total += size;
            let limit = self.options.record_bytes;
            if size > limit {
                return Err(Error::TooLarge { size, limit });
            }
        }
        let limit = self.options.step_bytes;
        if total > limit { Err(Error::TooLarge { size: total, limit }) } else { Ok(()) }
    }

    /// Has the commit thread do a job. Once it is sent it is done, whether somebody waits or not.
    async fn order<T>(&self, job: impl FnOnce(Reply<T>) -> Job) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        self.send(Order::Job(job(reply)), answer).await
    }

    async fn send<T>(&self, order: Order, answer: oneshot::Receiver<Result<T>>) -> Result<T> {
        let stopped = || Error::Unavailable("the commit thread of the log has stopped".to_owned());
        self.orders.send(order).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

#[async_trait]
impl Log for LocalLog {
    fn partitions(&self, topic: Topic) -> u32 {
        self.shared.file.made(topic).map_or(0, |made| made.partitions)
    }

    fn id(&self, topic: Topic) -> LogId {
        self.shared.file.made(topic).map_or_else(|| LogId(String::new()), |made| made.log.clone())
    }

    async fn append(&self, records: Vec<Outgoing>) -> Result<Vec<Offset>> {
        self.shared.check(&records)?;
        self.shared.order(|reply| Job::Append { records, reply }).await
    }

    async fn ends(&self, partition: TopicPartition) -> Result<PartitionEnds> {
        let part = self.shared.file.part(partition)?;
        self.shared.pool.run(move |conn| rows::ends(conn, part)).await
    }

    async fn reader(&self, partition: TopicPartition, from: Offset) -> Result<Box<dyn Reader>> {
        Ok(Box::new(LocalReader::new(Arc::clone(&self.shared), partition, from)?))
    }

    async fn latest(&self, partition: TopicPartition) -> Result<Latest> {
        let part = self.shared.file.part(partition)?;
        if !file::compacted(partition.topic) {
            return Err(Error::Unavailable(format!(
                "{partition} is not compacted: read it from its start"
            )));
        }
        self.shared.pool.run(move |conn| rows::latest(conn, partition, part)).await
    }

    async fn writer(&self, id: WriterId) -> Result<Box<dyn Writer>> {
        let name = id.0.clone();
        let epoch = self.shared.order(|reply| Job::Take { id: name, reply }).await?;
        Ok(Box::new(LocalWriter { shared: Arc::clone(&self.shared), id, epoch }))
    }
}
