//! Reading a partition in order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use schemas::topics::{Kept, TopicPartition};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::log::{Error, Limit, Offset, Page, Reader, Record, Result};

use super::Shared;
use super::block::{Block, Cursor};
use super::rows;

/// A deadline must not overflow.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A position, the blocks that were fetched for it, and what is known of the end.
#[derive(Debug)]
pub(super) struct LocalReader {
    shared: Arc<Shared>,
    at: TopicPartition,
    part: u32,
    position: Offset,
    ready: VecDeque<Cursor>,
    end: watch::Receiver<Offset>,
}

impl LocalReader {
    pub(super) fn new(shared: Arc<Shared>, at: TopicPartition, from: Offset) -> Result<Self> {
        let part = shared.file.part(at)?;
        let end = shared.ends.watch(part).ok_or(Error::NoPartition(at, 0))?;
        Ok(Self { shared, at, part, position: from, ready: VecDeque::new(), end })
    }

    /// Gets blocks for the position: from memory, else from the file. Without them the partition
    /// has nothing more.
    async fn fetch(&mut self, limit: Limit) -> Result<()> {
        let recent = self.shared.tails.read(self.part, self.position, limit);
        if recent.is_empty() {
            self.fetch_stored(limit).await
        } else {
            self.queue(&recent);
            Ok(())
        }
    }

    async fn fetch_stored(&mut self, limit: Limit) -> Result<()> {
        let (at, part, from) = (self.at, self.part, self.position);
        let found =
            self.shared.pool.run(move |conn| rows::read(conn, at, part, from, limit)).await?;
        let ends = found.ends;
        self.shared.ends.rise(self.part, ends.end);
        if from > ends.end {
            return Err(Error::PastEnd { partition: at, offset: from, end: ends.end });
        }
        if from < ends.start {
            if !matches!(at.topic.spec().kept, Kept::Compacted) {
                return Err(Error::Removed { partition: at, offset: from, start: ends.start });
            }
            self.position = ends.start;
        } else if found.blocks.is_empty() {
            // what was there up to the end was compacted away
            self.position = ends.end;
        }
        self.queue(&found.blocks);
        Ok(())
    }

    fn queue(&mut self, blocks: &[Block]) {
        self.ready.extend(blocks.iter().map(Cursor::new));
    }

    /// Takes records from the fetched blocks and moves the position over them.
    fn take(&mut self, limit: Limit) -> Result<Vec<Record>> {
        let mut records = Vec::new();
        let mut bytes = 0;
        while records.len() < limit.records.max(1) && bytes < limit.bytes.max(1) {
            let Some(cursor) = self.ready.front_mut() else {
                break;
            };
            let torn = |torn: super::block::Torn| rows::damaged(self.at, torn.offset);
            if let Some(record) = cursor.next(self.position).map_err(torn)? {
                self.position = record.offset + 1;
                bytes += size(&record);
                records.push(record);
            } else {
                self.position = self.position.max(cursor.end());
                self.ready.pop_front();
            }
        }
        Ok(records)
    }
}

fn size(record: &Record) -> usize {
    let headers: usize = record.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    record.key.len() + record.value.as_ref().map_or(0, bytes::Bytes::len) + headers
}

#[async_trait]
impl Reader for LocalReader {
    async fn next(&mut self, limit: Limit) -> Result<Page> {
        let deadline = Instant::now() + limit.wait.min(FOREVER);
        let mut records = self.take(limit)?;
        let mut last = limit.wait.is_zero();
        while records.is_empty() {
            self.shared.ends.check()?;
            // at the end as this process knows it there is no need to ask the file, but for the
            // last look, or when it says that we are past it
            if last || self.position != *self.end.borrow() {
                let before = self.position;
                self.fetch(limit).await?;
                records = self.take(limit)?;
                if last || self.position != before {
                    // moving over compacted records is an answer too: the lag has changed
                    break;
                }
                continue;
            }
            let position = self.position;
            let ends = &self.shared.ends;
            let more = self.end.wait_for(|end| *end > position || ends.lost());
            last = tokio::time::timeout_at(deadline, more).await.is_err();
        }
        let end = (*self.end.borrow()).max(self.position);
        Ok(Page { records, next: self.position, end })
    }
}
