//! The control plane of a gateway: opened, followed, set up and seeded before the first call.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use control::bootstrap::{self, bootstrap};
use control::compile::Surroundings;
use control::plane::{self, Options, Plane};
use control::seed;
use control::vault::{MasterFile, Vault};
use gateway::config::Seed;
use runtime::secret::SecretRef;
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

/// A control plane that is followed until `token` is cancelled. Where this process is `whole`, its settings are the only
/// ones.
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
) -> anyhow::Result<Arc<Plane>> {
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
        match bootstrap(&plane, &token).await {
            Err(bootstrap::Error::Command(error)) => Err(of_log(error)),
            other => Ok(other?),
        }?;
        match seed::apply(&plane, seed, whole).await {
            Err(seed::Error::Command(error)) => Err(of_log(error)),
            other => Ok(other?),
        }
    };
    if let Err(error) = ready.await {
        follow.cancel();
        return Err(error);
    }
    plane.serve().await;
    Ok(plane)
}

/// A new owner's token, in place of one that was lost.
///
/// # Errors
/// The log is away, or the master key is another.
pub(crate) async fn new_owner_token(shared: &Shared, path: &Path) -> anyhow::Result<()> {
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
    let made = bootstrap::new_owner_token(&plane, path).await;
    token.cancel();
    following.await.context("following")?;
    Ok(made?)
}

/// So that a log that is away is waited for.
fn of_log(error: plane::Error) -> anyhow::Error {
    match error {
        plane::Error::Log(error) => error.into(),
        error => error.into(),
    }
}
