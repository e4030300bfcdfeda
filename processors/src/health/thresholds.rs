//! What turns counts into a state.

use std::time::Duration;

use schemas::event::AttemptError;

/// The rules of the fold. A replay gives the same result only under the same rules.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Thresholds {
    /// Length of one slice of the window.
    pub slice: Duration,
    /// Slices in the window.
    pub slices: u32,
    /// Good attempts that every window is thought to have, so that one failure is not 0 of 100.
    pub prior: i64,
    /// A score below this is degraded.
    pub degraded_below: i32,
    /// So many failures in a row eject.
    pub eject_consecutive: i32,
    /// With so many attempts in the window or more …
    pub eject_attempts: i64,
    /// … so many percent of failures eject.
    pub eject_percent: i64,
    /// How long the first ejection lasts; each one in a row lasts twice as long.
    pub eject: Duration,
    /// The longest ejection.
    pub eject_most: Duration,
    /// How long a rate limit ejects when the provider does not say.
    pub limited: Duration,
    /// The shortest and longest time that is believed of a provider.
    pub limited_between: (Duration, Duration),
    /// How long a refused credential is left alone.
    pub auth: Duration,
    /// How long a credential without money is left alone.
    pub credit: Duration,
    /// After so long in health, former ejections are forgiven.
    pub forgive: Duration,
    /// After so long without attempts a subject is forgotten.
    pub forget: Duration,
    /// Time between ticks while something depends on time.
    pub tick: Duration,
}

impl Default for Thresholds {
    fn default() -> Self {
        const fn secs(secs: u64) -> Duration {
            Duration::from_secs(secs)
        }
        Self {
            slice: secs(6),
            slices: 10,
            prior: 4,
            degraded_below: 80,
            eject_consecutive: 5,
            eject_attempts: 10,
            eject_percent: 50,
            eject: secs(10),
            eject_most: secs(5 * 60),
            limited: secs(5),
            limited_between: (secs(1), secs(5 * 60)),
            auth: secs(10 * 60),
            credit: secs(5 * 60),
            forgive: secs(10 * 60),
            forget: secs(60 * 60),
            tick: secs(5),
        }
    }
}

impl Thresholds {
    /// Length of the window, microseconds.
    pub(super) fn window(&self) -> i64 {
        micros(self.slice).saturating_mul(i64::from(self.slices))
    }
}

/// A duration in microseconds.
pub(super) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// What an attempt means for a subject.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Impact {
    /// It is well.
    Good,
    /// It failed.
    Bad,
    /// It is well, but wants to be left alone.
    Limited,
    /// It will not work until somebody acts.
    Refused,
    /// Nothing.
    Nothing,
}

/// What an attempt means for its target and for its credential. What the caller or the content is
/// to blame for hurts neither; a bad key is no fault of the model behind it, and one model's
/// failure none of the key.
pub(super) const fn impact(error: AttemptError) -> (Impact, Impact) {
    use Impact::{Bad, Good, Limited, Nothing, Refused};
    match error {
        AttemptError::None => (Good, Good),
        AttemptError::Connect => (Bad, Bad),
        AttemptError::FirstByteTimeout
        | AttemptError::IdleTimeout
        | AttemptError::TotalTimeout
        | AttemptError::Broken
        | AttemptError::Overload
        | AttemptError::Server
        | AttemptError::Malformed
        | AttemptError::NotFound => (Bad, Nothing),
        AttemptError::Auth | AttemptError::Credit => (Nothing, Refused),
        AttemptError::RateLimit => (Limited, Nothing),
        AttemptError::ContentPolicy
        | AttemptError::Caller
        | AttemptError::Cancelled
        | AttemptError::Other => (Nothing, Nothing),
    }
}
