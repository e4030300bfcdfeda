//! What comes after a failed attempt: the same target, another credential, another target, a larger
//! one, or nothing.

use std::time::Duration;

use runtime::clock::Micros;
use schemas::event::AttemptError;

use super::mix::{mix, unit};
use super::plan::MAX_TARGETS;
use super::{Local, Plan, Planned};
use crate::providers::{Failure, Next};

/// Waits for the same target up to this long are shorter than a fresh start elsewhere.
const SOON: Duration = Duration::from_secs(1);
/// The longest wait for the only target that is left, whatever its `Retry-After` says.
const LONGEST: Duration = Duration::from_secs(10);
/// The longest first wait where the provider names none; it doubles with each.
const BACKOFF: Duration = Duration::from_millis(250);
/// Second tries of one target by one call: while others are left, and when none is.
const REPEATS: (u32, u32) = (1, 2);

/// What comes after a failed attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// The same target after this long.
    Again(Duration),
    /// A target of another credential, of the same provider or not.
    NextCredential,
    /// Another target, of another provider if there is one.
    NextTarget,
    /// A target whose model is known to take more input.
    LargerContext,
    /// No other attempt.
    Stop,
}

/// What a call does then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Then {
    /// It asks the same target after this long.
    Again(Duration),
    /// It asks another one.
    Other,
    /// It has failed.
    Stop,
}

/// Where a call stands when an attempt has failed.
#[derive(Clone, Copy, Debug)]
pub struct SoFar {
    /// Second tries of this target.
    pub repeats: u32,
    /// Whether other targets are left.
    pub others: bool,
    /// Time until the call's deadline.
    pub left: Duration,
    /// For the jitter.
    pub seed: u64,
}

/// The policy, class of error by class of error. `stale`: a kept connection broke before a byte of
/// an answer; it may just have been closed for being idle, which says nothing about the target.
///
/// A wait that the provider names is kept to when it is short; it is never cut. Else waits are
/// random between nothing and a bound that doubles ("full jitter", M. Brooker, AWS, 2015).
pub fn step(failure: &Failure, stale: bool, so_far: SoFar) -> Step {
    use AttemptError as A;
    match failure.next {
        Next::Nothing => return Step::Stop,
        Next::Larger => return Step::LargerContext,
        Next::Same | Next::Target => {}
    }
    if stale && so_far.repeats == 0 {
        return Step::Again(Duration::ZERO);
    }
    let next = match failure.error {
        A::Auth | A::Credit | A::RateLimit | A::NotFound => Step::NextCredential,
        _ => Step::NextTarget,
    };
    let (longest, most) = match so_far.others {
        true => (SOON, REPEATS.0),
        false => (LONGEST, REPEATS.1),
    };
    let wait = match (failure.next, failure.retry_after) {
        (Next::Same, Some(wait)) => Some(wait),
        (Next::Same, None) if !so_far.others => Some(jitter(so_far)),
        (Next::Target, _) if !so_far.others && failure.error == A::Broken => Some(jitter(so_far)),
        _ => None,
    };
    match wait {
        Some(wait) if so_far.repeats < most && wait <= longest && wait < so_far.left => {
            Step::Again(wait)
        }
        _ => next,
    }
}

fn jitter(so_far: SoFar) -> Duration {
    let bound = BACKOFF.saturating_mul(1 << so_far.repeats.min(8));
    bound.mul_f64(unit(mix(so_far.seed, so_far.repeats.into())))
}

/// The way of one call through its plan.
#[derive(Debug)]
pub struct Course<'a> {
    targets: &'a [Planned],
    local: &'a Local,
    seed: u64,
    at: Option<usize>,
    tried: [bool; MAX_TARGETS],
    repeats: u32,
}

impl<'a> Course<'a> {
    /// At the first target of the plan.
    pub fn new(plan: &'a Plan, local: &'a Local, now: Micros, seed: u64) -> Self {
        local.called(now);
        let mut course = Self {
            targets: plan.targets.get(..MAX_TARGETS).unwrap_or(&plan.targets),
            local,
            seed,
            at: None,
            tried: [false; MAX_TARGETS],
            repeats: 0,
        };
        course.go(Some(0));
        course
    }

    /// The target to ask now; `None` when the call has failed.
    pub fn target(&self) -> Option<&'a Planned> {
        self.targets.get(self.at?)
    }

    /// It was not even asked, as what the call wants can't be said to it: the next one, for nothing.
    pub fn passed_over(&mut self) {
        self.go(self.untried(|_| true));
    }

    /// The attempt failed: from here on [`target`](Self::target) is the one to ask then.
    pub fn failed(&mut self, failure: &Failure, stale: bool, left: Duration, now: Micros) -> Then {
        let Some(here) = self.target() else {
            return Then::Stop;
        };
        let others = self.untried(|_| true).is_some();
        let so_far = SoFar { repeats: self.repeats, others, left, seed: self.seed };
        let step = step(failure, stale, so_far);
        if let Step::Again(wait) = step {
            // a connection that was closed for being idle is no failure, and costs nothing
            if stale || self.local.may_repeat(&here.target, here.keys, now) {
                self.repeats += 1;
                return Then::Again(wait);
            }
        }
        let next = match step {
            Step::Stop => None,
            Step::NextCredential => {
                self.untried(|other| other.keys.credential != here.keys.credential)
            }
            Step::NextTarget | Step::Again(_) => {
                self.untried(|other| other.target.provider != here.target.provider)
            }
            Step::LargerContext => self.larger(here.context),
        };
        let next = match step {
            Step::NextCredential | Step::NextTarget | Step::Again(_) => {
                next.or_else(|| self.untried(|_| true))
            }
            Step::LargerContext | Step::Stop => next,
        };
        // nobody is ill where an input is too long
        let free = step == Step::LargerContext;
        let next = next.filter(|to| !left.is_zero() && (free || self.may_move(*to, now)));
        self.go(next);
        next.map_or(Then::Stop, |_| Then::Other)
    }

    /// One that takes calls carries them. To those that do not, a budget leads: when all are down,
    /// calls must not become storms.
    fn may_move(&self, to: usize, now: Micros) -> bool {
        let view = self.local.view();
        let well = |key| view.at(key, now).is_none_or(|load| load.state.takes_calls());
        let keys = self.targets.get(to).map(|to| to.keys);
        keys.is_some_and(|keys| well(keys.target) && well(keys.credential))
            || self.local.may_move(now)
    }

    fn go(&mut self, to: Option<usize>) {
        self.at = to;
        self.repeats = 0;
        if let Some(tried) = to.and_then(|to| self.tried.get_mut(to)) {
            *tried = true;
        }
    }

    fn untried(&self, fits: impl Fn(&Planned) -> bool) -> Option<usize> {
        let mut all = self.targets.iter().zip(&self.tried).enumerate();
        all.find(|(_, (target, tried))| !**tried && fits(target)).map(|(index, _)| index)
    }

    /// The best target that takes more than this one.
    fn larger(&self, than: Option<i64>) -> Option<usize> {
        self.untried(|other| match (other.context, than) {
            (Some(other), Some(this)) => other > this,
            (Some(_), None) | (None, _) => false,
        })
        // of one whose bound is not known, nobody knows that it is larger; it is tried all the same
        .or_else(|| self.untried(|other| other.context.is_none() || than.is_none()))
    }
}
