//! What the calls of a period cost. Pure.

use runtime::clock::Micros;
use schemas::ids::Origin;

use super::calendar::Period;
use super::others::{Heard, Others};

/// A budget's window, as far as this gateway knows. It belongs to calls by when they were admitted.
#[derive(Clone, Debug, Default)]
pub(super) struct Spend {
    /// Start of the window.
    pub(super) window_at: i64,
    /// Spent by calls of this gateway that have ended, nano USD.
    pub(super) spent: i64,
    /// Held for its calls in flight.
    pub(super) held: i64,
    /// Spent elsewhere.
    pub(super) others: Others,
    /// Held elsewhere; of a gateway that died, until the window is over.
    pub(super) others_held: Others,
    /// Sums of the two for this window.
    elsewhere: (i64, i64),
}

/// Where a budget stands, nano USD.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Standing {
    /// By calls that have ended.
    pub spent: i64,
    /// The most that calls in flight can cost.
    pub held: i64,
    /// When the window began.
    pub since: Micros,
    /// When it begins anew.
    pub resets_at: Micros,
}

impl Spend {
    /// Opens the window of `now`, if that is another one.
    pub(super) fn roll(&mut self, period: Period, now: Micros) {
        let (start, _) = period.around(now);
        if start.0 > self.window_at {
            // a clock that goes back opens no window again
            self.window_at = start.0;
            (self.spent, self.held) = (0, 0);
            self.sum();
        }
    }

    fn sum(&mut self) {
        let here = |heard: &Heard| heard.window_at == self.window_at;
        self.elsewhere = (self.others.sum(here), self.others_held.sum(here));
    }

    /// Everything that counts against the budget.
    pub(super) fn used(&self) -> i64 {
        let own = self.spent.saturating_add(self.held);
        own.saturating_add(self.elsewhere.0).saturating_add(self.elsewhere.1)
    }

    pub(super) fn standing(&self, period: Period) -> Standing {
        let since = Micros(self.window_at);
        Standing {
            spent: self.spent.saturating_add(self.elsewhere.0),
            held: self.held.saturating_add(self.elsewhere.1),
            since,
            resets_at: period.around(since).1,
        }
    }

    /// Holds `nano` where it fits, or where it is only counted. Returns the window that it is of.
    ///
    /// # Errors
    /// What is left.
    pub(super) fn hold(&mut self, nano: i64, most: i64, hard: bool) -> Result<i64, i64> {
        let left = most.saturating_sub(self.used());
        if hard && nano > left {
            return Err(left);
        }
        self.held = self.held.saturating_add(nano);
        Ok(self.window_at)
    }

    /// Trades what was held in a window for what was spent. What ends after its window counts there
    /// no more.
    pub(super) fn settle(&mut self, window_at: i64, held: i64, cost: i64) {
        if window_at == self.window_at {
            self.held = self.held.saturating_sub(held).max(0);
            self.spent = self.spent.saturating_add(cost.max(0));
        }
    }

    /// Takes in what another gateway said.
    pub(super) fn hear(&mut self, origin: Origin, heard: Heard, held: bool) {
        let of = if held { &mut self.others_held } else { &mut self.others };
        if of.hear(origin, heard).is_some() {
            self.sum();
        }
    }

    /// Forgets what another gateway said.
    pub(super) fn forget(&mut self, origin: Origin, held: bool) {
        let of = if held { &mut self.others_held } else { &mut self.others };
        of.forget(origin);
        self.sum();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY: i64 = 24 * 60 * 60 * 1_000_000;

    fn heard(seq: i64, used: i64, window_at: i64) -> Heard {
        Heard { seq, used, window_at, at: Micros(0) }
    }

    #[test]
    fn a_window_is_its_own_and_what_others_spent_in_it_counts() {
        let mut spend = Spend::default();
        let other = Origin([7; 16]);
        spend.hear(other, heard(1, 40, DAY), false);
        spend.roll(Period::Day, Micros(DAY + 5));
        assert_eq!(spend.used(), 40, "said before the first call here");
        let window = spend.hold(50, 100, true).unwrap();
        assert_eq!(spend.hold(11, 100, true), Err(10));
        assert_eq!(spend.hold(11, 100, false), Ok(DAY), "a soft one only counts");
        spend.settle(window, 11, 11);
        spend.hear(other, heard(2, 45, DAY), false);
        spend.hear(other, heard(2, 99, DAY), false);
        spend.hear(other, heard(3, 20, DAY), true);
        let standing = spend.standing(Period::Day);
        assert_eq!((standing.spent, standing.held, standing.resets_at.0), (56, 70, 2 * DAY));
        spend.roll(Period::Day, Micros(2 * DAY));
        assert_eq!(spend.used(), 0);
        spend.settle(window, 50, 50);
        assert_eq!(spend.used(), 0, "what ends later is of the day before");
        spend.roll(Period::Day, Micros(DAY));
        assert_eq!(spend.window_at, 2 * DAY);
    }

    proptest! {
        /// Holds never go below zero, what is spent is the sum of costs, and a hard budget never
        /// holds more than there is.
        #[test]
        fn holds_and_costs_add_up(calls in prop::collection::vec((0_i64..60, 0_i64..60, any::<bool>()), 0..100)) {
            let mut spend = Spend::default();
            spend.roll(Period::Month, Micros(DAY * 40));
            let (mut open, mut cost) = (Vec::new(), 0);
            for (most, used, ends) in calls {
                let used = used.min(most);
                if let Ok(window) = spend.hold(most, 500, true) {
                    open.push((window, most, used));
                }
                if ends && let Some((window, held, used)) = open.pop() {
                    spend.settle(window, held, used);
                    cost += used;
                }
                prop_assert!(spend.used() <= 500);
                prop_assert_eq!(spend.held, open.iter().map(|(_, held, _)| held).sum::<i64>());
                prop_assert_eq!(spend.spent, cost);
            }
        }
    }
}
