//! What turns counts into a state.

use std::time::Duration;

use runtime::config::Time;
use schemas::event::AttemptError;
use serde::{Deserialize, Serialize};

/// The rules of the fold. A replay gives the same result only under the same rules.
///
/// The defaults were found with the simulator of `tests/sim`, which shows what they do; where one
/// was taken from elsewhere, or differs from what is usual, the field says so.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Thresholds {
    /// Length of one slice of the window.
    pub slice: Time,
    /// Slices in the window. Ten of one second: the interval of Envoy's outlier detection is 10 s.
    pub slices: u32,
    /// Good attempts that every window is thought to have when it is scored, so that one failure is
    /// not 0 of 100.
    pub prior: i64,
    /// Degraded when the upper bound of the share that goes well is below this, per 10,000: when it
    /// is as good as sure that less goes well.
    pub degraded_below: i32,
    /// What a failure adds to the evidence of trouble, in thousandths: `1000 ln(0.5 / 0.02)`, for a
    /// target of which half fails against one of which 2 % do.
    pub evidence_bad: i64,
    /// What an attempt that went well takes off it: `-1000 ln(0.5 / 0.98)`.
    pub evidence_good: i64,
    /// So much evidence ejects. Four failures in a row have it (Envoy's `consecutive_5xx` is 5), or
    /// about ten attempts of which half fail; where 0.5 % fail, it is reached once in some 10⁸
    /// attempts.
    pub eject_evidence: i64,
    /// How long the first ejection lasts; each one in a row lasts twice as long. Envoy's
    /// `base_ejection_time` is 30 s, but ends in full traffic; here in a single trial.
    pub eject: Time,
    /// The longest ejection. It bounds how late a repair is noticed, where Envoy's
    /// `max_ejection_time` of 300 s would leave a target out for minutes after it works again.
    pub eject_most: Time,
    /// The shortest and longest time that is believed of a provider which names its reset.
    pub limited: Between,
    /// How long a credential that was refused, or has no money, is left alone: the shortest time,
    /// twice as long with each refusal in a row, up to the longest.
    pub refused: Between,
    /// So many attempts in a row must go well before a target that was out is healthy again. One: the
    /// router gives its weight back by and by, and half of the evidence stays.
    pub recover: i32,
    /// After so long in health, former ejections are forgiven.
    pub forgive: Time,
    /// After so long without attempts a subject is forgotten.
    pub forget: Time,
    /// Time between ticks while a state depends on time.
    pub tick: Time,
}

/// A shortest and a longest time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Between {
    /// The shortest.
    pub least: Time,
    /// The longest.
    pub most: Time,
}

const fn secs(secs: u64) -> Time {
    Time(Duration::from_secs(secs))
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            slice: secs(1),
            slices: 10,
            prior: 4,
            degraded_below: 9_000,
            evidence_bad: 3_219,
            evidence_good: 673,
            eject_evidence: 12_800,
            eject: secs(1),
            eject_most: secs(3),
            limited: Between { least: secs(1), most: secs(5 * 60) },
            refused: Between { least: secs(5), most: secs(60) },
            recover: 1,
            forgive: secs(60),
            forget: secs(60 * 60),
            tick: secs(1),
        }
    }
}

impl Thresholds {
    /// What the types of the fields alone do not say.
    ///
    /// # Errors
    /// Names the field and what would be right.
    pub fn check(&self) -> Result<(), String> {
        let positive = [
            ("slice", self.slice.0 > Duration::ZERO),
            ("slices", (1..=100).contains(&self.slices)),
            ("tick", self.tick.0 >= Duration::from_millis(100)),
            ("evidence_bad", self.evidence_bad > 0),
            ("evidence_good", self.evidence_good > 0),
            ("eject_evidence", self.eject_evidence > 0),
            ("recover", self.recover > 0),
        ];
        if let Some((field, _)) = positive.iter().find(|(_, right)| !right) {
            return Err(format!(
                "health.{field} is out of range: slices is 1 to 100, tick 100ms or more, the others more than nothing"
            ));
        }
        let between = [
            ("eject must not be longer than health.eject_most", self.eject, self.eject_most),
            (
                "limited.least must not be longer than its most",
                self.limited.least,
                self.limited.most,
            ),
            (
                "refused.least must not be longer than its most",
                self.refused.least,
                self.refused.most,
            ),
        ];
        match between.iter().find(|(_, least, most)| least > most) {
            Some((what, ..)) => Err(format!("health.{what}")),
            None => Ok(()),
        }
    }

    /// Length of the window, microseconds.
    pub(super) fn window(&self) -> i64 {
        micros(self.slice.0).saturating_mul(i64::from(self.slices))
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

/// Whether an attempt says anything at all: not when the client left, or it is of a newer hub.
pub(super) const fn tells(error: AttemptError) -> bool {
    !matches!(error, AttemptError::Cancelled | AttemptError::Other)
}
