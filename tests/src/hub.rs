//! A hub from outside: its settings in a folder, its roles as processes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::process::{Process, free_address};

/// A provider of the hub's that speaks OpenAI's format.
#[derive(Clone, Debug)]
pub struct Provider {
    /// Its id.
    pub id: String,
    /// Base URL with `/v1`.
    pub url: String,
    /// Models that it serves.
    pub models: Vec<String>,
}

/// Roles that have an operators' listener of their own when they run apart from the gateway.
const APART: [&str; 4] = ["clickhouse", "billing", "health", "sink"];

/// Hubs of one log open the same secrets: 32 bytes of a test in base64.
const MASTER_KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// Settings and data of one hub.
#[derive(Clone, Debug)]
pub struct Hub {
    binary: PathBuf,
    folder: PathBuf,
    /// The API.
    pub listen: SocketAddr,
    /// Operators' listener of the whole hub, or of its gateway.
    pub admin: SocketAddr,
    /// Those of the other roles when they run apart.
    apart: BTreeMap<&'static str, SocketAddr>,
    /// The embedded ClickHouse.
    pub clickhouse: SocketAddr,
    /// An API key.
    pub key: String,
}

impl Hub {
    /// Writes settings into `folder` for a hub on free ports. `more` is TOML put before the
    /// tables.
    ///
    /// # Errors
    /// The folder can't be written, or no port is free.
    pub fn new(
        binary: &Path,
        folder: &Path,
        providers: &[Provider],
        more: &str,
    ) -> anyhow::Result<Self> {
        let hub = Self {
            binary: binary.to_owned(),
            folder: folder.to_owned(),
            listen: free_address()?,
            admin: free_address()?,
            apart: APART
                .iter()
                .map(|role| Ok((*role, free_address()?)))
                .collect::<std::io::Result<_>>()?,
            clickhouse: free_address()?,
            key: "key-of-a-test-hub".to_owned(),
        };
        std::fs::create_dir_all(folder)?;
        let mut key = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(folder.join("key"))?;
        key.write_all(hub.key.as_bytes())?;
        std::fs::write(folder.join("hub.toml"), hub.settings(providers, more)?)?;
        Ok(hub)
    }

    fn settings(&self, providers: &[Provider], more: &str) -> anyhow::Result<String> {
        let mut out = format!("{more}\n");
        for Provider { id, url, models } in providers {
            write!(
                out,
                "[[providers]]\nid = {id:?}\nvendor = \"openai\"\nbase_url = {url:?}\nmodels = {models:?}\n\
                 credentials = [{{ id = \"main\", secret = \"upstream-key\" }}]\n\n"
            )?;
        }
        write!(
            out,
            "[[keys]]\nid = \"test\"\nsecret = \"file:{}\"\n",
            self.folder.join("key").display()
        )?;
        Ok(out)
    }

    /// The folder of settings, data and what roles print.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// What a role prints is appended here.
    pub fn log(&self, role: &str) -> PathBuf {
        self.folder.join(format!("{role}.log"))
    }

    /// All that a role printed.
    pub fn said(&self, role: &str) -> String {
        std::fs::read_to_string(self.log(role)).unwrap_or_default()
    }

    /// The end of what a role printed.
    pub fn tail(&self, role: &str) -> String {
        let text = self.said(role);
        let lines: Vec<&str> = text.lines().rev().take(20).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// Operators' listener of a role.
    pub fn admin_of(&self, role: &str) -> SocketAddr {
        self.apart.get(role).copied().unwrap_or(self.admin)
    }

    /// The command of a role or another subcommand, on this hub's settings.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let admin = self.admin_of(arguments.first().copied().unwrap_or_default());
        let mut command = Command::new(&self.binary);
        command
            .args(arguments)
            .arg("--config")
            .arg(self.folder.join("hub.toml"))
            .env("HUB_LISTEN", self.listen.to_string())
            .env("HUB_ADMIN_LISTEN", admin.to_string())
            .env("HUB_CLICKHOUSE_LISTEN", self.clickhouse.to_string())
            // the fakes count what they are asked
            .env("HUB_DISCOVERY_ENABLED", "false")
            .env("HUB_MASTER_KEY", MASTER_KEY)
            .env("HUB_DATA", self.data());
        command
    }

    /// Starts a role.
    ///
    /// # Errors
    /// The binary can't be started.
    pub fn start(&self, role: &str) -> anyhow::Result<Process> {
        Process::start(role, &mut self.command(&[role]), &self.log(role))
    }

    /// Whether the gateway says that it is ready.
    pub fn is_ready(&self) -> bool {
        matches!(get(self.listen, "/readyz"), Ok((200, _)))
    }
}

/// A plain GET.
///
/// # Errors
/// As [`ask`].
pub fn get(address: SocketAddr, path: &str) -> anyhow::Result<(u16, String)> {
    ask(address, "GET", path, None, "")
}

/// A request with a body of JSON, as the holder of a key.
///
/// # Errors
/// Nothing listens there, or what does is no HTTP server.
pub fn ask(
    address: SocketAddr,
    method: &str,
    path: &str,
    key: Option<&str>,
    body: &str,
) -> anyhow::Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(10))?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let key = key.map(|key| format!("authorization: Bearer {key}\r\n")).unwrap_or_default();
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{key}\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    match (status, body) {
        (Some(status), Some(body)) => Ok((status, body)),
        _ => anyhow::bail!("{address}{path}: no HTTP answer"),
    }
}
