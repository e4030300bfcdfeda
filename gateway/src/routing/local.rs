//! What this process itself sees of targets and credentials, at once and for itself alone: calls in
//! flight, latency, and failures that eject a target for seconds before health derived from the log
//! says so. Time is passed in.
//!
//! Nothing here locks: a subject is a handful of atomics, found through a map that is replaced when
//! a subject is seen for the first time.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use runtime::clock::Micros;
use schemas::event::AttemptError;
use schemas::ids::SubjectId;

use super::budget::{Budget, Share};
use super::health::Keyed;
use super::seen::{Load, Seen, Standing};
use super::{Keys, Target};

/// Where this process draws the lines. Envoy's outlier detection is the model of most: five failures
/// in a row, an ejection that grows with each in a row, and no ejection of the last host. LiteLLM's
/// cool-down (one 429 or more than half of a minute's calls, for a fixed 5 s, without a trial after
/// it) is what this is not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rules {
    /// Evidence that ejects, in tenths of a nat. A failure adds 39 and a success takes 7: the
    /// log-likelihood ratios of half of the calls failing against one in a hundred (Page's
    /// cumulative sum, 1954). 200 is six failures in a row, about 13 calls of which half fail, and
    /// once in more than 10^8 calls of which one in 200 fails.
    pub blame: u32,
    /// The first ejection; each one in a row lasts twice as long.
    pub eject: Duration,
    /// The longest ejection. Health derived from the log has the long ones.
    pub eject_most: Duration,
    /// A refused credential is left alone for so long.
    pub refused: Duration,
    /// A rate limit that does not say how long it lasts.
    pub limited: Duration,
    /// The longest that is believed of one that does.
    pub limited_most: Duration,
    /// After an ejection, and in silence, one call in this time is a trial, until one is answered. A trial
    /// may hang, so it is not for every second.
    pub trial: Duration,
    /// From the first answer after an ejection, weight comes back in so long (Envoy's slow start).
    pub slow_start: Duration,
    /// So many calls without an answer, the oldest older than [`silent`](Self::silent) and than
    /// three times the target's latency, eject.
    pub unanswered: u32,
    /// See [`unanswered`](Self::unanswered).
    pub silent: Duration,
    /// The time in which a latency that was seen counts for less by e (Finagle's peak-EWMA: 10 s).
    pub latency: Duration,
    /// After so long in health former ejections are forgiven.
    pub forgive: Duration,
    /// Second tries at the same target, as a share of its calls (Finagle: 20 %).
    pub repeats: Share,
    /// Calls that go on to a target that takes none as far as this process sees, as a share of all; ten a
    /// second are there however few calls there are. To a target that takes calls they go on freely.
    pub moves: Share,
}

impl Default for Rules {
    fn default() -> Self {
        const fn secs(secs: u64) -> Duration {
            Duration::from_secs(secs)
        }
        Self {
            blame: 200,
            eject: secs(1),
            eject_most: secs(3),
            refused: secs(10),
            limited: secs(1),
            limited_most: secs(60),
            trial: secs(3),
            slow_start: secs(4),
            unanswered: 8,
            silent: Duration::from_millis(700),
            latency: secs(10),
            forgive: secs(60),
            repeats: Share { percent: 20, floor: 3 },
            moves: Share { percent: 20, floor: 100 },
        }
    }
}

/// A subject without calls for so long is forgotten, microseconds.
const FORGET: i64 = 600 * 1_000_000;

/// All that this process sees.
#[derive(Debug, Default)]
pub struct Local {
    rules: Rules,
    seen: ArcSwap<Keyed<Arc<Seen>>>,
    /// Calls, and those that went on to targets that are not well.
    moves: Budget,
}

/// It as it is now, for one plan.
#[derive(Debug)]
pub struct View<'a> {
    pub(super) rules: &'a Rules,
    seen: Guard<Arc<Keyed<Arc<Seen>>>>,
}

/// An attempt that runs. Dropped without [`ended`](Self::ended), it says nothing of its target.
#[derive(Debug)]
pub struct Flight {
    rules: Rules,
    target: Arc<Seen>,
    credential: Arc<Seen>,
    stream: bool,
    began: Micros,
    answered: bool,
    /// Something is known of how it went.
    told: bool,
}

impl Local {
    /// Nothing seen yet.
    pub fn new(rules: Rules) -> Self {
        Self { rules, ..Self::default() }
    }

    /// Its rules.
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// What is seen now.
    pub fn view(&self) -> View<'_> {
        View { rules: &self.rules, seen: self.seen.load() }
    }

    /// An attempt at the target begins. A stream is answered by its first content.
    pub fn begin(&self, target: &Target, keys: Keys, stream: bool, now: Micros) -> Flight {
        let seen = self.subject(keys.target, &target.subject, now);
        let credential = self.subject(keys.credential, &target.credential_subject, now);
        for seen in [&seen, &credential] {
            seen.begin(&self.rules, stream, now);
        }
        let (rules, answered, told) = (self.rules, false, false);
        Flight { rules, target: seen, credential, stream, began: now, answered, told }
    }

    /// Whether the target may be asked a second time for the same call; it counts as done then.
    pub fn may_repeat(&self, target: &Target, keys: Keys, now: Micros) -> bool {
        self.subject(keys.target, &target.subject, now).repeats.spend(self.rules.repeats, now)
    }

    /// A call begins.
    pub(super) fn called(&self, now: Micros) {
        self.moves.earn(now);
    }

    /// Whether a call may go on to a target that is not well; it counts as done then.
    pub(super) fn may_move(&self, now: Micros) -> bool {
        self.moves.spend(self.rules.moves, now)
    }

    fn subject(&self, key: u64, subject: &SubjectId, now: Micros) -> Arc<Seen> {
        if let Some(seen) = self.seen.load().get(&key) {
            return Arc::clone(seen);
        }
        let fresh = Arc::new(Seen::new(subject.clone(), now));
        self.seen.rcu(|all| {
            let idle = |seen: &Seen| seen.is_idle(now, FORGET);
            let kept = all.iter().filter(|(_, seen)| !idle(seen));
            let mut all: Keyed<Arc<Seen>> =
                kept.map(|(key, seen)| (*key, Arc::clone(seen))).collect();
            all.entry(key).or_insert_with(|| Arc::clone(&fresh));
            all
        });
        self.seen.load().get(&key).map_or(fresh, Arc::clone)
    }
}

impl View<'_> {
    pub(super) fn in_flight(&self, key: u64) -> u32 {
        self.seen.get(&key).map_or(0, |seen| seen.in_flight())
    }

    pub(super) fn standing(&self, key: u64, now: Micros) -> Option<Standing> {
        Some(self.seen.get(&key)?.standing(self.rules, now))
    }

    pub(super) fn at(&self, key: u64, now: Micros) -> Option<Load> {
        Some(self.seen.get(&key)?.load(self.rules, now))
    }

    /// All subjects, in no order.
    pub fn all(&self, now: Micros) -> impl Iterator<Item = (&SubjectId, Load)> {
        self.seen.values().map(move |seen| (&seen.subject, seen.load(self.rules, now)))
    }
}

impl Flight {
    /// The first content, or a whole answer, came.
    pub fn answered(&mut self, now: Micros) {
        self.told = true;
        if !std::mem::replace(&mut self.answered, true) {
            for seen in [&self.target, &self.credential] {
                seen.answered(&self.rules, self.stream, self.began, now);
            }
        }
    }

    /// It ended so; [`AttemptError::None`] is an answer.
    pub fn ended(mut self, error: AttemptError, wait: Option<Duration>, now: Micros) {
        use AttemptError as A;
        let (rules, began) = (self.rules, self.began);
        let rules = &rules;
        match error {
            A::None => self.answered(now),
            A::Connect => {
                self.target.failed(rules, error, began, now);
                self.credential.failed(rules, error, began, now);
            }
            A::FirstByteTimeout
            | A::IdleTimeout
            | A::TotalTimeout
            | A::Broken
            | A::Overload
            | A::Server
            | A::Malformed
            | A::NotFound => self.target.failed(rules, error, began, now),
            A::Auth | A::Credit => self.credential.refused(rules, error, now),
            A::RateLimit => self.target.limited(rules, wait, now),
            // it says nothing against them
            A::Caller | A::ContentPolicy | A::Cancelled | A::Other => {}
        }
        match error {
            A::Cancelled | A::Other => {}
            // nothing was heard, and so it still is
            A::Connect | A::FirstByteTimeout | A::IdleTimeout | A::TotalTimeout => self.told = true,
            _ => {
                self.told = true;
                for seen in [&self.target, &self.credential] {
                    seen.pace(self.stream).heard();
                }
            }
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        for seen in [&self.target, &self.credential] {
            seen.end();
            if !self.told {
                seen.pace(self.stream).given_up();
            }
        }
    }
}
