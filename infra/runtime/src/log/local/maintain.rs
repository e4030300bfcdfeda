//! What the owner of the file does from time to time.

use schemas::topics::{Kept, TopicPartition};

use crate::clock::Micros;
use crate::log::Result;

use super::group::{Job, Order};
use super::tidy::{self, Task, Tidied};
use super::{LocalLog, Shared};

use tokio::sync::oneshot;

/// What maintenance did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Maintained {
    /// Records that retention removed.
    pub expired: u64,
    /// Records that compaction removed.
    pub superseded: u64,
}

impl LocalLog {
    /// Removes what is older than its topic keeps, compacts what is worth it, and moves the WAL
    /// into the file. Run by one process, every minute or so. Works in short transactions between
    /// which others write; cancel safe: what was done stays done. Space is used again, the file
    /// does not shrink.
    ///
    /// # Errors
    /// As [`crate::log::Log::append`]; the rest is done by the next run.
    pub async fn maintain(&self) -> Result<Maintained> {
        let shared = &self.shared;
        let now = shared.options.clock.now();
        let mut done = Maintained::default();
        for (part, at) in shared.file.parts() {
            match at.topic.spec().kept {
                Kept::Forever => {}
                Kept::For(time) => done.expired += shared.retain(at, earlier(now, time)).await?,
                Kept::Compacted => {
                    let before = earlier(now, shared.options.grace);
                    done.superseded += shared.compact(at, part, before).await?;
                }
            }
        }
        let (reply, answer) = oneshot::channel();
        shared.send(Order::Checkpoint(reply), answer).await?;
        Ok(done)
    }
}

impl Shared {
    async fn retain(&self, at: TopicPartition, before: Micros) -> Result<u64> {
        let mut removed = 0;
        loop {
            let tidied = self.tidy(at, Task::Retain { before }).await?;
            removed += tidied.removed;
            if tidied.next.is_none() {
                return Ok(removed);
            }
        }
    }

    async fn compact(&self, at: TopicPartition, part: u32, before: Micros) -> Result<u64> {
        let (mut removed, mut kept) = (0, 0);
        let mut next = Some(0);
        if !self.pool.run(move |conn| tidy::due(conn, part, before)).await? {
            next = None;
        }
        while let Some(from) = next {
            let tidied = self.tidy(at, Task::Compact { from, before, kept }).await?;
            removed += tidied.removed;
            kept += tidied.kept;
            next = tidied.next;
        }
        Ok(removed)
    }

    async fn tidy(&self, at: TopicPartition, task: Task) -> Result<Tidied> {
        self.order(|reply| Job::Tidy { at, task, reply }).await
    }
}

fn earlier(now: Micros, by: std::time::Duration) -> Micros {
    Micros(now.0.saturating_sub(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)))
}
