//! Processes that a test starts, kills and waits for, each by its own id.

use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};

/// How long a process may take to do what it is waited for.
pub const PATIENCE: Duration = Duration::from_secs(240);
const STEP: Duration = Duration::from_millis(10);

/// A running process; it is killed when it is dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
}

impl Process {
    /// Starts a command; what it prints is appended to `log`.
    ///
    /// # Errors
    /// The program does not exist, or the log can't be written.
    pub fn start(name: &str, command: &mut Command, log: &Path) -> anyhow::Result<Self> {
        let log = File::options().create(true).append(true).open(log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("start {name}"))?;
        Ok(Self { name: name.to_owned(), child })
    }

    /// Its id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Kills it with SIGKILL and waits for its end.
    ///
    /// # Errors
    /// It could not be waited for.
    pub fn kill(&mut self) -> anyhow::Result<ExitStatus> {
        self.child.kill().with_context(|| format!("kill {}", self.name))?;
        self.child.wait().with_context(|| format!("wait for {}", self.name))
    }

    /// Kills it and all that it started with SIGKILL, and waits until they are gone.
    ///
    /// # Errors
    /// One of them lives on.
    pub fn kill_tree(&mut self) -> anyhow::Result<()> {
        let started = crate::load::proc::tree(self.child.id());
        self.kill()?;
        for id in started.into_iter().skip(1) {
            if let Some(pid) = i32::try_from(id).ok().and_then(Pid::from_raw) {
                // it may have died with its parent
                drop(kill_process(pid, Signal::KILL).map_err(std::io::Error::from));
            }
            let deadline = Instant::now() + PATIENCE;
            while Path::new(&format!("/proc/{id}")).exists() {
                anyhow::ensure!(Instant::now() < deadline, "{id} of {} lives on", self.name);
                std::thread::sleep(STEP);
            }
        }
        Ok(())
    }

    /// Stops it in its tracks (SIGSTOP): it holds what it holds, its peers wait.
    ///
    /// # Errors
    /// It does not run.
    pub fn pause(&self) -> anyhow::Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on after [`pause`](Self::pause).
    ///
    /// # Errors
    /// It does not run.
    pub fn resume(&self) -> anyhow::Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.with_context(|| format!("{} has no id", self.name))?;
        kill_process(pid, signal).with_context(|| format!("{signal:?} to {}", self.name))
    }

    /// Asks it to stop and waits for its end.
    ///
    /// # Errors
    /// It did not stop in time.
    pub fn stop(mut self) -> anyhow::Result<ExitStatus> {
        if self.signal(Signal::TERM).is_err() {
            return Ok(self.child.wait()?);
        }
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(STEP);
        }
        bail!("{} did not stop within {PATIENCE:?}", self.name)
    }

    /// Waits until `ready` says yes.
    ///
    /// # Errors
    /// The process ended, or the time passed.
    pub fn until(&mut self, what: &str, mut ready: impl FnMut() -> bool) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !ready() {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended before it {what}: {status}", self.name);
            }
            if Instant::now() > deadline {
                bail!("{} {what} not within {PATIENCE:?}", self.name);
            }
            std::thread::sleep(STEP);
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // an ended process can't be killed, and that is fine
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Ports for what is to listen. They are below those that Linux gives to connections (from 32768): of so many
/// that tests make, one would now and then have a port before its listener does.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// A free address on loopback, each time another. The port behind it is free too: a broker's controller takes it.
///
/// # Errors
/// No port is free.
pub fn free_address() -> std::io::Result<SocketAddr> {
    static FIRST: LazyLock<usize> = LazyLock::new(|| rand::random::<u16>().into());
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let mut last = std::io::ErrorKind::AddrInUse.into();
    for _ in PORTS.step_by(2) {
        let at = FIRST.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % (PORTS.len() / 2);
        let port = PORTS.start + 2 * u16::try_from(at).unwrap_or(0);
        let both = [port, port + 1].map(|port| TcpListener::bind(("127.0.0.1", port)));
        match both {
            [Ok(first), Ok(_)] => return first.local_addr(),
            [Err(error), _] | [_, Err(error)] => last = error,
        }
    }
    Err(last)
}

/// Whether something accepts connections there.
pub fn listens(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_ok()
}
