//! What must be there before anything can be configured: the hub's own secrets, an owner, a token
//! and a sign-in link for them.

use std::path::{Path, PathBuf};

use rand::TryRngCore as _;
use rand::rngs::OsRng;
use runtime::clock::Micros;
use runtime::secret::{self, Secret, read_0600, write_new_0600};
use serde_json::json;
use zeroize::Zeroizing;

use crate::compile::DEFAULT;
use crate::entity::{Body, Kind, User};
use crate::key::{mint, to_hex};
use crate::link;
use crate::plane::{Command, Plane, Who};
use crate::role::Role;
use crate::sealed::{KEY_HASH, SESSION_KEY, own_subject};
use crate::state::Outcome;
use crate::vault;

/// The first owner, and their token.
pub const OWNER: &str = "owner";

/// Why the hub can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A secret of the hub's own does not open: nothing is changed.
    #[error("the hub's own secret can't be opened, and nothing was changed: {0}")]
    Master(String),
    /// The token's file can't be made, or the system gives no random numbers.
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
/// followed already. Returns the owner's sign-in link, if the owner was made now and here.
///
/// # Errors
/// [`Error`].
pub async fn bootstrap(
    plane: &Plane,
    owner_token: &Path,
    now: Micros,
) -> Result<Option<Secret>, Error> {
    for name in [KEY_HASH, SESSION_KEY] {
        own_secret(plane, name).await?;
    }
    let missing = |kind, id| plane.state().known(kind, id).is_none();
    let (shown, link) = link::mint(OWNER, &plane.key_hash(), now)?;
    let mut commands = Vec::new();
    for (kind, id, body) in [
        (Kind::Organisation, DEFAULT, json!({})),
        (Kind::Account, DEFAULT, json!({})),
        (Kind::Project, DEFAULT, json!({})),
        (Kind::User, OWNER, json!({"title": "Owner", "link": link})),
        (Kind::Binding, OWNER, json!({"user": OWNER, "role": Role::Owner})),
    ] {
        if missing(kind, id) {
            commands.push(create(kind, id, body));
        }
    }
    let mut given = None;
    if !commands.is_empty() {
        let at = commands.iter().position(|command| command.kind == Kind::User);
        let done = plane.submit(commands, &who()).await?;
        let made = at.and_then(|at| done.get(at)).map(|it| it.outcome);
        given = matches!(made, Some(Outcome::Applied(_))).then_some(shown);
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
    Ok(given)
}

/// A new token and a new sign-in link for the owner, in place of those that were lost; an owner who
/// is disabled, deleted or no owner any more is one again. For who has the hub's data at hand.
///
/// # Errors
/// [`Error`].
pub async fn restore_owner(plane: &Plane, path: &Path, now: Micros) -> Result<Secret, Error> {
    if path.exists() {
        std::fs::remove_file(path)
            .map_err(|source| secret::Error::File { path: path.to_owned(), source })?;
    }
    let (token, _) = owner_secret(path)?;
    let hash = to_hex(&plane.key_hash().of(token.expose().as_bytes()));
    let (shown, link) = link::mint(OWNER, &plane.key_hash(), now)?;
    let mut user = match plane.state().get(Kind::User, OWNER).and_then(|it| it.body.clone()) {
        Some(Body::User(user)) => *user,
        _ => {
            let next = plane.state().version(Kind::User.as_str(), OWNER).saturating_add(1);
            User { title: "Owner".into(), sessions_from: next, ..User::default() }
        }
    };
    user.disabled = false;
    user.link = Some(link);
    let user = Body::User(Box::new(user)).to_json();
    let user = user.map_err(|error| misfit(error.to_string()))?;
    let command = |kind, body| Command {
        kind,
        id: OWNER.into(),
        expected: None,
        body: Some(body),
        reason: Some("a new owner token and sign-in link".into()),
    };
    let commands = vec![
        command(Kind::User, user),
        command(Kind::Binding, json!({"user": OWNER, "role": Role::Owner})),
        command(Kind::Key, owner_key(&hash)),
    ];
    plane.submit(commands, &who()).await?;
    Ok(shown)
}

fn misfit(why: String) -> crate::plane::Error {
    crate::entity::Misfit::new("", why).into()
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

/// A secret of the hub's own.
async fn own_secret(plane: &Plane, name: &str) -> Result<(), Error> {
    let subject = own_subject(name);
    if plane.state().known(Kind::Secret, name).is_none() {
        let mut bytes = Zeroizing::new([0; 32]);
        OsRng.try_fill_bytes(&mut *bytes).map_err(|_| vault::Error::Random)?;
        let secret = Secret::from(to_hex(&bytes));
        let sealed = plane.vault().seal(&subject, &secret).await?;
        let body = serde_json::to_value(sealed).map_err(|error| misfit(error.to_string()))?;
        // a conflict means that another node was first: theirs counts
        plane.submit(vec![create(Kind::Secret, name, body)], &who()).await?;
    }
    plane.opened(&subject).map(drop).map_err(Error::Master)
}
