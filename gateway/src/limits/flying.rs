//! Calls at a time.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use runtime::clock::Micros;
use schemas::ids::Origin;

use super::others::{Heard, Others};

/// What a gateway said of its calls in flight holds for so long: one that died says nothing more.
pub(super) const HOLDS: Duration = Duration::from_secs(10);

/// The calls in flight of one counter.
#[derive(Debug, Default)]
pub(super) struct Flying {
    own: AtomicI64,
    elsewhere: AtomicI64,
    others: Mutex<Others>,
}

impl Flying {
    /// Counts one more, where there is room.
    pub(super) fn take(&self, most: i64) -> bool {
        let elsewhere = self.elsewhere.load(Ordering::Acquire);
        let more = |own: i64| (own.saturating_add(elsewhere) < most).then_some(own + 1);
        self.own.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).is_ok()
    }

    /// One has ended.
    pub(super) fn end(&self) {
        self.own.fetch_sub(1, Ordering::AcqRel);
    }

    /// Here.
    pub(super) fn own(&self) -> i64 {
        self.own.load(Ordering::Acquire)
    }

    /// Everywhere.
    pub(super) fn all(&self) -> i64 {
        self.own().saturating_add(self.elsewhere.load(Ordering::Acquire))
    }

    /// Takes in how many another gateway has.
    pub(super) fn hear(&self, origin: Origin, heard: Heard) {
        let mut others = self.others();
        others.hear(origin, heard);
        self.sum(&others, heard.at);
    }

    /// Forgets what another gateway said.
    pub(super) fn forget(&self, origin: Origin, now: Micros) {
        let mut others = self.others();
        others.forget(origin);
        self.sum(&others, now);
    }

    /// Leaves out those that have not been heard of for long.
    pub(super) fn expire(&self, now: Micros) {
        if self.elsewhere.load(Ordering::Acquire) != 0 {
            self.sum(&self.others(), now);
        }
    }

    fn sum(&self, others: &Others, now: Micros) {
        let holds = |heard: &Heard| now.since(heard.at) < HOLDS;
        self.elsewhere.store(others.sum(holds), Ordering::Release);
    }

    pub(super) fn others(&self) -> MutexGuard<'_, Others> {
        self.others.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_the_limit_are_in_flight_whoever_asks() {
        let flying = Flying::default();
        let most_seen = AtomicI64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        if flying.take(3) {
                            most_seen.fetch_max(flying.own(), Ordering::Relaxed);
                            flying.end();
                        }
                    }
                });
            }
        });
        assert_eq!(flying.own(), 0);
        assert!((1..=3).contains(&most_seen.into_inner()));
    }

    #[test]
    fn a_gateway_that_is_silent_counts_no_more() {
        let flying = Flying::default();
        let heard = |seq, used, at| Heard { seq, used, window_at: 0, at: Micros(at) };
        flying.hear(Origin([1; 16]), heard(1, 2, 0));
        flying.hear(Origin([2; 16]), heard(1, 1, 9_000_000));
        assert_eq!((flying.all(), flying.take(3), flying.take(4)), (3, false, true));
        flying.expire(Micros(10_000_000));
        assert_eq!(flying.all(), 2);
        flying.forget(Origin([2; 16]), Micros(10_000_000));
        assert_eq!((flying.all(), flying.own()), (1, 1));
    }
}
