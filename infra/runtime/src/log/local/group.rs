//! Group commit: one thread per process takes what waits and commits it as one transaction.
//!
//! A transaction costs one fsync, however much is in it. While it runs the next jobs gather, so
//! groups grow by themselves with the load and nobody waits for a timer.

use schemas::topics::TopicPartition;
use tokio::sync::{mpsc, oneshot};

use crate::log::{Error, Offset, Outgoing, Result, Step};

use super::sequencer::Sequencer;
use super::tidy::{Task, Tidied};

/// A group is closed when it holds this much: it bounds memory and how long the lock is held.
const GROUP_BYTES: usize = 8 << 20;

/// Who waits for an answer.
pub(super) type Reply<T> = oneshot::Sender<Result<T>>;

/// What the thread is asked to do.
#[derive(Debug)]
pub(super) enum Job {
    /// Append records.
    Append { records: Vec<Outgoing>, reply: Reply<Vec<Offset>> },
    /// Commit a step, if `epoch` is still the newest of the writer id.
    Commit { id: String, epoch: u64, step: Step, reply: Reply<Vec<Offset>> },
    /// Begin a new epoch of the writer id.
    Take { id: String, reply: Reply<u64> },
    /// Do a bounded piece of maintenance.
    Tidy { at: TopicPartition, task: Task, reply: Reply<Tidied> },
}

/// What comes to the thread: most of it can share a transaction.
#[derive(Debug)]
pub(super) enum Order {
    Job(Job),
    /// Move the WAL into the file.
    Checkpoint(Reply<()>),
}

/// A job's answer, held back until the transaction is durable.
#[derive(Debug)]
pub(super) enum Answer {
    Offsets(Reply<Vec<Offset>>, Result<Vec<Offset>>),
    Epoch(Reply<u64>, Result<u64>),
    Tidied(Reply<Tidied>, Result<Tidied>),
}

impl Job {
    fn bytes(&self) -> usize {
        match self {
            Self::Append { records, .. } => size(records),
            Self::Commit { step, .. } => size(&step.outputs),
            Self::Tidy { .. } => GROUP_BYTES / 4,
            Self::Take { .. } => 0,
        }
    }

    /// Answers a job that was not done.
    fn refuse(self, error: &Error) {
        match self {
            Self::Append { reply, .. } | Self::Commit { reply, .. } => {
                Answer::Offsets(reply, Err(again(error))).send();
            }
            Self::Take { reply, .. } => Answer::Epoch(reply, Err(again(error))).send(),
            Self::Tidy { reply, .. } => Answer::Tidied(reply, Err(again(error))).send(),
        }
    }
}

impl Answer {
    /// Answers; whoever has stopped waiting needs none.
    pub(super) fn send(self) {
        match self {
            Self::Offsets(reply, answer) => drop(reply.send(answer)),
            Self::Epoch(reply, answer) => drop(reply.send(answer)),
            Self::Tidied(reply, answer) => drop(reply.send(answer)),
        }
    }

    /// The transaction failed: what would have been right is not.
    pub(super) fn fail(self, error: &Error) {
        match self {
            Self::Offsets(reply, answer) => {
                Self::Offsets(reply, answer.and_then(|_| Err(again(error)))).send();
            }
            Self::Epoch(reply, answer) => {
                Self::Epoch(reply, answer.and_then(|_| Err(again(error)))).send();
            }
            Self::Tidied(reply, answer) => {
                Self::Tidied(reply, answer.and_then(|_| Err(again(error)))).send();
            }
        }
    }
}

/// The bytes of records: keys, values and headers.
pub(super) fn size(records: &[Outgoing]) -> usize {
    records.iter().map(|outgoing| record_size(&outgoing.record)).sum()
}

/// The bytes of one record.
pub(super) fn record_size(record: &crate::log::NewRecord) -> usize {
    let headers: usize = record.headers.iter().map(|h| h.name.len() + h.value.len()).sum();
    record.key.len() + record.value.as_ref().map_or(0, bytes::Bytes::len) + headers
}

/// One error for everybody in the group.
fn again(error: &Error) -> Error {
    match error {
        Error::Damaged(what) => Error::Damaged(what.clone()),
        Error::Unavailable(what) => Error::Unavailable(what.clone()),
        other => Error::Unavailable(other.to_string()),
    }
}

/// The thread: ends when the last sender is gone and everything sent was done.
fn run(mut sequencer: Sequencer, mut orders: mpsc::Receiver<Order>) {
    while let Some(first) = orders.blocking_recv() {
        let mut group = Vec::new();
        let mut bytes = 0;
        let mut next = Some(first);
        let mut checkpoint = None;
        while let Some(order) = next {
            match order {
                Order::Job(job) => {
                    bytes += job.bytes();
                    group.push(job);
                }
                Order::Checkpoint(reply) => checkpoint = Some(reply),
            }
            let closed = bytes >= GROUP_BYTES || checkpoint.is_some();
            next = if closed { None } else { orders.try_recv().ok() };
        }
        commit(&mut sequencer, group);
        match checkpoint {
            Some(reply) => drop(reply.send(sequencer.checkpoint())),
            None => sequencer.checkpoint_if_due(),
        }
    }
}

fn commit(sequencer: &mut Sequencer, mut group: Vec<Job>) {
    if group.is_empty() {
        return;
    }
    let mut answers = Vec::with_capacity(group.len());
    match sequencer.commit(&mut group, &mut answers) {
        Ok(()) => answers.into_iter().for_each(Answer::send),
        Err(error) => {
            tracing::warn!(%error, jobs = group.len() + answers.len(), "a group was not committed");
            answers.into_iter().for_each(|answer| answer.fail(&error));
            group.into_iter().for_each(|job| job.refuse(&error));
        }
    }
}

/// Starts the thread.
pub(super) fn start(sequencer: Sequencer, waiting: usize) -> Result<mpsc::Sender<Order>> {
    let (sender, receiver) = mpsc::channel(waiting.max(1));
    std::thread::Builder::new()
        .name("log-commit".to_owned())
        .spawn(move || run(sequencer, receiver))
        .map_err(|error| Error::Unavailable(format!("cannot start the commit thread: {error}")))?;
    Ok(sender)
}
