//! A bucket that holds a minute's worth and drains evenly. Pure.
//!
//! What is taken is an upper bound, and corrected when it is known what was used; so it is a count,
//! not the time of the next arrival as in GCRA.

use std::time::Duration;

use runtime::clock::Micros;

/// One unit as it is counted: what drains of a limit of one per minute in a minute of microseconds.
const UNIT: i64 = 60_000_000;
/// The largest limit per minute, so that sums stay in range.
pub const MOST: i64 = 10_000_000_000;
/// More than this is not counted in one bucket.
const FULL: i64 = 8 * MOST * UNIT;

/// What is in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Bucket {
    /// Units × [`UNIT`] that have not drained yet.
    used: i64,
    at: Micros,
}

impl Bucket {
    /// Lets out what drained until `now`.
    fn drain(&mut self, most: i64, now: Micros) {
        let passed = now.0.saturating_sub(self.at.0);
        if passed > 0 {
            self.used = self.used.saturating_sub(passed.saturating_mul(most)).max(0);
            self.at = now;
        }
    }

    /// Takes `units` where there is room for them. More than it holds at all fits when it is empty:
    /// the bound of a call may be far above what it uses.
    ///
    /// # Errors
    /// How long until there is room.
    pub(super) fn take(&mut self, units: i64, most: i64, now: Micros) -> Result<(), Duration> {
        let most = most.clamp(1, MOST);
        self.drain(most, now);
        let wanted = units.clamp(0, most) * UNIT;
        let over = self.used.saturating_add(wanted).saturating_sub(most * UNIT);
        if over > 0 {
            let micros = over.div_euclid(most) + i64::from(over % most != 0);
            return Err(Duration::from_micros(micros.unsigned_abs()));
        }
        self.add(units);
        Ok(())
    }

    /// Adds what was used beyond what was taken, or gives back what was not.
    pub(super) fn correct(&mut self, units: i64, most: i64, now: Micros) {
        self.drain(most.clamp(1, MOST), now);
        self.add(units);
    }

    fn add(&mut self, units: i64) {
        let change = units.saturating_mul(UNIT);
        self.used = self.used.saturating_add(change).clamp(0, FULL);
    }

    /// How many units are left, and how long until it is empty.
    pub(super) fn left(&mut self, most: i64, now: Micros) -> (i64, Duration) {
        let most = most.clamp(1, MOST);
        self.drain(most, now);
        let left = (most * UNIT).saturating_sub(self.used).max(0) / UNIT;
        let micros = self.used.div_euclid(most) + i64::from(self.used % most != 0);
        (left, Duration::from_micros(micros.unsigned_abs()))
    }

    /// Whether nothing is in it.
    pub(super) fn is_empty(&mut self, most: i64, now: Micros) -> bool {
        self.drain(most.clamp(1, MOST), now);
        self.used == 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: i64 = 60_000_000;

    #[test]
    fn a_minutes_worth_is_there_and_comes_back_evenly() {
        let mut bucket = Bucket::default();
        let at = Micros(1_000);
        assert_eq!(bucket.take(60, 60, at), Ok(()));
        assert_eq!(bucket.take(1, 60, at), Err(Duration::from_secs(1)));
        assert_eq!(bucket.left(60, at), (0, Duration::from_secs(60)));
        let later = Micros(at.0 + MINUTE / 60);
        assert_eq!(bucket.take(1, 60, later), Ok(()));
        bucket.correct(-31, 60, later);
        assert_eq!(bucket.left(60, later), (31, Duration::from_secs(29)));
        // twice the limit from now on
        assert_eq!(bucket.left(120, later), (91, Duration::from_micros(14_500_000)));
    }

    #[test]
    fn what_is_larger_than_the_limit_waits_for_all_of_it() {
        let mut bucket = Bucket::default();
        assert_eq!(bucket.take(1, 100, Micros(0)), Ok(()));
        assert_eq!(bucket.take(5_000, 100, Micros(0)), Err(Duration::from_millis(600)));
        assert_eq!(bucket.take(5_000, 100, Micros(600_000)), Ok(()));
        bucket.correct(50 - 5_000, 100, Micros(600_000));
        assert_eq!(bucket.left(100, Micros(600_000)).0, 50);
    }

    proptest! {
        /// Whatever is taken and corrected, it is never below nothing, and in any time no more is let
        /// through than it holds and what drains in that time.
        #[test]
        fn it_is_never_negative_and_never_gives_more(
            most in 1_i64..1_000,
            steps in prop::collection::vec((0_i64..400, 0_i64..400, 0_i64..5_000_000), 1..200),
        ) {
            let (mut bucket, mut now, mut used) = (Bucket::default(), Micros(0), 0);
            for (asked, found, passed) in steps {
                now.0 += passed;
                let asked = asked.min(most);
                if bucket.take(asked, most, now).is_ok() {
                    let found = found.min(asked);
                    bucket.correct(found - asked, most, now);
                    used += found;
                }
                prop_assert!(bucket.used >= 0);
                let room = i128::from(most) * i128::from(UNIT) + i128::from(now.0) * i128::from(most);
                prop_assert!(i128::from(used) * i128::from(UNIT) <= room);
            }
        }
    }
}
