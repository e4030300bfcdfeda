//! What usage amounts to, whichever format says it.

use schemas::event::{Meter, Quantity};

/// The parts, each cut to what is left of the total, and the rest: the sum is the total.
pub(super) fn split(to: &mut Vec<Quantity>, rest: Meter, total: i64, parts: &[(Meter, i64)]) {
    let mut left = total;
    for (meter, units) in parts {
        let units = (*units).min(left);
        left -= units;
        if units > 0 {
            to.push(Quantity { meter: *meter, units });
        }
    }
    if left > 0 {
        to.push(Quantity { meter: rest, units: left });
    }
}

/// A cost in xAI's ticks of 1e-10 USD, in 1e-9 USD, rounded up.
pub(super) fn of_ticks(ticks: i64) -> Option<i64> {
    (ticks >= 0).then(|| ticks.div_euclid(10) + i64::from(ticks % 10 != 0))
}
