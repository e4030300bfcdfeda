//! ClickHouse as the roles see it: an address and two users, wherever it runs.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use runtime::task::Tasks;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::config::Config;
use crate::embedded::clickhouse::{Role as User, State, Supervisor, SupervisorOptions, find_library};
use crate::secrets::Secrets;
use crate::serve::{Shared, tell};

/// Where ClickHouse is, and how the embedded one does.
#[derive(Clone, Debug)]
pub struct Warehouse {
    url: String,
    user: String,
    password: String,
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
    pub async fn start(shared: &Shared, start: bool, tasks: &Tasks) -> anyhow::Result<Self> {
        let config = &shared.config;
        if let Some(url) = &config.clickhouse.url {
            let secret = config.clickhouse.password.as_ref().map(|reference| {
                reference.resolve(|name| shared.environment.get(name).cloned())
            });
            let secret = secret.transpose().context("clickhouse.password")?;
            let password = secret.map_or_else(String::new, |secret| secret.expose().to_owned());
            let user = config.clickhouse.user.clone();
            return Ok(Self { url: url.clone(), user, password, state: None, missing: None });
        }
        let secrets = Secrets::new(&config.data);
        let password = secrets.clickhouse(User::Writer)?.expose().to_owned();
        let mut warehouse = Self {
            url: config.clickhouse_url(),
            user: User::Writer.user().to_owned(),
            password,
            state: None,
            missing: None,
        };
        if start {
            match supervise(config, &secrets, tasks).await {
                Ok(supervisor) => {
                    warehouse.url = supervisor.url();
                    warehouse.state = Some(supervisor.state());
                }
                Err(error) => {
                    tracing::warn!("no ClickHouse: {error:#}; calls are served, and their events wait in the log");
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

    /// A client as the read-write user.
    pub fn client(&self) -> clickhouse::Client {
        clickhouse::Client::default()
            .with_url(&self.url)
            .with_user(&self.user)
            .with_password(&self.password)
            .with_database("hub")
    }

    /// Starts the writer of the tables.
    pub fn sink(&self, shared: &Shared, tasks: &Tasks) {
        if self.missing.is_some() {
            return;
        }
        let (deps, token, client) = (shared.deps(), tasks.token(), self.client());
        let options = processors::sink::Options {
            rows: shared.config.sink.rows,
            age: shared.config.sink.age.into(),
        };
        tasks.spawn("sink", async move {
            tell("sink", processors::sink::run(deps, client, options, token).await);
        });
    }

    /// For `/readyz`.
    pub fn report(&self) -> (String, bool, Value) {
        let state = self.state.as_ref().map(|state| state.borrow().clone());
        let (well, detail) = match (&self.missing, state) {
            (Some(why), _) => (false, json!(why)),
            (None, Some(State::Serving(pid))) => (true, json!({"url": self.url, "pid": pid})),
            (None, Some(State::Restarting(why))) => (false, json!({"restarting": why})),
            (None, Some(State::Stopped)) => (false, json!("stopped")),
            (None, None) => (true, json!({"url": self.url})),
        };
        ("clickhouse".to_owned(), well, detail)
    }
}

async fn supervise(config: &Config, secrets: &Secrets, tasks: &Tasks) -> anyhow::Result<Supervisor> {
    let listen: SocketAddr = config.clickhouse.listen.parse().with_context(|| {
        format!("clickhouse.listen is {:?}: an address such as 127.0.0.1:8123", config.clickhouse.listen)
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

/// A shared reference for reports.
pub fn reporter(warehouse: &Warehouse, shared: &Shared) -> gateway::gateway::Reports {
    let (warehouse, board) = (warehouse.clone(), shared.board.clone());
    Arc::new(move || {
        let mut reports = vec![warehouse.report()];
        for progress in board.read() {
            let name = format!("{}/{}", progress.processor, progress.partition);
            let well = progress.is_well();
            reports.push((name, well, serde_json::to_value(&progress).unwrap_or_default()));
        }
        reports
    })
}
