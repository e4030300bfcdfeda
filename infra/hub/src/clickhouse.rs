//! ClickHouse as the roles see it: an address and two users, wherever it runs.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ::gateway::gateway::Report;
use analytics::Layout;
use analytics::migrate::migrate;
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
    layout: Layout,
    embedded: bool,
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
        let options = access(config, environment, User::Writer)?;
        let cluster = config.clickhouse.cluster.as_deref();
        let layout = cluster.map_or_else(Layout::default, Layout::cluster);
        let embedded = config.clickhouse.url.is_none();
        let mut warehouse = Self { options, layout, embedded, state: None, missing: None };
        if start && embedded {
            let secrets = Secrets::new(&config.data);
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

    /// The variable that leads another command of this hub there.
    pub fn variable(&self) -> String {
        let url = &self.options.url;
        match url.strip_prefix("http://").filter(|_| self.embedded) {
            Some(address) => format!("HUB_CLICKHOUSE_LISTEN={address}"),
            None => format!("HUB_CLICKHOUSE_URL={url}"),
        }
    }

    /// A client as the read-write user.
    pub fn client(&self) -> clickhouse::Client {
        self.layout.client(&self.options)
    }

    /// Starts the writer of the tables, once they are there.
    pub(crate) fn sink(&self, shared: &Shared, status: &Status, tasks: &Tasks) {
        if self.missing.is_some() {
            return;
        }
        let status = status.clone();
        let (deps, token, warehouse) = (shared.deps(), tasks.token(), self.clone());
        let batches = processors::sink::Options {
            rows: shared.config.sink.rows,
            age: shared.config.sink.age.into(),
            ..processors::sink::Options::default()
        };
        tasks.spawn("sink", async move {
            while let Err(error) = migrate(&warehouse.options, &warehouse.layout).await {
                tracing::warn!(%error, "the tables can't be made; trying again");
                status.waits("sink", format!("the tables can't be made: {error}"));
                tokio::select! {
                    () = token.cancelled() => return,
                    () = tokio::time::sleep(Duration::from_secs(1)) => {}
                }
            }
            status.goes_on("sink");
            let client = warehouse.client();
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

/// How a user reaches ClickHouse: the configured server, else the embedded engine.
///
/// # Errors
/// The password or the certificates can't be read.
pub(crate) fn access(
    config: &Config,
    environment: &Environment,
    user: User,
) -> anyhow::Result<analytics::Options> {
    let server = &config.clickhouse;
    let (url, user, password) = match &server.url {
        None => {
            let password = Secrets::new(&config.data).clickhouse(user)?;
            (format!("http://{}", server.listen), user.user().to_owned(), Some(password))
        }
        Some(url) => {
            let (field, name, password) = match user {
                User::Writer => ("password", &server.user, &server.password),
                User::Reader => ("reader_password", &server.reader_user, &server.reader_password),
            };
            let resolve = |it: &SecretRef| it.resolve(|name| environment.get(name).cloned());
            let password = password.as_ref().map(resolve).transpose();
            let password = password.with_context(|| format!("clickhouse.{field}"))?;
            (url.trim_end_matches('/').to_owned(), name.clone(), password)
        }
    };
    let connector = analytics::Connector::new(&url, server.ca.as_deref());
    Ok(analytics::Options {
        connector: connector.context("clickhouse.ca")?,
        url,
        user,
        password: password.map_or_else(String::new, |secret| secret.expose().to_owned()),
        database: analytics::DATABASE.to_owned(),
    })
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
