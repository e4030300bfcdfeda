//! Where records come from: the inputs of one partition, none of which starves another.

use std::collections::VecDeque;
use std::time::Duration;

use futures::future::{FutureExt as _, select_all};
use runtime::log::{self, Limit, Log, Offset, Reader, Record};
use schemas::topics::TopicPartition;

use super::Wait;

/// One input partition and what was read ahead of it.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) at: TopicPartition,
    reader: Box<dyn Reader>,
    pub(super) ahead: VecDeque<Record>,
    /// Where the reader stands: behind all of `ahead`.
    pub(super) next: Offset,
    end: Offset,
    /// What the first record of `ahead` waits for.
    pub(super) waits: Option<Wait>,
}

impl Input {
    pub(super) async fn open(log: &dyn Log, at: TopicPartition, from: Offset) -> log::Result<Self> {
        let reader = log.reader(at, from).await?;
        let end = log.ends(at).await?.end;
        let ahead = VecDeque::new();
        Ok(Self { at, reader, ahead, next: from, end, waits: None })
    }

    /// Reads on if nothing is left, waiting up to `wait`. Cancel safe.
    pub(super) async fn fill(&mut self, records: usize, wait: Duration) -> log::Result<()> {
        if !self.ahead.is_empty() {
            return Ok(());
        }
        let page = self.reader.next(Limit { records, bytes: READ_BYTES, wait }).await?;
        (self.next, self.end) = (page.next, page.end);
        self.ahead = page.records.into();
        Ok(())
    }

    /// How many offsets are left to take.
    pub(super) fn lag(&self) -> u64 {
        let first = self.ahead.front().map_or(self.next, |record| record.offset);
        self.end.saturating_sub(first)
    }
}

/// Read at once from one input.
const READ_BYTES: usize = 4 << 20;

/// Waits until an input that has nothing left has more, or `wait` has passed. Inputs that wait
/// for something else are left alone. Cancel safe.
pub(super) async fn wait_any(
    inputs: &mut [Input],
    records: usize,
    wait: Duration,
) -> log::Result<()> {
    let idle = inputs.iter_mut().filter(|input| input.ahead.is_empty());
    let reads: Vec<_> = idle.map(|input| input.fill(records, wait).boxed()).collect();
    if reads.is_empty() {
        tokio::time::sleep(wait).await;
        return Ok(());
    }
    select_all(reads).await.0
}
