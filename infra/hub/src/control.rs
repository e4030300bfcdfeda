//! The control plane of a gateway: opened, followed, set up and seeded before the first call.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use control::audit::{self, Entry, Trail};
use control::bootstrap::{self, OWNER, bootstrap};
use control::compile::Surroundings;
use control::entity::Kind;
use control::plane::{self, Options, Plane};
use control::seed;
use control::vault::{MasterFile, Vault};
use gateway::config::Seed;
use runtime::secret::{Secret, SecretRef};
use runtime::task::{CancellationToken, spawn};

use crate::config::{Config, Environment};
use crate::secrets::Secrets;
use crate::serve::Shared;

/// What seals and opens secrets: the master key of the settings, else that of the data folder, which
/// is made when there is none.
///
/// # Errors
/// The key is none, can't be had, or others may read its file.
pub(crate) fn vault(config: &Config, environment: &Environment) -> anyhow::Result<Vault> {
    let master = match &config.master_key {
        // read anew when it changes
        Some(SecretRef::File(path)) => MasterFile::read(path).context("master_key")?,
        Some(reference) => {
            let secret = reference.resolve(|name| environment.get(name).cloned());
            let secret = secret.context("master_key")?;
            MasterFile::parse("master_key", secret.expose())?
        }
        None => {
            let path = Secrets::new(&config.data).master_key_path()?;
            let (master, made) = MasterFile::open(&path).context("the master key")?;
            if made {
                tracing::info!(path = %path.display(), "made a master key: keep a copy of it apart from the data, \
                    without it the secrets of providers are lost");
            }
            master
        }
    };
    Ok(Vault::new(Arc::new(master)))
}

/// A control plane that is followed until `token` is cancelled, and the owner's sign-in link if the owner was made now.
/// Where this process is `whole`, its settings are the only ones.
///
/// # Errors
/// The log is away, the master key is another, or the seed can't be applied.
pub(crate) async fn start(
    shared: &Shared,
    vault: &Vault,
    local: &Surroundings,
    seed: &Seed,
    whole: bool,
    token: &CancellationToken,
) -> anyhow::Result<(Arc<Plane>, Option<Secret>)> {
    let options = Options {
        log: Arc::clone(&shared.log),
        codec: shared.codec.clone(),
        vault: vault.clone(),
        local: local.clone(),
        checkpoint: Some(shared.config.data.join("control.checkpoint")),
        metrics: shared.metrics.clone(),
    };
    let plane = Plane::open(options).await.map_err(of_log)?;
    let follow = token.child_token();
    spawn("control", Arc::clone(&plane).follow(follow.clone()));
    let ready = async {
        let token = Secrets::new(&shared.config.data).owner_token_path()?;
        let link = match bootstrap(&plane, &token, shared.clock.now()).await {
            Err(bootstrap::Error::Command(error)) => Err(of_log(error)),
            other => Ok(other?),
        }?;
        match seed::apply(&plane, seed, whole).await {
            Err(seed::Error::Command(error)) => Err(of_log(error)),
            other => Ok(other?),
        }?;
        Ok(link)
    };
    let link = match ready.await {
        Ok(link) => link,
        Err(error) => {
            follow.cancel();
            return Err(error);
        }
    };
    plane.serve().await;
    Ok((plane, link))
}

/// A new token for the owner, in place of one that was lost, and a new sign-in link.
///
/// # Errors
/// The log is away, or the master key is another.
pub(crate) async fn restore_owner(shared: &Shared, path: &Path) -> anyhow::Result<Secret> {
    let vault = vault(&shared.config, &shared.environment)?;
    let local = crate::seed::bare(&shared.config)?;
    let options = Options {
        log: Arc::clone(&shared.log),
        codec: shared.codec.clone(),
        vault,
        local,
        checkpoint: None,
        metrics: shared.metrics.clone(),
    };
    let plane = Plane::open(options).await?;
    let token = CancellationToken::new();
    let following = spawn("control", Arc::clone(&plane).follow(token.clone()));
    let trail = Trail::new(Arc::clone(&shared.log), shared.codec.clone(), shared.clock.clone())?;
    let trail = Arc::new(trail);
    let made = async {
        link_made(&trail).await?;
        Ok(bootstrap::restore_owner(&plane, path, shared.clock.now()).await?)
    };
    let made = made.await;
    token.cancel();
    // closes its chain
    trail.run(token).await;
    following.await.context("following")?;
    made
}

/// Records that the owner is given a sign-in link.
///
/// # Errors
/// It is not known to be recorded.
pub(crate) async fn link_made(trail: &Trail) -> Result<(), audit::Error> {
    let entity = format!("{}/{OWNER}", Kind::User);
    let (action, actor) = ("link.made", "hub".to_owned());
    trail.record(Entry { action, entity, actor, allowed: true, ..Entry::default() }).await
}

/// So that a log that is away is waited for.
fn of_log(error: plane::Error) -> anyhow::Error {
    match error {
        plane::Error::Log(error) => error.into(),
        error => error.into(),
    }
}
