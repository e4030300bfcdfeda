//! What may be spent on second tries: a share of the calls of the last ten seconds.
//!
//! After Finagle's `RetryBudget` (a share of the requests and a floor, over a window of ten seconds)
//! and gRPC's proposal A6, whose throttling serves the same end: a general outage makes no storm.

use std::sync::atomic::{AtomicU64, Ordering};

use runtime::clock::Micros;

/// Seconds that are looked back on, the running one among them.
const WINDOW: u32 = 10;
/// Microseconds in one.
const SECOND: i64 = 1_000_000;

/// How much may be spent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Share {
    /// Percent of the calls.
    pub percent: u32,
    /// So many in ten seconds, however few calls there are.
    pub floor: u32,
}

/// Counts calls and what was spent on them. No lock: slots of seconds, each a pair of atomics.
#[derive(Debug, Default)]
pub struct Budget {
    slots: [Slot; WINDOW as usize],
}

/// A second in the upper half, a count in the lower one.
#[derive(Debug, Default)]
struct Slot {
    calls: AtomicU64,
    spent: AtomicU64,
}

impl Budget {
    /// A call was made: there is more to spend.
    pub fn earn(&self, now: Micros) {
        let second = second(now);
        if let Some(slot) = self.slot(second) {
            add(&slot.calls, second);
        }
    }

    /// Spends one, if there is one.
    pub fn spend(&self, share: Share, now: Micros) -> bool {
        let second = second(now);
        let (calls, spent) = self.sums(second);
        let most = (calls.saturating_mul(share.percent.into()) / 100).max(share.floor.into());
        if spent >= most {
            return false;
        }
        if let Some(slot) = self.slot(second) {
            add(&slot.spent, second);
        }
        true
    }

    /// Calls, and what was spent, in the window that ends now.
    pub fn counts(&self, now: Micros) -> (u64, u64) {
        self.sums(second(now))
    }

    fn sums(&self, now: u32) -> (u64, u64) {
        let recent = |slot: &AtomicU64| {
            let packed = slot.load(Ordering::Relaxed);
            let at = (packed >> 32) as u32;
            if now.wrapping_sub(at) < WINDOW { packed & u64::from(u32::MAX) } else { 0 }
        };
        self.slots.iter().fold((0, 0), |(calls, spent), slot| {
            (calls + recent(&slot.calls), spent + recent(&slot.spent))
        })
    }

    fn slot(&self, second: u32) -> Option<&Slot> {
        self.slots.get((second % WINDOW) as usize)
    }
}

fn second(now: Micros) -> u32 {
    // wraps in the year 2106, for ten seconds
    now.0.div_euclid(SECOND) as u32
}

fn add(count: &AtomicU64, second: u32) {
    let is_of = |packed: u64| packed >> 32 == u64::from(second);
    // nobody counts four thousand million in a second
    if is_of(count.load(Ordering::Relaxed)) {
        count.fetch_add(1, Ordering::Relaxed);
        return;
    }
    let fresh = u64::from(second) << 32 | 1;
    let next = |packed: u64| Some(if is_of(packed) { packed + 1 } else { fresh });
    count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIFTH: Share = Share { percent: 20, floor: 3 };

    fn at(seconds: i64) -> Micros {
        Micros(1_700_000_000_000_000 + seconds * SECOND)
    }

    fn all(budget: &Budget, now: Micros) -> usize {
        (0..1_000).take_while(|_| budget.spend(FIFTH, now)).count()
    }

    #[test]
    fn a_share_of_the_calls_but_never_less_than_the_floor() {
        let budget = Budget::default();
        assert_eq!(all(&budget, at(0)), 3, "the floor");
        (0..100).for_each(|_| budget.earn(at(1)));
        assert_eq!(all(&budget, at(1)), 17, "three of twenty are spent");
        assert_eq!(budget.counts(at(1)), (100, 20));
        assert_eq!(all(&budget, at(9)), 0);
        assert_eq!(all(&budget, at(10)), 3, "the first three are ten seconds old");
        assert_eq!(all(&budget, at(11)), 0, "the floor is spent, and the calls are gone");
        assert_eq!(budget.counts(at(50)), (0, 0));
    }
}
