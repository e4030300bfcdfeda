//! The child process from start to end.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use runtime::task::CancellationToken;
use rustix::fs::{FlockOperation, flock};

use super::engine::Engine;
use super::ffi::Api;
use super::http::{Server, router};
use super::sandbox::{Confined, confine};
use super::users::Users;
use super::{Limits, ServerOptions};

/// How long statements may run on after the end was asked for.
const DRAIN: Duration = Duration::from_secs(5);
/// How long the child of a supervisor that was killed may take to end: the next one waits for it.
const ORPHAN: Duration = Duration::from_secs(16);

/// Why the child did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The engine.
    #[error(transparent)]
    Engine(#[from] super::EngineError),
    /// The address cannot be listened on.
    #[error(
        "embedded ClickHouse: cannot listen on {listen}: {source}; choose another address with HUB_CLICKHOUSE_LISTEN"
    )]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The folder cannot be used.
    #[error("embedded ClickHouse: data folder {}: {source}", path.display())]
    Folder {
        /// The folder or a file in it.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Another process uses the folder.
    #[error("embedded ClickHouse: data folder {} is in use by another process", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The process lacks something it needs.
    #[error("embedded ClickHouse: {what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system says.
        source: io::Error,
    },
}

/// Serves until `shutdown` is cancelled, or, when supervised, until standard input ends. Blocks; it makes its own threads, because only
/// threads that are started after the confinement are confined.
///
/// # Errors
/// The engine, the folder or the address cannot be had.
pub fn run(options: &ServerOptions, shutdown: CancellationToken) -> Result<(), Error> {
    let lifeline = if options.supervised {
        Some(take_stdin().map_err(system("take standard input"))?)
    } else {
        None
    };
    let outcome = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("clickhouse".into());
        let serving = thread
            .spawn_scoped(scope, || confined(options, lifeline, shutdown))
            .map_err(system("start a thread"))?;
        serving
            .join()
            .unwrap_or_else(|_| Err(system("serve")(io::Error::other("a thread panicked"))))
    });
    if let (Err(error), true) = (&outcome, options.supervised) {
        tell(&format!("error {error}"));
    }
    outcome
}

fn system(what: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::System { what, source }
}

fn confined(
    options: &ServerOptions,
    lifeline: Option<File>,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let folder = |source| Error::Folder { path: options.data_dir.clone(), source };
    fs::create_dir_all(options.data_dir.join("engine")).map_err(folder)?;
    fs::create_dir_all(options.data_dir.join("config")).map_err(folder)?;
    let root = fs::canonicalize(&options.data_dir).map_err(folder)?;
    let _lock = lock(&root, if options.supervised { ORPHAN } else { Duration::ZERO })?;
    let users = Users::load(&root).map_err(folder)?;
    let listener = TcpListener::bind(options.listen)
        .map_err(|source| Error::Listen { listen: options.listen, source })?;
    let limits = Limits::of(options);
    let library = fs::canonicalize(&options.library)
        .map_err(|source| Error::Folder { path: options.library.clone(), source })?;
    // Before the confinement: its own libraries are elsewhere.
    let api = Api::load(&library).map_err(super::EngineError::from)?;
    let reader_refused = seal(&root, &library, options.allow_unconfined_reader)?;

    let engine = Engine::open(api, &root, &limits)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(limits.running + 8)
        .thread_name("clickhouse-http")
        .enable_all()
        .build()
        .map_err(system("start the runtime"))?;
    let server = Arc::new(Server::new(engine, users, limits, reader_refused));
    let outcome = runtime.block_on(serve(
        listener,
        Arc::clone(&server),
        lifeline,
        shutdown,
        options.supervised,
    ));
    // Statements that still run end with the process.
    runtime.shutdown_timeout(DRAIN);
    server.close();
    outcome
}

async fn serve(
    listener: TcpListener,
    server: Arc<Server>,
    lifeline: Option<File>,
    shutdown: CancellationToken,
    supervised: bool,
) -> Result<(), Error> {
    listener.set_nonblocking(true).map_err(system("listen"))?;
    let address = listener.local_addr().map_err(system("listen"))?;
    let listener = tokio::net::TcpListener::from_std(listener).map_err(system("listen"))?;
    if let Some(lifeline) = lifeline {
        watch(lifeline, shutdown.clone()).map_err(system("watch standard input"))?;
    }
    let reaper = Arc::clone(&server);
    let ended = shutdown.clone();
    runtime::task::spawn("clickhouse-sessions", async move {
        tokio::select! {
            () = reaper.reap() => {}
            () = ended.cancelled() => {}
        }
    });
    if supervised {
        tell(&format!("ready {address}"));
    }
    tracing::info!(%address, "embedded ClickHouse is ready");
    let serving = axum::serve(listener, router(server))
        .with_graceful_shutdown(shutdown.clone().cancelled_owned());
    tokio::select! {
        served = async { serving.await } => served.map_err(system("serve")),
        () = async { shutdown.cancelled().await; tokio::time::sleep(DRAIN).await } => Ok(()),
    }
}

/// One process per folder. The lock lives as long as the file is open. Waits for so long for another
/// process to let go.
fn lock(root: &Path, patience: Duration) -> Result<File, Error> {
    let path = root.join("lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|source| Error::Folder { path, source })?;
    let deadline = Instant::now() + patience;
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(_) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(20)),
            Err(_) => return Err(Error::InUse { path: root.to_owned() }),
        }
    }
}

/// Confines this thread and those it will start; gives the reason why the read-only user is not served, if it must not be.
fn seal(root: &Path, library: &Path, allow: bool) -> Result<Option<String>, Error> {
    let engine = root.join("engine");
    let config = root.join("config");
    // The configuration is written after this, so its folder is changeable too: it holds no secret.
    let confined = confine(&engine, &config, &[library]).unwrap_or_else(|error| {
        tracing::warn!(%error, "the kernel refused to confine the embedded ClickHouse");
        Confined::No
    });
    match confined {
        Confined::Whole => Ok(None),
        Confined::Files => {
            tracing::info!("this kernel confines files but not connections; the engine's grants refuse url() and its like");
            Ok(None)
        }
        Confined::No if allow => {
            tracing::warn!("the embedded ClickHouse is not confined (no Landlock): its read-only user can read this user's files with file()");
            Ok(None)
        }
        Confined::No => Ok(Some(
            "the read-only user is not served, because this kernel cannot confine the engine to its folder (Landlock, Linux 5.13); \
             allow it with --allow-unconfined-reader"
                .to_owned(),
        )),
    }
}

/// Takes standard input away from the engine, which would read it as INSERT data.
fn take_stdin() -> io::Result<File> {
    let lifeline: OwnedFd = rustix::io::dup(rustix::stdio::stdin())?;
    let null = File::open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    Ok(File::from(lifeline))
}

/// Stops when the supervisor's end of standard input closes, which also happens when it is killed.
fn watch(mut lifeline: File, shutdown: CancellationToken) -> io::Result<()> {
    let watch = move || {
        let mut byte = [0];
        loop {
            match lifeline.read(&mut byte) {
                Ok(1..) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => break,
            }
        }
        shutdown.cancel();
        // An engine that hangs must not outlive its supervisor.
        std::thread::sleep(DRAIN * 3);
        tracing::error!("the embedded ClickHouse did not stop in time and is killed");
        #[expect(clippy::let_underscore_must_use, reason = "there is nothing left to do about it")]
        let _ =
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    };
    std::thread::Builder::new().name("lifeline".into()).spawn(watch).map(drop)
}

/// One line for the supervisor.
fn tell(line: &str) {
    let mut out = io::stdout().lock();
    if writeln!(out, "{}", line.replace('\n', " ")).and_then(|()| out.flush()).is_err() {
        tracing::debug!("nobody reads standard output");
    }
}
