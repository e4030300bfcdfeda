//! Starts the roles of this process over one log, and stops them in order.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use processors::{Board, Deps, Share};
use runtime::clock::Clock;
use runtime::lock::Lock;
use runtime::log::Log;
use runtime::secret::Secret;
use runtime::task::Tasks;
use runtime::telemetry::metrics::Metrics;
use schemas::wire::Codec;

use crate::clickhouse::Warehouse;
use crate::codec::codec;
use crate::config::{Config, Environment};
use crate::door::Door;
use crate::gateway::GatewayRole;
use crate::listen::{self, Listener, Serving, Shows};
use crate::log::{open_log, patiently};
use crate::operator;
use crate::probing;
use crate::role::Role;
use crate::status::Status;
use crate::uptime::Uptime;

/// A hub that runs.
#[derive(Debug)]
pub struct Running {
    /// Where callers connect, if a gateway runs here.
    pub address: Option<SocketAddr>,
    /// Where operators look.
    pub admin_address: SocketAddr,
    /// Where counters are collected, if that is a listener of its own.
    pub metrics_address: Option<SocketAddr>,
    /// The first two as addresses of pages: with TLS or without.
    pub(crate) urls: (Option<String>, String),
    /// ClickHouse, as this process sees it, if it has to do with it.
    pub warehouse: Option<Warehouse>,
    gateway: Option<GatewayRole>,
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
    // bound before anything is written, so that a process that can't serve changes nothing
    let tasks = Tasks::new();
    let shows = |files: Option<(_, _)>| match files {
        Some((certificate, key)) => Shows::Certificate(certificate, key),
        None => Shows::Nothing { open: config.insecure_plaintext },
    };
    let callers = match roles.contains(&Role::Gateway) {
        true => {
            let shows = shows(config.tls.files());
            Some(Listener::open("listen", &config.listen, shows, &tasks).await?)
        }
        false => None,
    };
    let shows = shows(config.admin_files());
    let operators = Listener::open("admin_listen", &config.admin_listen, shows, &tasks).await?;
    let admin_address = operators.address()?;
    let admin_url = format!("{}://{admin_address}", operators.scheme());
    let metered = match &config.metrics_listen {
        // counters and readiness are no secrets
        Some(address) => {
            let shows = Shows::Nothing { open: true };
            Some(Listener::open("metrics_listen", address, shows, &tasks).await?)
        }
        None => None,
    };
    let metrics =
        Metrics::new(env!("CARGO_PKG_VERSION"), option_env!("HUB_COMMIT").unwrap_or("unknown"));
    let board = Board::counting(metrics.clone());
    let status = Status::new(roles, share, config.ready_lag, board.clone(), metrics.clone());
    let serving = Serving {
        lanes: None,
        write_time: config.limits.write_time.into(),
        proxies: Arc::new(config.proxies()?),
    };
    let clock = Clock::system();
    let uptime = roles.contains(&Role::Gateway).then(|| Uptime::new(clock.clone()));
    let behind = operator::Behind::default();
    let metrics_address = metered.as_ref().map(Listener::address).transpose()?;
    if let Some(metered) = metered {
        let counters = operator::routes(status.clone(), None, &tasks);
        listen::serve(metered, move || counters.clone(), serving.clone(), &tasks, "metrics");
    }
    let seen = operator::routes(status.clone(), uptime.clone(), &tasks);
    let now = behind.clone();
    let few = seen.clone();
    listen::serve(
        operators,
        move || now.get().unwrap_or(&few).clone(),
        serving,
        &tasks,
        "operators",
    );
    let public = uptime.clone().filter(|_| config.status.public);
    let open = |it| Door::new(it, &config, status.clone(), public);
    let mut door = callers.map(open).transpose()?;
    let address = door.as_ref().map(|door| door.address);
    let url = door.as_ref().map(|door| format!("{}://{}", door.scheme, door.address));

    let (config, environment) = (Arc::new(config), Arc::new(environment));
    let uses_warehouse = |role: &Role| matches!(role, Role::Gateway | Role::Sink);
    let mut warehouse = None;
    if whole || roles.iter().any(uses_warehouse) {
        let seen = Warehouse::start(&config, &environment, &metrics, whole, &tasks).await?;
        status.sees(seen.clone());
        warehouse = Some(seen);
    }
    let mut running = Running {
        address,
        admin_address,
        metrics_address,
        urls: (url, admin_url),
        warehouse,
        gateway: None,
        tasks,
        _locks: locks,
    };
    if roles.is_empty() {
        return Ok(running);
    }
    status.waits("registry", "schema ids are being read".to_owned());
    let told = |why| status.waits("registry", why);
    let codec = codec(&config, &environment, &running.tasks, None, told).await?;
    status.goes_on("registry");
    status.waits("log", "it is being opened".to_owned());
    let open = async || open_log(&config, &environment, &clock).await;
    let log = patiently(config.log.kind, &status, open).await?;
    let shared = Shared {
        config,
        environment,
        clock,
        log: Arc::clone(&log.log),
        codec,
        board,
        share,
        metrics,
    };
    log.maintain(&running.tasks);
    for role in roles {
        let (deps, tasks) = (shared.deps(), &running.tasks);
        let token = tasks.token();
        match role {
            Role::Gateway => {
                if let Some(uptime) = &uptime {
                    uptime.follow(&shared, running.warehouse.as_ref(), tasks);
                }
                if let Some(door) = door.take() {
                    // there is one gateway in a process, so this is the first
                    let operators = |api| drop(behind.set(seen.clone().merge(api)));
                    let gateway =
                        GatewayRole::start(&shared, &status, door, operators, whole, tasks).await?;
                    running.gateway = Some(gateway);
                }
            }
            Role::Billing => {
                tasks.spawn("billing", async move {
                    tell("billing", processors::billing::run(deps, token).await);
                });
            }
            Role::Health => {
                let rules = shared.config.health;
                let seen = running.gateway.as_ref().map(GatewayRole::seen);
                probing::start(&shared, seen, tasks)?;
                tasks.spawn("health", async move {
                    tell("health", processors::health::run(deps, rules, token).await);
                });
            }
            Role::Sink => {
                if let Some(warehouse) = &running.warehouse {
                    warehouse.sink(&shared, &status, tasks);
                }
            }
        }
    }
    Ok(running)
}

/// The data folder for this role alone, or for this instance of it.
fn lock(data: &Path, role: Role, share: Share) -> anyhow::Result<Lock> {
    let Share { instance, of } = share;
    let (name, what) = match role {
        Role::Gateway => (role.to_string(), role.to_string()),
        Role::Billing | Role::Health | Role::Sink => (
            format!("{role}-{instance}"),
            format!("{role}, instance {instance} (HUB_INSTANCE) of {of}"),
        ),
    };
    Lock::take(&data.join("locks").join(name)).context(what)
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
    /// The owner's sign-in link, if the owner was made at this start.
    pub(crate) fn link(&self) -> Option<&Secret> {
        self.gateway.as_ref()?.link()
    }

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
