//! Reading a partition in order, committed records only.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::{Offset as At, TopicPartitionList};
use schemas::topics::{Kept, TopicPartition};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::ffi::{Event, Queue};
use super::topics::Made;
use super::{Discarded, Shared, blocking, settings};
use crate::log::{Error, Limit, Offset, Page, Reader, Record, Result};

/// A deadline must not overflow.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// After a change of leaders a partition's end may be told too low for a moment: a position is
/// past the end only when it still is after this time.
const DOUBT: Duration = Duration::from_secs(2);
/// Records fetched ahead of who reads them, before the rest is left to the client's own queue.
const AHEAD: usize = 10_000;

/// A consumer of one partition, and what it gave that was not taken yet.
#[derive(Debug)]
pub(super) struct KafkaReader {
    shared: Arc<Shared>,
    at: TopicPartition,
    made: Made,
    queue: Discarded<Queue>,
    wake: Arc<Notify>,
    position: Offset,
    ready: VecDeque<Record>,
    /// The partition was read to its stable end, which was there, and nothing came since.
    ended: Option<Offset>,
    /// Something came since the reader was made: an empty page then needs no more patience.
    primed: bool,
}

impl KafkaReader {
    pub(super) async fn open(
        shared: Arc<Shared>,
        at: TopicPartition,
        from: Offset,
    ) -> Result<Self> {
        let made = shared.made(at)?.clone();
        shared.same_topic(at.topic).await?;
        let position = first(&shared, at, from).await?;
        let wake = Arc::new(Notify::new());
        let (config, heard) = (shared.options.reader(), shared.heard.clone());
        let (ring, name) = (Arc::clone(&wake), made.name.clone());
        let queue = blocking(move || {
            let context = super::Context { heard };
            let mut consumer: BaseConsumer<_> =
                config.create_with_context(context).map_err(|error| settings(&error))?;
            consumer.set_nonempty_callback(move || ring.notify_one());
            let mut list = TopicPartitionList::with_capacity(1);
            let partition = i32::try_from(at.partition).unwrap_or(i32::MAX);
            let offset = At::Offset(i64::try_from(position).unwrap_or(i64::MAX));
            list.add_partition_offset(&name, partition, offset)
                .and_then(|()| consumer.assign(&list))
                .map_err(|error| Error::Unavailable(format!("{at}: {error}")))?;
            Queue::of(Arc::new(consumer))
                .ok_or_else(|| Error::Unavailable(format!("{at}: the client has no queue")))
        })
        .await?;
        let ready = VecDeque::new();
        let queue = Discarded::new(queue);
        Ok(Self { shared, at, made, queue, wake, position, ready, ended: None, primed: false })
    }

    /// Takes what the client has fetched, without waiting.
    fn pull(&mut self) -> Result<()> {
        while self.ready.len() < AHEAD {
            match self.queue.next() {
                None => break,
                Some(Event::Record(record)) => {
                    self.ended = None;
                    self.primed = true;
                    self.ready.push_back(record);
                }
                Some(Event::End(end)) => {
                    self.ended = Some(end);
                    self.primed = true;
                }
                Some(Event::Failed(code, text)) => {
                    self.shared.heard.note(Some(code), &text);
                    if !passes(code) {
                        return Err(Error::Unavailable(format!("{}: {code}: {text}", self.at)));
                    }
                }
                Some(Event::Other) => {}
            }
        }
        if let (true, Some(end)) = (self.ready.is_empty(), self.ended) {
            // markers and aborted records lie between the last record and the end
            self.position = self.position.max(end);
        }
        Ok(())
    }

    fn take(&mut self, limit: Limit) -> Vec<Record> {
        let mut records = Vec::new();
        let mut bytes = 0;
        while records.len() < limit.records.max(1) && bytes < limit.bytes.max(1) {
            let Some(record) = self.ready.pop_front() else { break };
            self.position = record.offset + 1;
            bytes += size(&record);
            records.push(record);
        }
        records
    }

    fn page(&self, records: Vec<Record>) -> Page {
        let partition = i32::try_from(self.at.partition).unwrap_or(i32::MAX);
        let end = self.queue.last_end(&self.made.c_name, partition).unwrap_or(0);
        Page { records, next: self.position, end: end.max(self.position) }
    }
}

/// Whether the client gets over it by itself: a broker that is away while others are there, a
/// partition that moves. That all are away is told by an error of its own.
const fn passes(code: Code) -> bool {
    matches!(
        code,
        Code::BrokerTransportFailure
            | Code::Resolve
            | Code::OperationTimedOut
            | Code::RequestTimedOut
            | Code::NetworkException
            | Code::LeaderNotAvailable
            | Code::NotLeaderForPartition
            | Code::NotCoordinator
            | Code::CoordinatorNotAvailable
            | Code::CoordinatorLoadInProgress
    )
}

/// Where reading from `from` begins.
async fn first(shared: &Arc<Shared>, at: TopicPartition, from: Offset) -> Result<Offset> {
    let doubt = Instant::now() + DOUBT;
    loop {
        let ends = shared.ends(at).await?;
        if from < ends.start && !matches!(at.topic.spec().kept, Kept::Compacted) {
            return Err(Error::Removed { partition: at, offset: from, start: ends.start });
        }
        if from <= ends.end {
            return Ok(from.max(ends.start));
        }
        if Instant::now() > doubt {
            return Err(Error::PastEnd { partition: at, offset: from, end: ends.end });
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn size(record: &Record) -> usize {
    let headers: usize = record.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    record.key.len() + record.value.as_ref().map_or(0, bytes::Bytes::len) + headers
}

#[async_trait]
impl Reader for KafkaReader {
    async fn next(&mut self, limit: Limit) -> Result<Page> {
        let began = Instant::now();
        let before = self.position;
        let deadline = began + limit.wait.min(FOREVER);
        // the first answer of the brokers is waited for even by who does not wait: without it
        // nothing is known
        let first = began + self.shared.options.patience;
        loop {
            self.pull()?;
            let records = self.take(limit);
            if !records.is_empty() || self.position != before {
                return Ok(self.page(records));
            }
            let until = if self.primed { deadline } else { deadline.max(first) };
            if tokio::time::timeout_at(until, self.wake.notified()).await.is_err() {
                if !self.primed {
                    let because = self.shared.heard.because();
                    return Err(Error::Unavailable(format!("{}: no answer{because}", self.at)));
                }
                return Ok(self.page(Vec::new()));
            }
        }
    }
}
