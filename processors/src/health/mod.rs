//! Health: how well each target and each credential does, from attempts alone.
//!
//! ```text
//!            evidence of trouble          its time is over
//!  healthy ──────────────────────► ejected ──────────────► probing ──┐ attempts in a row that
//!  degraded ◄───────────────────────────────────────────────────────┤ go well: healthy
//!     │  the provider refused the key                                │ one that fails: ejected
//!     └──────────────────────────► disabled ─────────────► probing ──┘ again, for longer
//! ```
//!
//! - Degraded is who, as good as surely, does worse than a bound ([`Thresholds`]); ejected is who
//!   has enough evidence against it, or was told to wait. A rate limit lasts as long as the provider
//!   says. What the caller or the content is to blame for counts nowhere.
//! - Attempts that began before the state did say nothing of it: a call that times out after a
//!   minute ejects nobody who is well since.
//! - Time is the log-append time of attempts and ticks. The owner of a partition appends ticks
//!   while something depends on time, and none in a quiet hub.
//! - A subject's state is its published record, so each step publishes all that changed: at once
//!   when a state changes, else at the pace of [`STEP`].
//! - A target's and a credential's id hold the credential's version: a rotated key starts clean.
//! - Providers and models are summed for people, by partition: who reads them adds them up.

mod fold;
mod minutes;
mod rate;
mod subject;
#[cfg(test)]
mod tests;
mod thresholds;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use runtime::log::{NewRecord, Outgoing};
use runtime::task::CancellationToken;
use schemas::event::{Health, Tick};
use schemas::topics::Topic;
use tokio::time::Instant;

pub use fold::{Event, Healths};
pub use thresholds::{Between, Thresholds};

use crate::Deps;
use crate::pipeline::{self, Batching, End, Error, Held, Loaded, Processor};

/// How often mere counts are published.
pub const STEP: Duration = Duration::from_millis(500);

/// Runs health for this process's share of partitions until cancelled.
pub async fn run(deps: Deps, rules: Thresholds, token: CancellationToken) -> Vec<End> {
    pipeline::run(Partitions { rules, ticked: Mutex::default() }, deps, token).await
}

struct Partitions {
    rules: Thresholds,
    /// When each partition was ticked last.
    ticked: Mutex<HashMap<u32, Instant>>,
}

impl Partitions {
    /// Whether the partition's tick is due; it counts as done then.
    fn is_due(&self, partition: u32, period: Duration) -> bool {
        let mut ticked = self.ticked.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let last = ticked.entry(partition).or_insert(now);
        let due = now.duration_since(*last) >= period;
        if due {
            *last = now;
        }
        due
    }
}

#[async_trait]
impl Processor for Partitions {
    type Fold = Healths;

    fn name(&self) -> &str {
        "health"
    }

    fn inputs(&self) -> &[Topic] {
        &[Topic::Attempts]
    }

    fn batching(&self) -> Batching {
        Batching { records: 5000, bytes: 8 << 20, linger: STEP }
    }

    async fn load(
        &self,
        deps: &Deps,
        partition: u32,
        held: Held,
    ) -> Result<Loaded<Healths>, Error> {
        let partitions = deps.log.partitions(Topic::Attempts);
        let mut fold = Healths::new(partition, partitions, self.rules);
        for record in deps.log.latest(Topic::Health.at(partition)).await?.records {
            let value = record.value.unwrap_or_default();
            fold.restore(deps.codec.decode::<Health>(&value)?);
        }
        Ok(Loaded { fold, marks: held.marks, positions: held.positions })
    }

    async fn pulse(&self, deps: &Deps, partition: u32, fold: &Healths) -> Result<(), Error> {
        let Some(period) = fold.tick_in() else {
            return Ok(());
        };
        if !self.is_due(partition, period) {
            return Ok(());
        }
        let period_us = i64::try_from(period.as_micros()).unwrap_or(i64::MAX);
        let value = deps.codec.to_vec(&Tick { period_us })?;
        let (key, headers) = (Bytes::from_static(b"tick"), Vec::new());
        let record = NewRecord { key, value: Some(value.into()), headers };
        deps.log.append(vec![Outgoing { to: Topic::Attempts.at(partition), record }]).await?;
        Ok(())
    }
}
