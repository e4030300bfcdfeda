//! Whether the request path may answer from what was read of the log, and how old that may be.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use schemas::topics::TopicPartition;
use tokio::time::Instant;

/// What the request path waits for before it takes the first call, and until when each followed
/// partition is known to have been read to its end.
#[derive(Debug)]
pub struct Ready {
    pub(super) spend: AtomicBool,
    pub(super) balances: AtomicBool,
    pub(super) health: AtomicBool,
    pub(super) limits: AtomicBool,
    /// Times are counted from here, in milliseconds.
    start: Instant,
    max_stale: Duration,
    read: Mutex<BTreeMap<TopicPartition, u64>>,
    /// The earliest of them: a call looks at no more.
    oldest: AtomicU64,
}

impl Ready {
    /// Nothing is read yet. What was read serves for `max_stale` when the log is away.
    pub fn new(max_stale: Duration) -> Self {
        Self {
            spend: AtomicBool::new(false),
            balances: AtomicBool::new(false),
            health: AtomicBool::new(false),
            limits: AtomicBool::new(false),
            start: Instant::now(),
            max_stale,
            read: Mutex::default(),
            oldest: AtomicU64::new(0),
        }
    }

    /// What is not yet read to its end; empty when the gateway may take calls.
    pub fn missing(&self) -> Vec<&'static str> {
        let missing = self.parts().into_iter().filter(|(_, done)| !done.load(Ordering::Acquire));
        missing.map(|(name, _)| name).collect()
    }

    /// Whether all is read.
    pub fn is_ready(&self) -> bool {
        self.parts().iter().all(|(_, done)| done.load(Ordering::Acquire))
    }

    const fn parts(&self) -> [(&'static str, &AtomicBool); 4] {
        [
            ("spend", &self.spend),
            ("balances", &self.balances),
            ("health", &self.health),
            ("limits", &self.limits),
        ]
    }

    /// The partition was read to where it ended at this time.
    pub fn read_to_end(&self, partition: TopicPartition, at: Instant) {
        let at = millis(at.saturating_duration_since(self.start));
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let known = read.entry(partition).or_default();
        *known = at.max(*known);
        self.oldest.store(read.values().copied().min().unwrap_or(0), Ordering::Release);
    }

    /// How old the oldest of what was read may be.
    pub fn age(&self) -> Duration {
        let oldest = Duration::from_millis(self.oldest.load(Ordering::Acquire));
        self.start.elapsed().saturating_sub(oldest)
    }

    /// The longest time that it may serve.
    pub const fn max_stale(&self) -> Duration {
        self.max_stale
    }

    /// Whether it is too old to serve.
    pub fn is_stale(&self) -> bool {
        self.age() > self.max_stale
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use schemas::topics::Topic;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_oldest_partition_says_how_old_all_is() {
        let ready = Ready::new(Duration::from_secs(60));
        let pass = |seconds| tokio::time::advance(Duration::from_secs(seconds));
        let (one, other) = (Topic::Balances.at(0), Topic::Health.at(1));
        for partition in [one, other] {
            ready.read_to_end(partition, Instant::now());
        }
        pass(50).await;
        ready.read_to_end(one, Instant::now());
        assert_eq!(ready.age(), Duration::from_secs(50));
        assert!(!ready.is_stale());
        pass(11).await;
        assert!(ready.is_stale(), "{:?}", ready.age());
        ready.read_to_end(other, Instant::now() - Duration::from_secs(5));
        assert_eq!(ready.age(), Duration::from_secs(11), "now the other one is the oldest");
        assert!(!ready.is_stale());
        ready.read_to_end(one, Instant::now() - Duration::from_secs(40));
        assert_eq!(ready.age(), Duration::from_secs(11), "an earlier time says nothing new");
    }
}
