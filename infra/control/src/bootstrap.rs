//! What must be there before anything can be configured: the secret that keys are hashed with, an
//! owner, and a token for them.

use std::path::{Path, PathBuf};

use rand::TryRngCore as _;
use rand::rngs::OsRng;
use runtime::secret::{self, Secret, read_0600, write_new_0600};
use serde_json::json;
use zeroize::Zeroizing;

use crate::compile::DEFAULT;
use crate::entity::Kind;
use crate::key::{mint, to_hex};
use crate::plane::{Command, KEY_HASH, Plane, Who, key_hash_subject};
use crate::role::Role;
use crate::state::Outcome;
use crate::vault;

/// The first owner, and their token.
pub const OWNER: &str = "owner";

/// Why the hub can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The secret that keys are hashed with does not open: nothing is changed.
    #[error("the hub's own secret can't be opened, and nothing was changed: {0}")]
    Master(String),
    /// The token's file can't be made.
    #[error(transparent)]
    File(#[from] secret::Error),
    /// A secret can't be sealed.
    #[error(transparent)]
    Vault(#[from] vault::Error),
    /// A command did not come through.
    #[error(transparent)]
    Command(#[from] crate::plane::Error),
}

fn who() -> Who {
    Who { actor: "hub".into(), ..Who::default() }
}

fn create(kind: Kind, id: &str, body: serde_json::Value) -> Command {
    let reason = Some("first start".to_owned());
    Command { kind, id: id.to_owned(), expected: Some(0), body: Some(body), reason }
}

/// Makes what is missing; of several nodes that start at once, one makes it. The plane must be
/// followed already.
///
/// # Errors
/// [`Error`].
pub async fn bootstrap(plane: &Plane, owner_token: &Path) -> Result<(), Error> {
    key_hash(plane).await?;
    let missing = |kind, id| plane.state().known(kind, id).is_none();
    let mut commands = Vec::new();
    for (kind, id, body) in [
        (Kind::Organisation, DEFAULT, json!({})),
        (Kind::Account, DEFAULT, json!({})),
        (Kind::Project, DEFAULT, json!({})),
        (Kind::User, OWNER, json!({"title": "Owner"})),
        (Kind::Binding, OWNER, json!({"user": OWNER, "role": Role::Owner})),
    ] {
        if missing(kind, id) {
            commands.push(create(kind, id, body));
        }
    }
    if !commands.is_empty() {
        plane.submit(commands, &who()).await?;
    }
    if missing(Kind::Key, OWNER) {
        let (token, made) = owner_secret(owner_token)?;
        let hash = to_hex(&plane.key_hash().of(token.expose().as_bytes()));
        let body = owner_key(&hash);
        let done = plane.submit(vec![create(Kind::Key, OWNER, body)], &who()).await?;
        let ours = done.iter().all(|it| matches!(it.outcome, Outcome::Applied(_)));
        if made && !ours {
            // another node was first, and has the token
            std::fs::remove_file(owner_token).map_err(|source| secret::Error::File {
                path: PathBuf::from(owner_token),
                source,
            })?;
        }
    }
    Ok(())
}

/// A new token for the owner, in place of the one that was lost.
///
/// # Errors
/// [`Error`].
pub async fn new_owner_token(plane: &Plane, path: &Path) -> Result<(), Error> {
    if path.exists() {
        std::fs::remove_file(path)
            .map_err(|source| secret::Error::File { path: path.to_owned(), source })?;
    }
    let (token, _) = owner_secret(path)?;
    let hash = to_hex(&plane.key_hash().of(token.expose().as_bytes()));
    let reason = Some("a new owner token".to_owned());
    let command = Command {
        kind: Kind::Key,
        id: OWNER.into(),
        expected: None,
        body: Some(owner_key(&hash)),
        reason,
    };
    plane.submit(vec![command], &who()).await?;
    Ok(())
}

fn owner_key(hash: &str) -> serde_json::Value {
    json!({
        "title": "Owner token",
        "hash": hash,
        "user": OWNER,
        "scopes": {"admin": Role::Owner},
    })
}

fn owner_secret(path: &Path) -> Result<(Secret, bool), secret::Error> {
    match read_0600(path) {
        Err(secret::Error::File { source, .. })
            if source.kind() == std::io::ErrorKind::NotFound => {}
        known => return known.map(|secret| (secret, false)),
    }
    let token = mint(OWNER)?;
    let text = Zeroizing::new(format!("{}\n", token.expose()));
    write_new_0600(path, text.as_bytes())?;
    Ok((token, true))
}

/// The secret that keys are hashed with.
async fn key_hash(plane: &Plane) -> Result<(), Error> {
    if plane.state().known(Kind::Secret, KEY_HASH).is_none() {
        let mut bytes = Zeroizing::new([0; 32]);
        OsRng.try_fill_bytes(&mut *bytes).map_err(|_| vault::Error::Random)?;
        let secret = Secret::from(to_hex(&bytes));
        let sealed = plane.vault().seal(&key_hash_subject(), &secret).await?;
        let body = serde_json::to_value(sealed).map_err(|error| {
            crate::plane::Error::from(crate::entity::Misfit::new("", error.to_string()))
        })?;
        // a conflict means that another node was first: theirs counts
        plane.submit(vec![create(Kind::Secret, KEY_HASH, body)], &who()).await?;
    }
    plane.opened(&key_hash_subject()).map(drop).map_err(Error::Master)
}
