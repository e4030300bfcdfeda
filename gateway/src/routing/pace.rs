//! How soon a subject answers calls of one kind, and whether it answers at all.

use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use runtime::clock::Micros;

use super::local::Rules;

/// Each number stands for itself.
const ANY: Ordering = Ordering::Relaxed;
/// A latency seen longer than this before the silence began says nothing of it, microseconds.
const RECENT: i64 = 60 * 1_000_000;

/// Streams are timed to their first content, whole answers to their end: each kind has a pace of its
/// own.
#[derive(Debug, Default)]
#[repr(C)]
pub(super) struct Pace {
    /// Calls since the last answer.
    unanswered: AtomicU32,
    /// Peak-EWMA: microseconds as an `f32` above, its time in milliseconds below; 0 before the first
    /// answer.
    latency: AtomicU64,
    /// When it was seen last.
    seen: AtomicI64,
    /// When the first of those that are not answered began.
    since: AtomicI64,
}

impl Pace {
    pub(super) fn begin(&self, now: Micros) {
        if self.unanswered.fetch_add(1, ANY) == 0 {
            self.since.store(now.0, ANY);
        }
    }

    /// A call was given up, which says nothing.
    pub(super) fn given_up(&self) {
        self.unanswered.fetch_update(ANY, ANY, |count| count.checked_sub(1)).ok();
    }

    /// Whatever came, something came.
    pub(super) fn heard(&self) {
        self.unanswered.store(0, ANY);
    }

    /// Finagle's peak-EWMA: a peak counts at once, and is forgotten by and by.
    pub(super) fn answered(&self, rules: &Rules, latency: Duration, now: Micros) {
        self.heard();
        self.seen.store(now.0, ANY);
        let seen = latency.as_secs_f32() * 1e6;
        let next = |packed: u64| {
            let left = if packed == 0 { 0.0 } else { kept(packed, rules, now) };
            let old = unpacked(packed);
            let cost = if seen > old * left { seen } else { old * left + seen * (1.0 - left) };
            Some(u64::from(cost.max(1.0).to_bits()) << 32 | u64::from(millis(now)))
        };
        self.latency.fetch_update(ANY, ANY, next).ok();
    }

    /// What is left of the latency that was seen, microseconds; `None` before the first answer.
    pub(super) fn latency_us(&self, rules: &Rules, now: Micros) -> Option<f32> {
        let packed = self.latency.load(ANY);
        (packed != 0).then(|| unpacked(packed) * kept(packed, rules, now))
    }

    /// Whether it takes calls and answers none. One that never answered may be slow: nothing is known
    /// of it yet.
    pub(super) fn is_silent(&self, rules: &Rules, now: Micros) -> bool {
        if self.unanswered.load(ANY) < rules.unanswered {
            return false;
        }
        let (packed, since) = (self.latency.load(ANY), self.since.load(ANY));
        let known = packed != 0 && since.saturating_sub(self.seen.load(ANY)) < RECENT;
        let usual = (unpacked(packed) * 3.0) as i64;
        let waited = now.0.saturating_sub(since);
        known && waited > super::seen::micros(rules.silent).saturating_add(usual)
    }
}

fn millis(now: Micros) -> u32 {
    // differences of less than 49 days are all that is asked of it
    now.0.div_euclid(1_000) as u32
}

fn unpacked(packed: u64) -> f32 {
    f32::from_bits((packed >> 32) as u32)
}

/// The part of a cost that is left after the time since it was seen.
fn kept(packed: u64, rules: &Rules, now: Micros) -> f32 {
    let age = millis(now).wrapping_sub(packed as u32) as i32;
    (-(age.max(0) as f32) / (rules.latency.as_secs_f32() * 1e3)).exp()
}
