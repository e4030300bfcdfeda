//! What processors tell readiness and metrics about themselves.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use runtime::telemetry::metrics::Metrics;
use serde::Serialize;
use tokio::sync::Notify;

use super::Tally;

/// What a processor's partition is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Takes over: reads its state.
    #[default]
    Starting,
    /// Takes records as they come.
    Running,
    /// The first record of an input waits for something that is not known yet.
    Waiting,
    /// Something it needs is away; it tries again.
    Retrying,
    /// Another owner took over; it stopped for good.
    Fenced,
    /// Going on would be wrong; it stopped.
    Failed,
    /// It was asked to stop.
    Stopped,
}

/// How far a processor's partition is.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Progress {
    /// Which processor.
    pub processor: String,
    /// Which partition.
    pub partition: u32,
    /// What it is doing.
    pub phase: Phase,
    /// What it waits for, or why it stopped.
    pub detail: Option<String>,
    /// Offsets not taken yet, by topic.
    pub lag: BTreeMap<&'static str, u64>,
    /// Records taken since the process started.
    pub records: u64,
    /// Of these, seen before.
    pub duplicates: u64,
    /// Of these, refused.
    pub dead: u64,
    /// Seqs that are missing: above zero sounds an alarm.
    pub missing: u64,
    /// Steps committed since the process started.
    pub steps: u64,
    /// Times it took over since the process started.
    pub takeovers: u64,
}

impl Progress {
    pub(super) fn count(&mut self, before: Tally, now: Tally) {
        self.records += now.records - before.records;
        self.duplicates += now.duplicates - before.duplicates;
        self.dead += now.dead - before.dead;
    }

    /// Whether it runs with at most `lag` offsets left in each input.
    pub fn is_caught_up(&self, lag: u64) -> bool {
        self.phase == Phase::Running && self.lag.values().all(|left| *left <= lag)
    }
}

/// The progress of all processors of this process. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Board(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    progress: Mutex<BTreeMap<(String, u32), Progress>>,
    changed: Notify,
    metrics: Option<Metrics>,
}

impl Board {
    /// An empty board.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty board that tells metrics how long things took.
    pub fn counting(metrics: Metrics) -> Self {
        Self(Arc::new(Shared { metrics: Some(metrics), ..Shared::default() }))
    }

    /// A step of the processor took so long to commit.
    pub(crate) fn committed(&self, processor: &str, took: Duration) {
        if let Some(metrics) = &self.0.metrics {
            metrics.committed(processor, took);
        }
    }

    /// A batch of the processor took so long to insert.
    pub(crate) fn inserted(&self, processor: &str, took: Duration) {
        if let Some(metrics) = &self.0.metrics {
            metrics.inserted(processor, took);
        }
    }

    /// The progress of every partition, ordered by processor and partition.
    pub fn read(&self) -> Vec<Progress> {
        self.0.progress.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Whether every partition runs with at most `lag` offsets left in each input.
    pub fn is_caught_up(&self, lag: u64) -> bool {
        self.read().iter().all(|progress| progress.is_caught_up(lag))
    }

    /// Waits until the board says what is wanted.
    pub async fn until(&self, wanted: impl Fn(&[Progress]) -> bool) {
        loop {
            let changed = self.0.changed.notified();
            if wanted(&self.read()) {
                return;
            }
            changed.await;
        }
    }

    /// Changes what a partition tells.
    pub fn update(&self, processor: &str, partition: u32, change: impl FnOnce(&mut Progress)) {
        let mut board = self.0.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (processor.to_owned(), partition);
        let progress = board.entry(key).or_insert_with(|| Progress {
            processor: processor.to_owned(),
            partition,
            ..Progress::default()
        });
        change(progress);
        self.0.changed.notify_waiters();
    }
}
