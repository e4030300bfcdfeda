//! One subject, a target or a credential, as this process sees it.

use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use runtime::clock::Micros;
use schemas::event::AttemptError;
use schemas::ids::SubjectId;

use super::budget::Budget;
use super::local::Rules;

/// A failure and a success as evidence, see [`Rules::blame`].
const FAILURE: u32 = 39;
const SUCCESS: u32 = 7;
/// Order of everything here: each number stands for itself.
const ANY: Ordering = Ordering::Relaxed;

/// What this process makes of a subject.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Load {
    /// Calls that run.
    pub in_flight: u32,
    /// Peak-EWMA of the time to the first content, microseconds; `None` before the first answer.
    pub latency_us: Option<f32>,
    /// Whether it takes calls.
    pub state: Standing,
    /// Why it was ejected last.
    pub reason: AttemptError,
}

/// Whether a subject takes calls, as this process sees it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Standing {
    /// It does.
    Free,
    /// Its weight comes back: this part of it, 0 to 1.
    SlowStart(f32),
    /// Its ejection is over, and the next call is a trial.
    Trial,
    /// No call goes there but as the last resort, until then.
    Ejected(Micros),
    /// It wants to be left alone until then.
    Limited(Micros),
    /// It takes calls and answers none.
    Silent,
}

/// What is counted of it.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) subject: SubjectId,
    /// Second tries.
    pub(super) repeats: Budget,
    /// Calls that go on to other targets from here, where it is the first credential of their plans.
    pub(super) moves: Budget,
    in_flight: AtomicU32,
    /// Calls since the last answer, and when the first of them began.
    unanswered: AtomicU32,
    unanswered_since: AtomicI64,
    /// When the last call began.
    last: AtomicI64,
    /// Peak-EWMA: microseconds as an `f32` above, its time in milliseconds below.
    latency: AtomicU64,
    /// Cumulative sum of evidence.
    blame: AtomicU32,
    /// End of the last ejection, 0 for none. What began before it says nothing.
    until: AtomicI64,
    /// First answer after it.
    recovered: AtomicI64,
    ejections: AtomicU32,
    /// The last trial.
    trial: AtomicI64,
    limited: AtomicI64,
    reason: AtomicU8,
}

impl Seen {
    pub(super) fn new(subject: SubjectId, now: Micros) -> Self {
        Self {
            subject,
            repeats: Budget::default(),
            moves: Budget::default(),
            in_flight: 0.into(),
            unanswered: 0.into(),
            unanswered_since: 0.into(),
            last: now.0.into(),
            latency: 0.into(),
            blame: 0.into(),
            until: 0.into(),
            recovered: 0.into(),
            ejections: 0.into(),
            trial: 0.into(),
            limited: 0.into(),
            reason: 0.into(),
        }
    }

    pub(super) fn is_idle(&self, now: Micros, after: i64) -> bool {
        self.in_flight.load(ANY) == 0 && now.0.saturating_sub(self.last.load(ANY)) > after
    }

    pub(super) fn begin(&self, rules: &Rules, now: Micros) {
        if matches!(self.standing(rules, now), Standing::Trial) {
            self.trial.store(now.0, ANY);
        }
        self.last.store(now.0, ANY);
        self.repeats.earn(now);
        self.in_flight.fetch_add(1, ANY);
        if self.unanswered.fetch_add(1, ANY) == 0 {
            self.unanswered_since.store(now.0, ANY);
        }
    }

    pub(super) fn end(&self) {
        self.in_flight.fetch_sub(1, ANY);
    }

    /// Whatever came, something came.
    pub(super) fn heard(&self) {
        self.unanswered.store(0, ANY);
    }

    pub(super) fn answered(&self, rules: &Rules, began: Micros, latency: Duration, now: Micros) {
        self.heard();
        self.observe(rules, latency, now);
        let until = self.until.load(ANY);
        if began.0 < until {
            return;
        }
        self.blame.fetch_update(ANY, ANY, |blame| Some(blame.saturating_sub(SUCCESS))).ok();
        if until > 0 && self.recovered.load(ANY) < until {
            // half of the evidence is kept: who fails again soon is out again soon
            self.blame.store(rules.blame / 2, ANY);
            self.recovered.store(now.0, ANY);
        }
    }

    pub(super) fn failed(&self, rules: &Rules, error: AttemptError, began: Micros, now: Micros) {
        self.heard();
        let until = self.until.load(ANY);
        if began.0 < until {
            return;
        }
        let on_trial = until > 0 && self.recovered.load(ANY) < until;
        let sum = |blame: u32| Some(blame.saturating_add(FAILURE).min(rules.blame));
        let before = self.blame.fetch_update(ANY, ANY, sum).unwrap_or(0);
        if on_trial || before.saturating_add(FAILURE) >= rules.blame {
            self.eject(rules, rules.eject, error, now);
        }
    }

    pub(super) fn refused(&self, rules: &Rules, error: AttemptError, now: Micros) {
        self.heard();
        if self.until.load(ANY) <= now.0 {
            self.eject(rules, rules.refused, error, now);
        }
    }

    pub(super) fn limited(&self, rules: &Rules, wait: Option<Duration>, now: Micros) {
        let wait = wait.unwrap_or(rules.limited).min(rules.limited_most);
        self.limited.fetch_max(now.0.saturating_add(micros(wait)), ANY);
    }

    fn eject(&self, rules: &Rules, first: Duration, error: AttemptError, now: Micros) {
        let recovered = self.recovered.load(ANY);
        let well = recovered >= self.until.load(ANY)
            && now.0.saturating_sub(recovered) > micros(rules.forgive);
        let row = if well { 0 } else { self.ejections.load(ANY) };
        let time = first.saturating_mul(1 << row.min(8)).min(rules.eject_most.max(first));
        self.ejections.store(row.saturating_add(1), ANY);
        self.blame.store(0, ANY);
        self.reason.store(code(error), ANY);
        self.until.store(now.0.saturating_add(micros(time)), ANY);
    }

    /// Finagle's peak-EWMA: a peak counts at once, and is forgotten by and by.
    fn observe(&self, rules: &Rules, latency: Duration, now: Micros) {
        let seen = latency.as_secs_f32() * 1e6;
        let next = |packed: u64| {
            let old = decayed(packed, rules, now).unwrap_or(seen);
            let kept = kept(packed, rules, now);
            let cost =
                if seen > old { seen } else { unpacked(packed) * kept + seen * (1.0 - kept) };
            Some(u64::from(cost.max(1.0).to_bits()) << 32 | u64::from(millis(now)))
        };
        self.latency.fetch_update(ANY, ANY, next).ok();
    }

    pub(super) fn load(&self, rules: &Rules, now: Micros) -> Load {
        Load {
            in_flight: self.in_flight.load(ANY),
            latency_us: decayed(self.latency.load(ANY), rules, now),
            state: self.standing(rules, now),
            reason: error(self.reason.load(ANY)),
        }
    }

    pub(super) fn standing(&self, rules: &Rules, now: Micros) -> Standing {
        let limited = self.limited.load(ANY);
        if limited > now.0 {
            return Standing::Limited(Micros(limited));
        }
        let (until, recovered) = (self.until.load(ANY), self.recovered.load(ANY));
        if until > now.0 {
            return Standing::Ejected(Micros(until));
        }
        let next = self.trial.load(ANY).saturating_add(micros(rules.trial));
        if until > 0 && recovered < until {
            return match next <= now.0 {
                true => Standing::Trial,
                false => Standing::Ejected(Micros(next)),
            };
        }
        if self.unanswered.load(ANY) >= rules.unanswered && self.is_silent(rules, now) {
            return if next <= now.0 { Standing::Trial } else { Standing::Silent };
        }
        let back = now.0.saturating_sub(recovered);
        if until > 0 && back < micros(rules.slow_start) {
            return Standing::SlowStart(back as f32 / micros(rules.slow_start) as f32);
        }
        Standing::Free
    }

    fn is_silent(&self, rules: &Rules, now: Micros) -> bool {
        // a target that never answered may be slow: nothing is known yet
        let packed = self.latency.load(ANY);
        let latency = unpacked(packed);
        let waited = now.0.saturating_sub(self.unanswered_since.load(ANY));
        packed != 0 && waited > micros(rules.silent).saturating_add((latency * 3.0) as i64)
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

fn millis(now: Micros) -> u32 {
    // differences of less than 49 days are all that is asked of it
    now.0.div_euclid(1_000) as u32
}

fn unpacked(packed: u64) -> f32 {
    f32::from_bits((packed >> 32) as u32)
}

/// What is left of a cost after the time since it was seen.
fn kept(packed: u64, rules: &Rules, now: Micros) -> f32 {
    let age = millis(now).wrapping_sub(packed as u32) as i32;
    (-(age.max(0) as f32) / (rules.latency.as_secs_f32() * 1e3)).exp()
}

fn decayed(packed: u64, rules: &Rules, now: Micros) -> Option<f32> {
    (packed != 0).then(|| unpacked(packed) * kept(packed, rules, now))
}

/// Reasons as a number.
const REASONS: [AttemptError; 12] = {
    use AttemptError as A;
    [
        A::None,
        A::Connect,
        A::FirstByteTimeout,
        A::IdleTimeout,
        A::TotalTimeout,
        A::Broken,
        A::Overload,
        A::Server,
        A::Malformed,
        A::NotFound,
        A::Auth,
        A::Credit,
    ]
};

fn code(error: AttemptError) -> u8 {
    let at = REASONS.iter().position(|known| *known == error);
    at.and_then(|at| u8::try_from(at).ok()).unwrap_or(0)
}

fn error(code: u8) -> AttemptError {
    REASONS.get(usize::from(code)).copied().unwrap_or(AttemptError::None)
}
