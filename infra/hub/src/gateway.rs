//! The gateway role: outbox, shipper, read-back, and calls behind its door.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use admin::Admin;
use admin::signin::SignIn;
use anyhow::Context as _;
use arc_swap::ArcSwap;
use axum::Router;
use control::audit::Trail;
use gateway::Gateway;
use gateway::admission::Accounts;
use gateway::control::discovery::Discovery;
use gateway::control::follow::Follower;
use gateway::control::{Ready, Snapshot};
use gateway::gateway::Limits;
use gateway::limits::{Book, Publisher};
use gateway::routing::Local;
use gateway::upstream::Beside;
use gateway::usage::{Options, Outbox, Partitions, Shipper};
use runtime::secret::Secret;
use runtime::task::Tasks;
use runtime::telemetry::trace::{Settings, Traces};
use schemas::ids::Origin;
use schemas::topics::Topic;

use crate::door::Door;
use crate::embedded::demo;
use crate::explain::Known;
use crate::log::patiently;
use crate::seed;
use crate::serve::Shared;
use crate::status::Status;
use crate::webhooks::{self, Webhooks};

/// A running gateway.
#[derive(Debug)]
pub struct GatewayRole {
    gateway: Arc<Gateway>,
    /// The listener of callers: stopped first.
    front: Tasks,
    drain: Duration,
    /// The owner's, if the owner was made at this start.
    link: Option<Secret>,
}

impl GatewayRole {
    /// Starts it behind its door: it takes calls once balances and health are read. `operators` are given the
    /// admin API.
    ///
    /// # Errors
    /// The outbox can't be had, or the seed is wrong.
    pub(crate) async fn start(
        shared: &Shared,
        status: &Status,
        door: Door,
        operators: impl FnOnce(Router),
        whole: bool,
        tasks: &Tasks,
    ) -> anyhow::Result<Self> {
        let config = &shared.config;
        let outbox = open_outbox(shared, &config.data.join("outbox"))?;
        let demo = demo::start(tasks).await.context("the demo provider")?;
        let (seed, local) = seed::seed(shared, demo)?;
        let vault = crate::control::vault(config, &shared.environment)?;
        let token = tasks.token();
        let start =
            async || crate::control::start(shared, &vault, &local, &seed, whole, &token).await;
        let (plane, link) = patiently(config.log.kind, status, start).await?;
        let grant = async || seed::grant(shared).await;
        patiently(config.log.kind, status, grant).await.context("the log refused the seed")?;
        let current = plane.current();
        let (log, codec) = (Arc::clone(&shared.log), shared.codec.clone());
        let trail = Trail::new(log, codec, shared.clock.clone()).context("the audit trail")?;
        let trail = Arc::new(trail);
        tasks.spawn("audit", Arc::clone(&trail).run(tasks.token()));
        if link.is_some() {
            crate::control::link_made(&trail).await?;
        }
        let (clock, upstream) =
            (shared.clock.clone(), seed::upstream_config(config, &shared.environment));
        let signin = config.signin.settings(&shared.environment)?;
        let signin = SignIn::new(signin, &upstream, clock.clone())?;
        let node = Arc::new(Known { status: status.clone(), plane: Arc::clone(&plane) });
        let bounded = Arc::new(Book::new(Origin(rand::random()), shared.clock.clone()));
        let own = Arc::clone(&bounded);
        let admin = Arc::new(Admin { plane, trail, bounded: own, clock, upstream, signin, node });
        let snapshot = current.seen();

        if config.discovery.enabled {
            let upstream = seed::upstream_config(config, &shared.environment);
            let clock = shared.clock.clone();
            Discovery::new(current, &upstream, &config.discovery, clock)?.start(tasks);
        }

        let local = Arc::new(Local::new(config.routing.into()));
        let accounts = Arc::new(Accounts::new());
        let health = Arc::default();
        let ready = Arc::new(Ready::new(config.log.max_stale.into()));
        let follower = Follower {
            log: Arc::clone(&shared.log),
            codec: shared.codec.clone(),
            accounts: Arc::clone(&accounts),
            health: Arc::clone(&health),
            bounded: Arc::clone(&bounded),
            clock: shared.clock.clone(),
            snapshot: Arc::clone(&snapshot),
            ready: Arc::clone(&ready),
        };
        follower.start(tasks);

        ship(shared, &outbox, tasks);
        let publisher = Publisher::new(
            Arc::clone(&bounded),
            Arc::clone(&snapshot),
            Arc::clone(&shared.log),
            shared.codec.clone(),
        );
        tasks.spawn("limits", publisher.run(tasks.token()));
        let webhooks = Webhooks {
            plane: Arc::clone(&admin.plane),
            book: Arc::clone(&bounded),
            log: Arc::clone(&shared.log),
            codec: shared.codec.clone(),
            clock: shared.clock.clone(),
            beside: Beside::new(
                &seed::upstream_config(config, &shared.environment),
                webhooks::TIME,
            )?,
        };
        webhooks.start(tasks);

        let gateway = Arc::new(Gateway {
            clock: shared.clock.clone(),
            limits: Limits {
                body: config.limits.body.as_usize(),
                body_time: config.limits.body_time.into(),
                default_max_output: config.limits.default_max_output,
            },
            snapshot,
            health,
            accounts,
            bounded,
            outbox,
            upstream: seed::upstream(shared, Arc::clone(&local))?,
            local,
            ready,
            draining: false.into(),
            beside: Arc::new(status.clone()),
            metrics: shared.metrics.clone(),
            traces: traces(shared, tasks)?,
        });
        // in this order: who is told that it is ready finds the door open, and the admin API there
        operators(admin::routes(&admin));
        let front = door.open(&gateway);
        status.serves(Arc::clone(&gateway));
        Ok(Self { gateway, front, drain: config.limits.drain_time.into(), link })
    }

    /// The owner's sign-in link, if the owner was made at this start.
    pub(crate) fn link(&self) -> Option<&Secret> {
        self.link.as_ref()
    }

    /// What calls see.
    pub(crate) fn seen(&self) -> Arc<ArcSwap<Snapshot>> {
        Arc::clone(&self.gateway.snapshot)
    }

    /// Takes no new calls, lets open ones finish, and ships what they left.
    pub async fn drain(self) {
        self.gateway.draining.store(true, Ordering::Relaxed);
        self.front.stop();
        if !self.front.drained(self.drain).await {
            tracing::warn!(
                "calls were still open after {:?}; they are settled as abandoned",
                self.drain
            );
        }
        if !self.gateway.outbox.drain(self.drain).await {
            tracing::warn!(
                "the outbox could not be shipped whole; it is shipped at the next start"
            );
        }
    }
}

/// Traces, where the settings or OpenTelemetry's variables say where they go.
fn traces(shared: &Shared, tasks: &Tasks) -> anyhow::Result<Traces> {
    let endpoint = shared.config.telemetry.otlp_endpoint.as_deref();
    let lookup = |name: &str| shared.environment.get(name).cloned();
    let settings = Settings::read(endpoint, env!("CARGO_PKG_VERSION"), lookup)?;
    let start = |settings| Traces::start(settings, tasks, shared.metrics.traces().clone());
    Ok(settings.map(start).transpose()?.unwrap_or_default())
}

/// Ships the outbox to the log until the group stops.
pub(crate) fn ship(shared: &Shared, outbox: &Arc<Outbox>, tasks: &Tasks) {
    let shipper = Shipper::new(Arc::clone(outbox));
    let (log, token) = (Arc::clone(&shared.log), tasks.token());
    tasks.spawn("shipper", async move {
        if let Err(error) = shipper.run(log, token).await {
            tracing::error!(%error, "shipping stopped; events stay in the outbox");
        }
    });
}

/// An outbox, what earlier processes left in it recovered.
pub(crate) fn open_outbox(shared: &Shared, folder: &Path) -> anyhow::Result<Arc<Outbox>> {
    let config = &shared.config;
    let partitions = Partitions {
        usage: shared.log.partitions(Topic::Usage),
        attempts: shared.log.partitions(Topic::Attempts),
    };
    let options = Options {
        segment: config.outbox.segment.0,
        limit: config.outbox.limit.0,
        durability: match config.outbox.durability {
            gateway::config::Durability::Process => gateway::usage::Durability::Process,
            gateway::config::Durability::Host => gateway::usage::Durability::Host,
        },
        codec: shared.codec.clone(),
        clock: shared.clock.clone(),
        ..Options::new(folder, partitions)
    };
    let outbox = Outbox::open(options)?;
    let recovered = outbox.recovered();
    if *recovered != gateway::usage::Recovered::default() {
        tracing::info!(?recovered, "recovered what an earlier process left");
    }
    Ok(outbox)
}
