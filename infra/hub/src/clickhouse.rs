//! ClickHouse as the roles see it: an address and two users, wherever it runs.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ::gateway::gateway::Report;
use analytics::migrate::{Layout, migrate};
use anyhow::Context as _;
use runtime::secret::SecretRef;
use runtime::task::Tasks;
use runtime::telemetry::metrics::{self, Metrics};
use serde_json::json;
use tokio::sync::watch;

use crate::config::{Config, Environment};
use crate::embedded::clickhouse::{
    Role as User, State, Supervisor, SupervisorOptions, find_library,
};
use crate::secrets::Secrets;
use crate::serve::{Shared, tell};
use crate::status::Status;

/// Where ClickHouse is, and how the embedded one does.
#[derive(Clone, Debug)]
pub struct Warehouse {
    options: analytics::Options,
    state: Option<watch::Receiver<State>>,
    /// Why there is none.
    missing: Option<String>,
}

impl Warehouse {
    /// The configured server; else the embedded engine, started here if `start`.
    ///
    /// Without the engine's library the hub serves all the same: events wait in the log.
    ///
    /// # Errors
    /// The password of a configured server can't be read, or those of the embedded one not made.
    pub async fn start(
        config: &Config,
        environment: &Environment,
        metrics: &Metrics,
        start: bool,
        tasks: &Tasks,
    ) -> anyhow::Result<Self> {
        if let Some(url) = &config.clickhouse.url {
            let resolve = |from: &SecretRef| from.resolve(|name| environment.get(name).cloned());
            let secret = config.clickhouse.password.as_ref().map(resolve);
            let secret = secret.transpose().context("clickhouse.password")?;
            let password = secret.map_or_else(String::new, |secret| secret.expose().to_owned());
            let user = config.clickhouse.user.clone();
            return Ok(Self {
                options: options(url.clone(), user, password),
                state: None,
                missing: None,
            });
        }
        let secrets = Secrets::new(&config.data);
        let password = secrets.clickhouse(User::Writer)?.expose().to_owned();
        let user = User::Writer.user().to_owned();
        let options = options(config.clickhouse_url(), user, password);
        let mut warehouse = Self { options, state: None, missing: None };
        if start {
            let counts = metrics.clickhouse();
            match supervise(config, &secrets, tasks).await {
                Ok(supervisor) => {
                    warehouse.options.url = supervisor.url();
                    warehouse.state = Some(supervisor.state());
                    tasks.spawn("clickhouse metrics", follow(supervisor.state(), counts));
                }
                Err(error) => {
                    tracing::warn!(
                        "no ClickHouse: {error:#}; calls are served, and their events wait in the log"
                    );
                    warehouse.missing = Some(format!("{error:#}"));
                }
            }
        }
        Ok(warehouse)
    }

    /// Why there is no ClickHouse, when there is none.
    pub fn missing(&self) -> Option<&str> {
        self.missing.as_deref()
    }

    /// Its address as a setting has it, without `http://`.
    pub fn address(&self) -> &str {
        self.options.url.strip_prefix("http://").unwrap_or(&self.options.url)
    }

    /// A client as the read-write user.
    pub fn client(&self) -> clickhouse::Client {
        analytics::client(&self.options)
    }

    /// Starts the writer of the tables, once they are there.
    pub(crate) fn sink(&self, shared: &Shared, status: &Status, tasks: &Tasks) {
        if self.missing.is_some() {
            return;
        }
        let status = status.clone();
        let (deps, token, warehouse) = (shared.deps(), tasks.token(), self.options.clone());
        let batches = processors::sink::Options {
            rows: shared.config.sink.rows,
            age: shared.config.sink.age.into(),
            ..processors::sink::Options::default()
        };
        tasks.spawn("sink", async move {
            while let Err(error) = migrate(&warehouse, &Layout::default()).await {
                tracing::warn!(%error, "the tables can't be made; trying again");
                status.waits("sink", format!("the tables can't be made: {error}"));
                tokio::select! {
                    () = token.cancelled() => return,
                    () = tokio::time::sleep(Duration::from_secs(1)) => {}
                }
            }
            status.goes_on("sink");
            let client = analytics::client(&warehouse);
            tell("sink", processors::sink::run(deps, client, batches, token).await);
        });
    }

    /// For `/readyz`.
    pub fn report(&self) -> Report {
        let state = self.state.as_ref().map(|state| state.borrow().clone());
        let (well, detail) = match (&self.missing, state) {
            (Some(why), _) => (false, json!(why)),
            (None, Some(State::Serving(pid))) => {
                (true, json!({"url": self.options.url, "pid": pid}))
            }
            (None, Some(State::Restarting(why))) => (false, json!({"restarting": why})),
            (None, Some(State::Stopped)) => (false, json!("stopped")),
            (None, None) => (true, json!({"url": self.options.url})),
        };
        Report { name: "clickhouse".to_owned(), well, detail }
    }
}

/// Counts what the supervisor tells, until it stops.
async fn follow(mut state: watch::Receiver<State>, counts: metrics::Clickhouse) {
    let mut serving = None;
    loop {
        let now = match *state.borrow_and_update() {
            State::Serving(pid) => Some(pid),
            State::Restarting(_) | State::Stopped => None,
        };
        counts.up.set(now.is_some().into());
        if let Some(pid) = now {
            let before = serving.replace(pid);
            if before.is_some_and(|before| before != pid) {
                counts.restarts.inc();
            }
        }
        if state.changed().await.is_err() {
            return;
        }
    }
}

fn options(url: String, user: String, password: String) -> analytics::Options {
    analytics::Options { url, user, password, database: analytics::DATABASE.to_owned() }
}

async fn supervise(
    config: &Config,
    secrets: &Secrets,
    tasks: &Tasks,
) -> anyhow::Result<Supervisor> {
    let listen: SocketAddr = config.clickhouse.listen.parse().with_context(|| {
        format!(
            "clickhouse.listen is {:?}: an address such as 127.0.0.1:8123",
            config.clickhouse.listen
        )
    })?;
    let folders = [config.data.join("clickhouse-library"), PathBuf::from("target/cache")];
    let options = SupervisorOptions {
        program: std::env::current_exe().context("where this program is")?,
        arguments: vec!["clickhouse".to_owned()],
        listen,
        data_dir: secrets.clickhouse_folder(),
        library: find_library(config.clickhouse.library.as_deref(), &folders)?,
        memory_mib: 0,
    };
    Ok(Supervisor::start(options, tasks).await?)
}
