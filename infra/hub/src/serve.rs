//! Starts the roles of this process over one log, and stops them in order.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use processors::{Board, Deps, Share};
use runtime::clock::Clock;
use runtime::lock::Lock;
use runtime::log::Log;
use runtime::task::Tasks;
use runtime::telemetry::metrics::Metrics;
use schemas::wire::Codec;

use crate::clickhouse::Warehouse;
use crate::codec::codec;
use crate::config::{Config, Environment};
use crate::gateway::GatewayRole;
use crate::log::await_log;
use crate::role::Role;

/// A hub that runs.
#[derive(Debug)]
pub struct Running {
    /// The gateway, if it runs here.
    pub gateway: Option<GatewayRole>,
    /// ClickHouse, as this process sees it.
    pub warehouse: Warehouse,
    tasks: Tasks,
    /// Outlive everything that writes.
    _locks: Vec<Lock>,
}

/// What roles share.
#[derive(Clone, Debug)]
pub struct Shared {
    /// The settings.
    pub config: Arc<Config>,
    /// The environment, for `env:` references and vendors' keys.
    pub environment: Arc<Environment>,
    /// The time.
    pub clock: Clock,
    /// The log.
    pub log: Arc<dyn Log>,
    /// Encodes and decodes events.
    pub codec: Codec,
    /// Where processors tell how far they are.
    pub board: Board,
    /// The partitions of this process.
    pub share: Share,
    /// Counters.
    pub metrics: Metrics,
}

/// Starts `roles`; `whole` when they are everything there is, so that ClickHouse is started too.
///
/// # Errors
/// What can't be had: a folder in use, a port in use, a bad seed, a damaged outbox.
pub async fn start(
    config: Config,
    environment: Environment,
    roles: &[Role],
    whole: bool,
) -> anyhow::Result<Running> {
    let share = config.share()?;
    let locks =
        roles.iter().map(|role| lock(&config.data, *role, share)).collect::<Result<_, _>>()?;
    let tasks = Tasks::new();
    let clock = Clock::system();
    let codec = codec(&config, &environment, &tasks, None, |_| {}).await?;
    let log = await_log(&config, &environment, &clock, |_| {}).await?;
    let metrics =
        Metrics::new(env!("CARGO_PKG_VERSION"), option_env!("HUB_COMMIT").unwrap_or("unknown"));
    let shared = Shared {
        config: Arc::new(config),
        environment: Arc::new(environment),
        clock,
        log: Arc::clone(&log.log),
        codec,
        board: Board::new(),
        share,
        metrics,
    };
    let warehouse = Warehouse::start(&shared, whole, &tasks).await?;
    let mut gateway = None;
    for role in roles {
        match role {
            Role::Gateway => gateway = Some(GatewayRole::start(&shared, &warehouse, &tasks).await?),
            Role::Billing => {
                let (deps, token) = (shared.deps(), tasks.token());
                tasks.spawn("billing", async move {
                    tell("billing", processors::billing::run(deps, token).await)
                });
            }
            Role::Health => {
                let (deps, token) = (shared.deps(), tasks.token());
                tasks.spawn("health", async move {
                    tell("health", processors::health::run(deps, thresholds(), token).await);
                });
            }
            Role::Sink => warehouse.sink(&shared, &tasks),
        }
    }
    log.maintain(&tasks);
    Ok(Running { gateway, warehouse, tasks, _locks: locks })
}

/// The data folder for this role alone, or for this instance of it.
fn lock(data: &Path, role: Role, share: Share) -> anyhow::Result<Lock> {
    let Share { instance, of } = share;
    let name = match role {
        Role::Gateway => role.to_string(),
        Role::Billing | Role::Health | Role::Sink => format!("{role}-{instance}"),
    };
    Lock::take(&data.join("locks").join(name))
        .with_context(|| format!("{role}, instance {instance} (HUB_INSTANCE) of {of}"))
}

impl Shared {
    /// What processors need.
    pub fn deps(&self) -> Deps {
        Deps {
            log: Arc::clone(&self.log),
            codec: self.codec.clone(),
            clock: self.clock.clone(),
            board: self.board.clone(),
            share: self.share,
        }
    }
}

impl Running {
    /// Stops: no new calls, open calls finish within the drain time, the outbox is shipped, then
    /// processors stop.
    pub async fn stop(self) {
        let Self { gateway, tasks, .. } = self;
        if let Some(gateway) = gateway {
            gateway.drain().await;
        }
        tasks.stop();
        if !tasks.drained(Duration::from_secs(20)).await {
            tracing::warn!("some tasks did not end in time");
        }
    }
}

/// When health changes its mind; the documented defaults.
pub fn thresholds() -> processors::health::Thresholds {
    processors::health::Thresholds::default()
}

/// How processors ended, in words.
pub fn tell(processor: &str, ends: Vec<processors::End>) {
    use processors::End;
    for end in ends {
        match end {
            End::Stopped => tracing::debug!(processor, "stopped"),
            End::Fenced(by) => {
                tracing::error!(processor, by, "another process took over; this one has stopped")
            }
            End::Failed(error) => {
                tracing::error!(processor, %error, "stopped: going on would have been wrong")
            }
        }
    }
}
