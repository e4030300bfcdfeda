//! The parent's side: starts the child, waits until it serves, starts it again when it falls, stops it at the end.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use runtime::secret::Secret;
use runtime::task::{CancellationToken, Tasks};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::watch;

use super::users::{Role, password};

/// How long a start may take: the parts of large tables are opened one by one.
const START: Duration = Duration::from_secs(120);
/// How long the child may take to end by itself.
const STOP: Duration = Duration::from_secs(12);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Between starts that fail.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// After a child that did serve.
const LONGEST_AFTER_SERVING: Duration = Duration::from_secs(1);
/// A child that served this long was healthy: the next pause is the first one again.
const HEALTHY: Duration = Duration::from_secs(30);

/// How to start the child.
#[derive(Clone, Debug)]
pub struct SupervisorOptions {
    /// The program, usually this one: `std::env::current_exe()`.
    pub program: PathBuf,
    /// Its arguments before those of [`super::ServerOptions`], usually `["clickhouse"]`.
    pub arguments: Vec<String>,
    /// Where it listens; port 0 takes a free one, which later starts keep.
    pub listen: SocketAddr,
    /// Its folder of data and passwords.
    pub data_dir: PathBuf,
    /// libchdb, from [`super::find_library`].
    pub library: PathBuf,
    /// Memory of the engine in MiB; 0 for its default.
    pub memory_mib: u64,
}

/// The child could not be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The program did not run.
    #[error("embedded ClickHouse: cannot start {}: {source}", program.display())]
    Spawn {
        /// The program.
        program: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It ran and gave up.
    #[error("{0}")]
    Refused(String),
    /// It ended or stayed silent without a reason.
    #[error("embedded ClickHouse: the process did not become ready: {0}")]
    NotReady(String),
    /// The passwords cannot be read or made.
    #[error("embedded ClickHouse: passwords in {}: {source}", folder.display())]
    Passwords {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// A running child that is kept running.
#[derive(Clone, Debug)]
pub struct Supervisor {
    address: SocketAddr,
    passwords: [(Role, Secret); 2],
    state: watch::Receiver<State>,
}

/// What the child is doing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum State {
    /// It serves; its process id.
    Serving(u32),
    /// It fell and will be started again; why.
    Restarting(String),
    /// It was stopped.
    Stopped,
}

impl Supervisor {
    /// Starts the child and returns when it serves. From then on it is started again whenever it ends, until `tasks` stop.
    ///
    /// # Errors
    /// The first start failed. The caller may go on without ClickHouse and try again later.
    pub async fn start(options: SupervisorOptions, tasks: &Tasks) -> Result<Self, Error> {
        let secret = |role| {
            let folder = options.data_dir.clone();
            password(&folder, role)
                .map(|secret| (role, secret))
                .map_err(|source| Error::Passwords { folder, source })
        };
        let passwords = [secret(Role::Writer)?, secret(Role::Reader)?];
        let child = Running::start(&options, options.listen).await?;
        let address = child.address;
        let (tell, state) = watch::channel(State::Serving(child.pid()));
        tasks.spawn("clickhouse-supervisor", keep(options, child, tell, tasks.token()));
        Ok(Self { address, passwords, state })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://address`, for clients.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The password of a role's user ([`Role::user`]).
    pub fn password(&self, role: Role) -> &Secret {
        let [writer, reader] = &self.passwords;
        if writer.0 == role { &writer.1 } else { &reader.1 }
    }

    /// What the child is doing, now and as it changes.
    pub fn state(&self) -> watch::Receiver<State> {
        self.state.clone()
    }
}

struct Running {
    child: Child,
    // Closing it asks the child to stop; the system closes it when this process is killed.
    lifeline: Option<ChildStdin>,
    address: SocketAddr,
    since: Instant,
}

impl Running {
    async fn start(options: &SupervisorOptions, listen: SocketAddr) -> Result<Self, Error> {
        let mut command = Command::new(&options.program);
        command.args(&options.arguments).arg("--supervised");
        command.arg("--listen").arg(listen.to_string());
        command.arg("--data-dir").arg(&options.data_dir);
        command.arg("--library").arg(&options.library);
        command.arg("--memory-mib").arg(options.memory_mib.to_string());
        // SQL can read the child's own environment, and this process's may hold provider keys.
        command.env_clear().env("TZ", "UTC").env("LANG", "C.UTF-8");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command
            .spawn()
            .map_err(|source| Error::Spawn { program: options.program.clone(), source })?;
        let lifeline = child.stdin.take();
        let lines = child.stdout.take().map(|out| BufReader::new(out).lines());
        let first = async {
            match lines {
                Some(mut lines) => {
                    lines.next_line().await.unwrap_or_else(|error| Some(format!("error {error}")))
                }
                None => None,
            }
        };
        let line = tokio::time::timeout(START, first).await;
        match line {
            Ok(Some(line)) => {
                match (line.strip_prefix("ready ").map(str::parse), line.strip_prefix("error ")) {
                    (Some(Ok(address)), _) => {
                        Ok(Self { child, lifeline, address, since: Instant::now() })
                    }
                    (_, Some(reason)) => Err(Error::Refused(reason.to_owned())),
                    _ => Err(Error::NotReady(format!("it said '{line}'"))),
                }
            }
            Ok(None) => Err(Error::NotReady(match child.wait().await {
                Ok(status) => ending(status),
                Err(error) => error.to_string(),
            })),
            Err(_) => Err(Error::NotReady(format!("no answer within {} s", START.as_secs()))),
        }
    }

    fn pid(&self) -> u32 {
        self.child.id().unwrap_or(0)
    }

    /// Asks it to stop, and kills it when it does not.
    async fn stop(mut self) {
        drop(self.lifeline.take());
        if tokio::time::timeout(STOP, self.child.wait()).await.is_err() {
            tracing::warn!("the embedded ClickHouse did not stop in time and is killed");
            if let Err(error) = self.child.kill().await {
                tracing::warn!(%error, "the embedded ClickHouse could not be killed");
            }
        }
    }
}

async fn keep(
    options: SupervisorOptions,
    mut running: Running,
    state: watch::Sender<State>,
    stop: CancellationToken,
) {
    let listen = running.address;
    let mut pause = FIRST_PAUSE;
    loop {
        let ended = tokio::select! {
            () = stop.cancelled() => {
                running.stop().await;
                state.send_replace(State::Stopped);
                return;
            }
            ended = running.child.wait() => ended,
        };
        if running.since.elapsed() > HEALTHY {
            pause = FIRST_PAUSE;
        }
        pause = pause.min(LONGEST_AFTER_SERVING);
        let mut reason = ended.map_or_else(|error| error.to_string(), ending);
        running = loop {
            tracing::error!(
                reason,
                pause_ms = pause.as_millis(),
                "the embedded ClickHouse ended and is started again"
            );
            state.send_replace(State::Restarting(reason));
            tokio::select! {
                () = stop.cancelled() => {
                    state.send_replace(State::Stopped);
                    return;
                }
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
            let started = tokio::select! {
                // Dropping a start kills its child.
                () = stop.cancelled() => {
                    state.send_replace(State::Stopped);
                    return;
                }
                started = Running::start(&options, listen) => started,
            };
            match started {
                Ok(child) => break child,
                Err(error) => reason = error.to_string(),
            }
        };
        state.send_replace(State::Serving(running.pid()));
    }
}

fn ending(status: ExitStatus) -> String {
    format!("its process ended with {status}")
}
