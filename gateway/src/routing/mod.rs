//! Which targets serve a call, in which order, and what comes after a failure. Pure: time, chance
//! and what this process has seen are passed in.
//!
//! ```text
//! Wanted ─ resolve ─► levels of candidates ─ filter, rank ─► Plan ─ Course ─► target, wait, or stop
//!            │                                  │                     │
//!         Snapshot                  HealthMap, local::View     Budget, local::Rules
//! ```

mod budget;
mod course;
mod explain;
mod health;
pub mod local;
mod mix;
mod pace;
mod plan;
mod rank;
mod resolve;
mod route;
mod seen;
mod wanted;

use std::sync::Arc;

pub use budget::{Budget, Share};
pub use course::{Course, SoFar, Step, Then, step};
pub use explain::{Considered, Explained, explain};
pub use health::{Condition, HealthMap, key};
pub use local::{Flight, Local};
pub use plan::{MAX_TARGETS, plan};
pub use route::{Known, Only, Route, RouteTarget, Strategy, Terms};
use schemas::ids::{
    CredentialId, ModelId, ProviderId, SubjectId, credential_subject, target_subject,
};
pub use seen::{Load, Standing};
pub use wanted::{Needs, Wanted};

use crate::providers::{Auth, Endpoint};

/// A hash of some texts, the same in every process: what begins alike shall go to the same target.
pub(crate) fn hash(texts: &[&[u8]]) -> u64 {
    texts.iter().fold(0, |sum, text| mix::mix(sum, mix::of_bytes(text)))
}

/// A model behind a credential of a provider.
#[derive(Clone, Debug)]
pub struct Target {
    /// The provider and how it is reached.
    pub endpoint: Arc<Endpoint>,
    /// The provider.
    pub provider: ProviderId,
    /// Its credential.
    pub credential: CredentialId,
    /// Version of the credential.
    pub credential_version: u32,
    /// The secret, ready to be shown.
    pub auth: Auth,
    /// Model as the provider is asked for it.
    pub model: ModelId,
    /// Health subject of the target.
    pub subject: SubjectId,
    /// Health subject of its credential; also the key of its attempts.
    pub credential_subject: SubjectId,
}

/// The subjects of a target as numbers, see [`key`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Keys {
    /// Of the target.
    pub target: u64,
    /// Of its credential.
    pub credential: u64,
}

impl Keys {
    /// Of this target.
    pub fn of(target: &Target) -> Self {
        Self { target: key(&target.subject), credential: key(&target.credential_subject) }
    }
}

/// A target of a plan.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The target.
    pub target: Arc<Target>,
    /// Its subjects.
    pub keys: Keys,
    /// The most input tokens that its model takes, where that is known.
    pub context: Option<i64>,
}

/// The targets of a call, best first; never empty.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Best first.
    pub targets: Vec<Planned>,
    /// Why the first is the first.
    pub why: Why,
}

/// Why a target is the first of its plan.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    /// It is the only one.
    Only,
    /// By the route's strategy.
    Strategy(Strategy),
    /// It is one of those that the caller named.
    Pin,
    /// The call is one of the share that tries it.
    Canary,
    /// Targets before it are not well.
    Failover,
    /// None is well.
    LastResort,
}

impl Why {
    /// Its name, in `x-hub-route`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Only => "only",
            Self::Strategy(strategy) => strategy.as_str(),
            Self::Pin => "pin",
            Self::Canary => "canary",
            Self::Failover => "failover",
            Self::LastResort => "last_resort",
        }
    }
}

impl Planned {
    /// A target of whose model nothing is known.
    pub fn of(target: Arc<Target>) -> Self {
        Self { keys: Keys::of(&target), target, context: None }
    }
}

impl Plan {
    /// These targets, in this order.
    pub fn of(targets: impl IntoIterator<Item = Arc<Target>>) -> Self {
        let targets: Vec<_> = targets.into_iter().map(Planned::of).collect();
        Self { targets, why: Why::Only }
    }
}

impl Target {
    /// A model behind a credential of the endpoint's provider.
    pub fn new(
        endpoint: Arc<Endpoint>,
        credential: CredentialId,
        credential_version: u32,
        auth: Auth,
        model: ModelId,
    ) -> Self {
        let provider = endpoint.id.clone();
        Self {
            subject: target_subject(&provider, &credential, credential_version, &model),
            credential_subject: credential_subject(&provider, &credential, credential_version),
            endpoint,
            provider,
            credential,
            credential_version,
            auth,
            model,
        }
    }

    /// The same credential, asked for another model.
    #[must_use]
    pub fn with_model(&self, model: &ModelId) -> Self {
        let subject =
            target_subject(&self.provider, &self.credential, self.credential_version, model);
        Self { model: model.clone(), subject, ..self.clone() }
    }
}
