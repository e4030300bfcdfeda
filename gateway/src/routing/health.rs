//! Health as derived from the log, as the router looks at it.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use runtime::clock::Micros;
use schemas::event::{Health, HealthState};
use schemas::ids::SubjectId;
use sha2::{Digest as _, Sha256};

/// How well a subject is, as derived from the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Condition {
    /// The state.
    pub state: HealthState,
    /// Until when it holds.
    pub until: Option<Micros>,
    /// Since when it holds.
    pub since: Micros,
    /// 0 to 100.
    pub score: i32,
    /// Why it is not healthy, or was not; empty when there is nothing to tell.
    pub reason: Arc<str>,
    /// Ejections in a row, not yet forgiven.
    pub ejections: i32,
    /// Time to the first content, microseconds; 0 when not known.
    pub latency_us: i64,
}

impl Condition {
    /// A state that nothing else is known of.
    pub fn of(state: HealthState, until: Option<Micros>) -> Self {
        let (since, reason) = (Micros(0), Arc::from(""));
        Self { state, until, since, score: 100, reason, ejections: 0, latency_us: 0 }
    }
}

impl From<&Health> for Condition {
    fn from(health: &Health) -> Self {
        Self {
            state: health.state,
            until: health.until.map(Micros),
            since: Micros(health.since),
            score: health.score,
            reason: health.reason.as_str().into(),
            ejections: health.ejections,
            latency_us: health.latency_us,
        }
    }
}

/// A number for a subject: the same in every process. Callers choose names of models, so it is one
/// that nobody can aim at another subject's.
pub fn key(subject: &SubjectId) -> u64 {
    let digest = Sha256::digest(subject.as_str().as_bytes());
    digest.first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
}

/// A map by [`key`], which is spread well enough as it is.
pub(super) type Keyed<T> = HashMap<u64, T, BuildHasherDefault<AsItIs>>;

/// Hashes a number to itself.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

/// Health of targets and credentials; what is not in it is healthy.
#[derive(Clone, Debug, Default)]
pub struct HealthMap {
    all: Keyed<(SubjectId, Condition)>,
    /// What is not simply healthy, as small as it can be: plans look up hundreds.
    hot: Keyed<Hot>,
}

/// What a plan looks at of a condition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hot {
    pub(super) state: HealthState,
    /// `i64::MAX` for no time.
    pub(super) until: i64,
    /// Since when it is healthy again, if it was ejected before.
    pub(super) recovered: i64,
}

impl Hot {
    fn of(condition: &Condition) -> Option<Self> {
        let healthy = matches!(condition.state, HealthState::Healthy | HealthState::Other);
        let recovering = healthy && condition.ejections > 0;
        (!healthy || recovering).then(|| Self {
            state: condition.state,
            until: condition.until.map_or(i64::MAX, |until| until.0),
            recovered: if recovering { condition.since.0 } else { i64::MIN },
        })
    }
}

impl HealthMap {
    /// How a subject is; `None` when nothing is known of it.
    pub fn get(&self, subject: &SubjectId) -> Option<&Condition> {
        self.at(key(subject))
    }

    pub(super) fn at(&self, key: u64) -> Option<&Condition> {
        self.all.get(&key).map(|(_, condition)| condition)
    }

    pub(super) fn hot(&self, key: u64) -> Option<&Hot> {
        self.hot.get(&key)
    }

    /// Says how a subject is.
    pub fn insert(&mut self, subject: SubjectId, condition: Condition) {
        let key = key(&subject);
        match Hot::of(&condition) {
            Some(hot) => self.hot.insert(key, hot),
            None => self.hot.remove(&key),
        };
        self.all.insert(key, (subject, condition));
    }

    /// Forgets a subject.
    pub fn remove(&mut self, subject: &SubjectId) {
        let key = key(subject);
        self.all.remove(&key);
        self.hot.remove(&key);
    }

    /// All that is known, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&SubjectId, &Condition)> {
        self.all.values().map(|(subject, condition)| (subject, condition))
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

impl FromIterator<(SubjectId, Condition)> for HealthMap {
    fn from_iter<I: IntoIterator<Item = (SubjectId, Condition)>>(all: I) -> Self {
        let mut map = Self::default();
        all.into_iter().for_each(|(subject, condition)| map.insert(subject, condition));
        map
    }
}
