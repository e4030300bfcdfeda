//! Which targets serve a call, in which order. Pure.

mod plan;

use std::sync::Arc;

pub use plan::{Condition, HealthMap, plan};
use schemas::ids::{
    CredentialId, ModelId, ProviderId, SubjectId, credential_subject, target_subject,
};

use crate::providers::{Auth, Endpoint};

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

/// The targets of a call, best first; never empty.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Best first.
    pub targets: Vec<Arc<Target>>,
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
