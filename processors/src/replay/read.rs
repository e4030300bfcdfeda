//! Reading the log and the live state for a comparison.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use runtime::log::{Limit, Log, Offset, Reader, Record};
use schemas::topics::{Topic, TopicPartition};

use super::Error;
use crate::Deps;
use crate::pipeline::Held;

/// How long a record that must be there may keep us waiting: longer than an open transaction.
const WAIT: Duration = Duration::from_secs(60);

/// The records of a partition up to before an offset, one by one.
#[derive(Debug)]
pub(super) struct Records {
    at: TopicPartition,
    reader: Box<dyn Reader>,
    ahead: VecDeque<Record>,
    next: Offset,
}

impl Records {
    /// From the start of the partition, which must not be cut.
    pub(super) async fn whole(log: &dyn Log, at: TopicPartition) -> Result<Self, Error> {
        let start = log.ends(at).await?.start;
        if start > 0 {
            return Err(Error::Cut { at, start });
        }
        Self::from(log, at, 0).await
    }

    pub(super) async fn from(
        log: &dyn Log,
        at: TopicPartition,
        from: Offset,
    ) -> Result<Self, Error> {
        let reader = log.reader(at, from).await?;
        Ok(Self { at, reader, ahead: VecDeque::new(), next: from })
    }

    pub(super) const fn at(&self) -> TopicPartition {
        self.at
    }

    /// The next record before `end`.
    pub(super) async fn before(&mut self, end: Offset) -> Result<Option<Record>, Error> {
        while self.ahead.is_empty() && self.next < end {
            let limit = Limit { records: 5000, bytes: 4 << 20, wait: WAIT };
            let page = self.reader.next(limit).await?;
            if self.next == page.next {
                break;
            }
            self.next = page.next;
            self.ahead = page.records.into();
        }
        let is_before = self.ahead.front().is_some_and(|record| record.offset < end);
        Ok(if is_before { self.ahead.pop_front() } else { None })
    }
}

/// What a processor has published and how far it was then.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) held: Held,
    /// Newest value of each key of the topic that it publishes.
    pub(super) published: BTreeMap<Bytes, Bytes>,
    /// Where the topic that it appends to ended.
    pub(super) end: Offset,
}

/// How often a live processor is looked at until it stands still for the time of a look.
const LOOKS: u32 = 100;
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// Reads the live state of a processor at one point of its history: it is read again until it did
/// not move in between.
pub(super) async fn live(
    deps: &Deps,
    processor: &str,
    partition: u32,
    published: Topic,
    appended: Topic,
) -> Result<Live, Error> {
    let log = &*deps.log;
    let held = async || Held::read(log, &deps.codec, processor, partition).await;
    let mut before = held().await?;
    for _ in 0..LOOKS {
        let latest = log.latest(published.at(partition)).await?;
        let end = log.ends(appended.at(partition)).await?.end;
        let after = held().await?;
        if before.positions == after.positions {
            let values = latest.records.into_iter();
            let published = values.filter_map(|record| Some((record.key, record.value?))).collect();
            return Ok(Live { held: after, published, end });
        }
        before = after;
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
    Err(Error::Moving(processor.to_owned(), partition))
}
