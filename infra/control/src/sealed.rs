//! What of the configuration is sealed, and what each secret is of.

use crate::compile::{signing_subject, subject_of};
use crate::entity::{Body, Held, Kind};
use crate::intake::webhook_subject;
use crate::state::State;
use crate::vault::{Sealed, Subject};

/// The secret that keys are hashed with.
pub const KEY_HASH: &str = "key-hash";
/// The secret that sessions are signed with.
pub const SESSION_KEY: &str = "session-key";

/// What a secret of the hub's own is of.
pub fn own_subject(name: &str) -> Subject {
    Subject::new(format!("{}/{name}", Kind::Secret), 1)
}

/// Everything that is sealed, and what it is of.
pub fn sealed(state: &State) -> Vec<(Subject, Sealed)> {
    let mut all = Vec::new();
    for (id, body) in state.bodies(Kind::Secret) {
        if let Body::Secret(sealed) = body {
            all.push((own_subject(id), (**sealed).clone()));
        }
    }
    for (id, body) in state.bodies(Kind::Credential) {
        if let Body::Credential(credential) = body
            && let Held::Sealed(sealed) = &credential.secret
        {
            all.push((subject_of(id, credential.secret_version), sealed.clone()));
        }
    }
    for (id, body) in state.bodies(Kind::Key) {
        if let Body::Key(key) = body
            && let Some(Held::Sealed(sealed)) = key.aws.as_ref().map(|aws| &aws.secret)
        {
            all.push((signing_subject(id), sealed.clone()));
        }
    }
    for (id, body) in state.bodies(Kind::Webhook) {
        if let Body::Webhook(webhook) = body
            && let Some(Held::Sealed(sealed)) = &webhook.secret
        {
            all.push((webhook_subject(id), sealed.clone()));
        }
    }
    all
}
