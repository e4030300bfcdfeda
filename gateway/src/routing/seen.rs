//! One subject, a target or a credential, as this process sees it.

use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU32, Ordering};
use std::time::Duration;

use runtime::clock::Micros;
use schemas::event::AttemptError;
use schemas::ids::SubjectId;

use super::budget::Budget;
use super::local::Rules;
use super::pace::Pace;

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
    /// Peak-EWMA of the time to a stream's first content, microseconds; `None` before the first.
    pub latency_us: Option<f32>,
    /// The same, of the time to a whole answer.
    pub whole_us: Option<f32>,
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

impl Standing {
    /// Whether calls go there as to any other.
    pub const fn takes_calls(self) -> bool {
        matches!(self, Self::Free | Self::SlowStart(_))
    }
}

/// What is counted of it. What a plan looks at stands together at the beginning: of a long route it
/// may look at hundreds.
#[derive(Debug)]
#[repr(C, align(128))]
pub(super) struct Seen {
    /// End of the last ejection, 0 for none. What began before it says nothing.
    until: AtomicI64,
    /// First answer after it.
    recovered: AtomicI64,
    /// The last trial.
    trial: AtomicI64,
    limited: AtomicI64,
    in_flight: AtomicU32,
    /// Cumulative sum of evidence.
    blame: AtomicU32,
    /// Streams.
    streams: Pace,
    /// Whole answers.
    wholes: Pace,
    /// When the last call began.
    last: AtomicI64,
    ejections: AtomicU32,
    reason: AtomicU8,
    pub(super) subject: SubjectId,
    /// Second tries.
    pub(super) repeats: Budget,
}

impl Seen {
    pub(super) fn new(subject: SubjectId, now: Micros) -> Self {
        Self {
            subject,
            repeats: Budget::default(),
            in_flight: 0.into(),
            streams: Pace::default(),
            wholes: Pace::default(),
            last: now.0.into(),
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

    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight.load(ANY)
    }

    pub(super) fn pace(&self, stream: bool) -> &Pace {
        if stream { &self.streams } else { &self.wholes }
    }

    pub(super) fn begin(&self, rules: &Rules, stream: bool, now: Micros) {
        if matches!(self.standing(rules, now), Standing::Trial) {
            self.trial.store(now.0, ANY);
        }
        self.last.store(now.0, ANY);
        self.repeats.earn(now);
        self.in_flight.fetch_add(1, ANY);
        self.pace(stream).begin(now);
    }

    pub(super) fn end(&self) {
        self.in_flight.fetch_sub(1, ANY);
    }

    pub(super) fn answered(&self, rules: &Rules, stream: bool, began: Micros, now: Micros) {
        self.pace(stream).answered(rules, now.since(began), now);
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

    pub(super) fn load(&self, rules: &Rules, now: Micros) -> Load {
        Load {
            in_flight: self.in_flight.load(ANY),
            latency_us: self.streams.latency_us(rules, now),
            whole_us: self.wholes.latency_us(rules, now),
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
        let tried = self.trial.load(ANY);
        let next = tried.saturating_add(micros(rules.trial));
        if until > 0 && recovered < until {
            return match tried < until || next <= now.0 {
                true => Standing::Trial,
                false => Standing::Ejected(Micros(next)),
            };
        }
        if self.streams.is_silent(rules, now) || self.wholes.is_silent(rules, now) {
            return if next <= now.0 { Standing::Trial } else { Standing::Silent };
        }
        let back = now.0.saturating_sub(recovered);
        if until > 0 && back < micros(rules.slow_start) {
            return Standing::SlowStart(back as f32 / micros(rules.slow_start) as f32);
        }
        Standing::Free
    }
}

/// A duration in microseconds.
pub(super) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
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
