//! The settings of a hub process: one TOML file and the `HUB_` environment.

mod clickhouse;
mod instance;
mod listeners;
mod log;
mod probes;
mod registry;
mod signin;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gateway::config::{
    AccountSeed, DiscoveryConfig, KeySeed, Limits, ModelSeed, OutboxConfig, ProviderSeed,
    RoutingConfig, Unpriced, UpstreamConfig,
};
use processors::health::Thresholds;
use runtime::config::Time;
use runtime::secret::SecretRef;
use serde::{Deserialize, Serialize};

use crate::peer::Proxies;

pub use self::clickhouse::ClickhouseConfig;
pub use self::instance::Instance;
pub use self::listeners::{ForwardedHeader, TlsConfig};
pub use self::log::{KafkaConfig, KafkaSasl, KafkaTls, LogConfig, LogKind, SaslMechanism};
pub use self::probes::ProbesConfig;
pub use self::registry::RegistryConfig;
pub use self::signin::{OidcConfig, SigninConfig};

/// Everything that can be set. What it says of providers, models, keys, accounts and prices is a
/// seed; the rest are settings of this process.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where callers connect. Loopback unless told otherwise.
    pub listen: String,
    /// Where operators find the admin API, `/status`, `/metrics`, `/healthz` and `/readyz`.
    pub admin_listen: String,
    /// Where `/metrics`, `/healthz` and `/readyz` are too, and nothing else: for who collects them from another machine.
    /// Never TLS.
    pub metrics_listen: Option<String>,
    /// What both listeners show.
    pub tls: TlsConfig,
    /// What `admin_listen` shows, where that is something else.
    pub admin_tls: TlsConfig,
    /// Lets callers and operators connect without TLS to an address that is not loopback: keys and prompts then cross
    /// the network readable, and changeable, by anyone on it. For a network of containers, or a proxy that speaks TLS.
    pub insecure_plaintext: bool,
    /// Networks of proxies, such as `10.0.0.0/8`, that are believed for whom they ask.
    pub trusted_proxies: Vec<String>,
    /// Where they write it; the other header is not looked at.
    pub forwarded_header: ForwardedHeader,
    /// The data folder: log, outbox, ClickHouse, secrets.
    pub data: PathBuf,
    /// The master key, which wraps the keys of all secrets: `env:NAME`, `file:PATH`, or itself, 32 bytes in base64. When
    /// not given, the one in the data folder, made at first start. All gateways of a cluster need the same.
    pub master_key: Option<SecretRef>,
    /// Which of several processes of a role this is: each takes its own partitions.
    pub instance: Instance,
    /// How many there are.
    pub instances: u32,
    /// A processor that has more records of an input before it is not ready; as many as there are
    /// when not given.
    pub ready_lag: Option<u64>,
    /// The log.
    pub log: LogConfig,
    /// Where the ids of schemas come from.
    pub registry: RegistryConfig,
    /// ClickHouse, embedded or elsewhere.
    pub clickhouse: ClickhouseConfig,
    /// Logs, metrics and traces.
    pub telemetry: TelemetryConfig,
    /// The page that tells how models do.
    pub status: StatusConfig,
    /// How people sign in.
    pub signin: SigninConfig,
    /// Requests to targets that nobody asks, to see whether they are well.
    pub probes: ProbesConfig,
    /// When health changes its mind; the same for all processes, and for a replay.
    pub health: Thresholds,
    /// The writer of ClickHouse's tables.
    pub sink: SinkConfig,
    /// Bounds on what a caller may send and how long it may take.
    pub limits: Limits,
    /// The outbox between the request path and the log.
    pub outbox: OutboxConfig,
    /// How providers are reached.
    pub upstream: UpstreamConfig,
    /// What is left alone when it fails, and how many second tries are spent.
    pub routing: RoutingConfig,
    /// How providers are asked for their models.
    pub discovery: DiscoveryConfig,
    /// What happens to calls of metered accounts for models without a price.
    pub unpriced: Unpriced,
    /// More OpenAI-compatible vendors, in the shape of the shipped `gateway/providers.toml`.
    pub vendors_file: Option<PathBuf>,
    /// A price list in the shape of the shipped `schemas/catalogue.csv`; its models replace
    /// shipped ones.
    pub prices_file: Option<PathBuf>,
    /// What is known of models, in the shape of the shipped `gateway/models.csv`; its rows replace
    /// shipped ones.
    pub models_file: Option<PathBuf>,
    /// Providers beside those that the environment names.
    pub providers: Vec<ProviderSeed>,
    /// Models by the name that callers use, beside those of the price lists.
    pub models: Vec<ModelSeed>,
    /// API keys beside the one that is made at first start.
    pub keys: Vec<KeySeed>,
    /// Accounts; a key's account that is not listed is metered.
    pub accounts: Vec<AccountSeed>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8787".into(),
            admin_listen: "127.0.0.1:8788".into(),
            metrics_listen: None,
            tls: TlsConfig::default(),
            admin_tls: TlsConfig::default(),
            insecure_plaintext: false,
            trusted_proxies: Vec::new(),
            forwarded_header: ForwardedHeader::default(),
            data: "data".into(),
            master_key: None,
            instance: Instance::default(),
            instances: 1,
            ready_lag: None,
            log: LogConfig::default(),
            registry: RegistryConfig::default(),
            clickhouse: ClickhouseConfig::default(),
            telemetry: TelemetryConfig::default(),
            status: StatusConfig::default(),
            signin: SigninConfig::default(),
            probes: ProbesConfig::default(),
            health: Thresholds::default(),
            sink: SinkConfig::default(),
            limits: Limits::default(),
            outbox: OutboxConfig::default(),
            upstream: UpstreamConfig::default(),
            routing: RoutingConfig::default(),
            discovery: DiscoveryConfig::default(),
            unpriced: Unpriced::default(),
            vendors_file: None,
            prices_file: None,
            models_file: None,
            providers: Vec::new(),
            models: Vec::new(),
            keys: Vec::new(),
            accounts: Vec::new(),
        }
    }
}

/// Logs, metrics and traces.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetryConfig {
    /// `pretty` or `json`.
    pub format: LogFormat,
    /// What is logged, such as `info` or `gateway=debug,info`.
    pub filter: String,
    /// OTLP over HTTP, such as `http://127.0.0.1:4318`; `OTEL_EXPORTER_OTLP_ENDPOINT` when not set.
    pub otlp_endpoint: Option<String>,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self { format: LogFormat::Pretty, filter: "info".into(), otlp_endpoint: None }
    }
}

/// How log lines look.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// For machines.
    Json,
}

/// `/status`, `/status.json` and `/status/events`.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StatusConfig {
    /// Whether callers' listener has them too, for anybody; else only the operators' has.
    pub public: bool,
}

/// The writer of ClickHouse's tables.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SinkConfig {
    /// A batch is written when it has this many rows …
    pub rows: usize,
    /// … or its first row has waited this long.
    pub age: Time,
}

impl Default for SinkConfig {
    fn default() -> Self {
        Self { rows: 50_000, age: Time(Duration::from_millis(500)) }
    }
}

impl Config {
    /// What the types of the fields alone do not say.
    ///
    /// # Errors
    /// Names the field and what would be right.
    pub fn check(&self) -> anyhow::Result<()> {
        self.share()?;
        self.tls.check("tls")?;
        self.admin_tls.check("admin_tls")?;
        self.proxies()?;
        self.registry.check()?;
        self.log.check()?;
        self.health.check().map_err(anyhow::Error::msg)?;
        self.signin.check()?;
        self.clickhouse.check()
    }

    /// Certificate and key of `admin_listen`, where it speaks TLS.
    pub(crate) fn admin_files(&self) -> Option<(&Path, &Path)> {
        self.admin_tls.files().or_else(|| self.tls.files())
    }

    /// Whom to believe for whom they ask.
    ///
    /// # Errors
    /// Names what is no network.
    pub(crate) fn proxies(&self) -> anyhow::Result<Proxies> {
        listeners::proxies(&self.trusted_proxies, self.forwarded_header)
    }
}

/// Variables that belong to the project's scripts, not to the configuration.
const IGNORED: &[&str] = &[
    "HUB_CONFIG",
    "HUB_CACHE",
    "HUB_COMMIT",
    "HUB_BINARY",
    "HUB_TOKEN",
    "HUB_ADMIN_URL",
    "HUB_ADMIN_CA",
    "HUB_TEST_*",
];

/// The environment, read once.
pub type Environment = HashMap<String, String>;

/// Reads the file, if one is named, and the environment over it.
///
/// # Errors
/// Names the field and what would be right.
pub fn load(file: Option<&Path>, environment: &Environment) -> anyhow::Result<Config> {
    let variables = environment.iter().map(|(name, value)| (name.clone(), value.clone()));
    let config: Config = runtime::config::load(file, variables, IGNORED)?;
    config.check()?;
    Ok(config)
}
