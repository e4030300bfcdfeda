//! Quantiles of times from counts: small, exact to add up, and the same on every machine.
//!
//! Values are counted in buckets that each span an eighth of a power of two, as in G. Tene's
//! HdrHistogram with three significant bits: a quantile is off by at most 1/16 of its value. Only
//! integers, so that a replay gives the same bytes.

use serde::{Deserialize, Serialize};

/// Bits of a value below its leading one that choose the bucket.
const BITS: u32 = 3;

/// How many values there were in each bucket that has any, in the order of the buckets.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sketch(Vec<Bucket>);

/// One bucket.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Bucket {
    /// 8 × (p - 2) + n for values from 2^p on whose next three bits are n; below 8 the value itself.
    pub index: i32,
    /// Values in it.
    pub count: i64,
}

impl Sketch {
    /// Counts a value; a negative one as 0.
    pub fn add(&mut self, value: i64) {
        self.add_to(index_of(value), 1);
    }

    /// Counts all that another one has counted.
    pub fn merge(&mut self, other: &Self) {
        other.0.iter().for_each(|bucket| self.add_to(bucket.index, bucket.count));
    }

    /// How many values were counted.
    pub fn count(&self) -> i64 {
        self.0.iter().fold(0, |sum, bucket| sum.saturating_add(bucket.count))
    }

    /// The value that `per_mille` of a thousand values do not exceed: the middle of its bucket.
    /// `None` when nothing was counted.
    pub fn quantile(&self, per_mille: u32) -> Option<i64> {
        let all = self.count();
        let rank = (all.saturating_mul(i64::from(per_mille.min(1000))).saturating_add(999)) / 1000;
        let mut below = 0_i64;
        let found = self.0.iter().find(|bucket| {
            below = below.saturating_add(bucket.count);
            below >= rank.max(1)
        });
        found.map(|bucket| middle_of(bucket.index))
    }

    fn add_to(&mut self, index: i32, count: i64) {
        let place = self.0.binary_search_by_key(&index, |bucket| bucket.index);
        match place.map(|at| self.0.get_mut(at)) {
            Ok(Some(bucket)) => bucket.count = bucket.count.saturating_add(count),
            Ok(None) => {}
            Err(at) => self.0.insert(at, Bucket { index, count }),
        }
    }
}

/// Values below 8 have buckets of their own.
fn index_of(value: i64) -> i32 {
    let value = value.max(0).unsigned_abs();
    let power = value.checked_ilog2().unwrap_or(0);
    if power < BITS {
        return i32::try_from(value).unwrap_or(0);
    }
    let next = (value >> (power - BITS)) & ((1 << BITS) - 1);
    let index = (u64::from(power - BITS + 1) << BITS) | next;
    i32::try_from(index).unwrap_or(i32::MAX)
}

fn middle_of(index: i32) -> i64 {
    let index = index.clamp(0, 487); // that of i64::MAX
    let (octave, next) = (index >> BITS, i64::from(index & ((1 << BITS) - 1)));
    if octave == 0 {
        return next;
    }
    let width = 1_i64 << (octave - 1);
    ((1 << BITS) + next) * width + width / 2
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn buckets_are_in_order_and_hold_their_middle() {
        let mut before = -1;
        for index in 0..=487 {
            let middle = middle_of(index);
            assert!(middle > before, "{index}");
            assert_eq!(index_of(middle), index);
            before = middle;
        }
        assert_eq!((index_of(-5), index_of(0), index_of(i64::MAX)), (0, 0, 487));
        assert_eq!(Sketch::default().quantile(500), None);
    }

    proptest! {
        #[test]
        fn a_quantile_is_off_by_a_sixteenth_at_most(
            mut values in prop::collection::vec(0_i64..1 << 40, 1..200),
            per_mille in 0_u32..=1000,
            cut in 0_usize..200,
        ) {
            let (left, right) = values.split_at(cut.min(values.len()));
            let sketch = |values: &[i64]| {
                let mut sketch = Sketch::default();
                values.iter().for_each(|value| sketch.add(*value));
                sketch
            };
            let mut whole = sketch(left);
            whole.merge(&sketch(right));
            prop_assert_eq!(&whole, &sketch(&values), "merged in parts or counted at once");
            values.sort_unstable();
            let rank = (values.len() * usize::try_from(per_mille).unwrap()).div_ceil(1000).max(1);
            let exact = values[rank - 1];
            let told = whole.quantile(per_mille).unwrap();
            prop_assert!((told - exact).abs() * 16 <= exact.max(0), "{} for {}", told, exact);
        }
    }
}
