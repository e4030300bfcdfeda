//! A real Kafka broker and a real schema registry as processes: killed, paused and started again
//! on the same port and data.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::hub::get;
use crate::process::{Process, free_address};

/// What a listener of a broker asks of its clients.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Listener {
    /// TLS with a client's certificate.
    Tls,
    /// User and password.
    Sasl,
    /// User and password, over TLS.
    SaslTls,
}

/// All of them, with the option of the start script.
const LISTENERS: [(Listener, &str); 3] =
    [(Listener::Tls, "--ssl"), (Listener::Sasl, "--sasl"), (Listener::SaslTls, "--sasl-ssl")];

/// A Kafka broker of one node; it is killed when it is dropped.
#[derive(Debug)]
pub struct Kafka {
    server: Server,
    folder: PathBuf,
    address: SocketAddr,
    secured: Vec<(Listener, SocketAddr)>,
}

impl Kafka {
    /// Starts a broker with its data in `folder`, and waits until it serves.
    ///
    /// # Errors
    /// It ended, or does not serve in time.
    pub fn start(folder: &Path) -> anyhow::Result<Self> {
        Self::with(folder, Vec::new(), &[])
    }

    /// The same with settings of the broker that win over those of its start script.
    ///
    /// # Errors
    /// As [`Kafka::start`], or `folder` can't be written.
    pub fn configured(folder: &Path, settings: &[(String, String)]) -> anyhow::Result<Self> {
        Self::with(folder, Vec::new(), settings)
    }

    /// The same with all the listeners that ask for something, beside the plain one.
    ///
    /// # Errors
    /// As [`Kafka::start`].
    pub fn secured(folder: &Path) -> anyhow::Result<Self> {
        let listener = |(listener, _)| Ok((listener, free_address()?));
        let secured = LISTENERS.into_iter().map(listener).collect::<anyhow::Result<_>>()?;
        Self::with(folder, secured, &[])
    }

    fn with(
        folder: &Path,
        secured: Vec<(Listener, SocketAddr)>,
        settings: &[(String, String)],
    ) -> anyhow::Result<Self> {
        let address = free_address()?;
        let mut options = vec![("--port", address), ("--controller", free_address()?)];
        for (listener, at) in &secured {
            let option = LISTENERS.iter().find(|(known, _)| known == listener);
            options.extend(option.map(|(_, option)| (*option, *at)));
        }
        let more = folder.join("more.properties");
        let lines: Vec<String> =
            settings.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        std::fs::create_dir_all(folder)?;
        std::fs::write(&more, lines.concat())?;
        let mut arguments = vec!["--data".to_owned(), folder.display().to_string()];
        arguments.extend(["--properties".to_owned(), more.display().to_string()]);
        for (option, at) in options {
            arguments.extend([option.to_owned(), at.port().to_string()]);
        }
        let server = Server::start("broker", arguments, folder)?;
        let mut kafka = Self { server, folder: folder.to_owned(), address, secured };
        kafka.until_it_serves()?;
        Ok(kafka)
    }

    /// Where clients connect; nothing is asked of them there.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where clients of this kind connect, on a broker that was started [`secured`](Self::secured).
    pub fn listener(&self, listener: Listener) -> Option<SocketAddr> {
        self.secured.iter().find(|(known, _)| *known == listener).map(|(_, address)| *address)
    }

    /// Puts the log of a hub's command on this broker.
    pub fn keeps_log_of(&self, command: &mut Command) {
        for (name, value) in [
            ("KIND", "kafka"),
            ("KAFKA_BROKERS", &*self.address.to_string()),
            ("KAFKA_REPLICATION", "1"),
            ("KAFKA_MIN_INSYNC", "1"),
        ] {
            command.env(format!("HUB_LOG_{name}"), value);
        }
    }

    /// A file that was made for clients: `ca.pem`, `client.pem`, `client.key`, and `hub.password`
    /// with the password of the user `hub`.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.server.process
    }

    /// Starts it again on the same ports and data after it was killed, without waiting for it.
    ///
    /// # Errors
    /// It can't be started.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        self.server.restart()
    }

    /// Waits until it answers its clients.
    ///
    /// # Errors
    /// It ended, or the time passed.
    pub fn until_it_serves(&mut self) -> anyhow::Result<()> {
        let address = self.address;
        self.server.process.until("serves", || answers(address).is_ok())
    }
}

/// Asks for the versions that a broker speaks, which is answered once it has taken up its work.
fn answers(address: SocketAddr) -> std::io::Result<()> {
    /// Length, kind 18, version 0, correlation 0, no client id.
    const VERSIONS: &[u8] = b"\0\0\0\x0a\0\x12\0\0\0\0\0\0\xff\xff";
    let wait = Duration::from_millis(500);
    let mut stream = TcpStream::connect_timeout(&address, wait)?;
    stream.set_read_timeout(Some(wait))?;
    stream.write_all(VERSIONS)?;
    stream.read_exact(&mut [0; 8])
}

/// A schema registry that keeps its schemas on a broker; it is killed when it is dropped.
#[derive(Debug)]
pub struct Registry {
    server: Server,
    address: SocketAddr,
}

impl Registry {
    /// Starts a registry on this broker, with its files in `folder`, and waits until it serves.
    ///
    /// # Errors
    /// It ended, or does not serve in time.
    pub fn start(kafka: SocketAddr, folder: &Path) -> anyhow::Result<Self> {
        let address = free_address()?;
        let arguments = [
            ("--port", address.port().to_string()),
            ("--kafka", kafka.to_string()),
            ("--data", folder.display().to_string()),
        ];
        let arguments =
            arguments.into_iter().flat_map(|(option, value)| [option.to_owned(), value]);
        let server = Server::start("registry", arguments.collect(), folder)?;
        let mut registry = Self { server, address };
        registry.until_it_serves()?;
        Ok(registry)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Confluent's API.
    pub fn url(&self) -> String {
        format!("http://{}/apis/ccompat/v7", self.address)
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.server.process
    }

    /// Starts it again on the same port and data after it was killed, without waiting for it.
    ///
    /// # Errors
    /// It can't be started.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        self.server.restart()
    }

    /// Waits until it answers its clients.
    ///
    /// # Errors
    /// It ended, or the time passed.
    pub fn until_it_serves(&mut self) -> anyhow::Result<()> {
        let subjects = || get(self.address, "/apis/ccompat/v7/subjects");
        self.server.process.until("serves", || matches!(subjects(), Ok((200, _))))
    }
}

/// A start script of `infra/deploy/kafka`, which becomes the server itself.
#[derive(Debug)]
struct Server {
    name: &'static str,
    arguments: Vec<String>,
    log: PathBuf,
    process: Process,
}

impl Server {
    fn start(name: &'static str, arguments: Vec<String>, folder: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let log = folder.join(format!("{name}.log"));
        let process = launch(name, &arguments, &log)?;
        Ok(Self { name, arguments, log, process })
    }

    fn restart(&mut self) -> anyhow::Result<()> {
        self.process = launch(self.name, &self.arguments, &self.log)?;
        Ok(())
    }
}

fn launch(name: &str, arguments: &[String], log: &Path) -> anyhow::Result<Process> {
    let scripts = concat!(env!("CARGO_MANIFEST_DIR"), "/../infra/deploy/kafka");
    Process::start(name, Command::new(scripts.to_owned() + "/" + name).args(arguments), log)
}
