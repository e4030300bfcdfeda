//! How a Kafka log is reached, and what its clients are set to.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rdkafka::ClientConfig;

use crate::log::{Error, Result, WriterId};
use crate::secret::Secret;

/// How a Kafka log is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Some of the brokers, `host:port` with commas between them.
    pub brokers: String,
    /// Before each topic's name, group and transactional id: several hubs can share a cluster.
    pub prefix: String,
    /// Partitions of the partitioned topics; never changes once the topics are made.
    pub partitions: u32,
    /// Replicas of topics that are made here.
    pub replication: u16,
    /// Replicas that must have a record before it counts as written, for topics made here.
    pub min_insync: u16,
    /// What brokers know this process as, in their logs and quotas.
    pub client_id: String,
    /// TLS, when brokers are reached over it.
    pub tls: Option<Tls>,
    /// Who we are, when brokers want to know.
    pub sasl: Option<Sasl>,
    /// How long an operation waits for the brokers before it fails as unavailable.
    pub patience: Duration,
    /// A transaction that is left open for so long is aborted by the broker.
    pub transaction: Duration,
    /// More settings of librdkafka, over those made here; what the guarantees rest on is refused.
    pub more: BTreeMap<String, String>,
}

/// TLS to the brokers.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// Certificates of the authorities that are trusted; the system's when not given.
    pub ca: Option<PathBuf>,
    /// Our certificate and its key, when brokers want one.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

/// Who we are.
#[derive(Clone, Debug)]
pub struct Sasl {
    /// `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`.
    pub mechanism: String,
    /// The user.
    pub user: String,
    /// Its password.
    pub password: Secret,
}

impl Options {
    /// The defaults for these brokers and this many partitions.
    pub fn new(brokers: impl Into<String>, partitions: u32) -> Self {
        Self {
            brokers: brokers.into(),
            prefix: String::new(),
            partitions,
            replication: 3,
            min_insync: 2,
            client_id: "hub".to_owned(),
            tls: None,
            sasl: None,
            patience: Duration::from_secs(15),
            transaction: Duration::from_secs(30),
            more: BTreeMap::new(),
        }
    }
}

/// Settings that the guarantees of the log rest on, and those that have a field of their own.
const OWN: [&str; 21] = [
    "bootstrap.servers",
    "metadata.broker.list",
    "client.id",
    "group.id",
    "security.protocol",
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.username",
    "sasl.password",
    "acks",
    "request.required.acks",
    "enable.idempotence",
    "enable.gapless.guarantee",
    "message.timeout.ms",
    "delivery.timeout.ms",
    "transactional.id",
    "transaction.timeout.ms",
    "isolation.level",
    "enable.auto.commit",
    "enable.partition.eof",
    "auto.offset.reset",
];

/// How long a request may take before its connection is given up.
const SOCKET: Duration = Duration::from_secs(15);

/// The largest request that a producer sends: a record of the largest size, with its frame.
const REQUEST_BYTES: &str = "16000000";

impl Options {
    /// Refuses what can't be meant.
    ///
    /// # Errors
    /// [`Error::Settings`] names the field.
    pub(super) fn check(&self) -> Result<()> {
        let refuse = |field: &str, why: &str| {
            Err(Error::Settings { field: format!("log.kafka.{field}"), why: why.to_owned() })
        };
        if self.brokers.trim().is_empty() {
            return refuse("brokers", "is empty: name some brokers as host:port,host:port");
        }
        if self.min_insync == 0 || self.min_insync > self.replication {
            return refuse("min_insync", "must be from 1 to the number in log.kafka.replication");
        }
        if self.transaction < Duration::from_secs(1) {
            return refuse("transaction", "must be at least 1s: a step must fit into it");
        }
        let tls = self.tls.clone().unwrap_or_default();
        let (certificate, key) = tls.certificate.unzip();
        for (field, file) in [("ca", tls.ca), ("certificate", certificate), ("key", key)] {
            if let Some(Err(error)) = file.as_ref().map(std::fs::File::open) {
                let file = file.unwrap_or_default();
                let why = format!("can't be read from {}: {error}", file.display());
                return refuse(&format!("tls.{field}"), &why);
            }
        }
        if let Some(name) = self.more.keys().find(|name| OWN.contains(&name.as_str())) {
            let why = "is set by the hub: its guarantees rest on it, or it has a field of its own";
            return refuse(&format!("options.{name}"), why);
        }
        Ok(())
    }

    /// What all clients are set to.
    pub(super) fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        let protocol = match (&self.tls, &self.sasl) {
            (None, None) => "plaintext",
            (Some(_), None) => "ssl",
            (None, Some(_)) => "sasl_plaintext",
            (Some(_), Some(_)) => "sasl_ssl",
        };
        config
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", &self.client_id)
            .set("security.protocol", protocol)
            .set("allow.auto.create.topics", "false")
            .set("socket.keepalive.enable", "true")
            .set("socket.timeout.ms", SOCKET.as_millis().to_string())
            .set("socket.connection.setup.timeout.ms", "10000")
            // a broker that restarts is found again within a second
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "1000")
            .set("retry.backoff.max.ms", "500")
            .set("topic.metadata.refresh.interval.ms", "60000");
        if let Some(tls) = &self.tls {
            let path = |path: &Path| path.display().to_string();
            if let Some(ca) = &tls.ca {
                config.set("ssl.ca.location", path(ca));
            }
            if let Some((certificate, key)) = &tls.certificate {
                config.set("ssl.certificate.location", path(certificate));
                config.set("ssl.key.location", path(key));
            }
        }
        if let Some(sasl) = &self.sasl {
            config
                .set("sasl.mechanism", &sasl.mechanism)
                .set("sasl.username", &sasl.user)
                .set("sasl.password", sasl.password.expose());
        }
        config
    }

    /// Settings of the operator go over those of the kind of client.
    fn with_more(&self, mut config: ClientConfig) -> ClientConfig {
        for (name, value) in &self.more {
            config.set(name, value);
        }
        config
    }

    /// A client that asks about topics and ends; it sees what is not committed yet, too.
    pub(super) fn query(&self) -> ClientConfig {
        let mut config = self.client();
        config.set("isolation.level", "read_uncommitted");
        self.with_more(config)
    }

    /// A client that reads one partition.
    pub(super) fn reader(&self) -> ClientConfig {
        let mut config = self.client();
        config
            // a consumer needs a group to be told what to read; it never joins it
            .set("group.id", format!("{}hub-reader", self.prefix))
            .set("isolation.level", "read_committed")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .set("enable.partition.eof", "true")
            .set("check.crcs", "true")
            .set("queued.min.messages", "20000")
            .set("queued.max.messages.kbytes", "8192")
            .set("fetch.queue.backoff.ms", "10")
            .set("fetch.error.backoff.ms", "100");
        self.with_more(config)
    }

    /// A client that appends.
    pub(super) fn producer(&self) -> ClientConfig {
        let mut config = self.client();
        config
            .set("acks", "all")
            .set("enable.idempotence", "true")
            // who appends gives up by itself, and then begins anew from what is known to be there
            .set("message.timeout.ms", "0")
            .set("enable.gapless.guarantee", "true")
            .set("linger.ms", "1")
            .set("compression.type", "lz4")
            .set("message.max.bytes", REQUEST_BYTES)
            .set("queue.buffering.max.kbytes", "65536");
        self.with_more(config)
    }

    /// A client that commits steps under a writer's id.
    pub(super) fn writer(&self, id: &WriterId) -> ClientConfig {
        let transaction = self.transaction.as_millis().to_string();
        let mut config = self.client();
        config
            .set("transactional.id", self.group(id))
            .set("transaction.timeout.ms", &transaction)
            .set("socket.timeout.ms", self.transaction.min(SOCKET).as_millis().to_string())
            .set("message.timeout.ms", &transaction)
            .set("linger.ms", "1")
            .set("compression.type", "lz4")
            .set("message.max.bytes", REQUEST_BYTES)
            .set("queue.buffering.max.messages", "1000000")
            .set("queue.buffering.max.kbytes", "131072");
        self.with_more(config)
    }

    /// A client that reads and writes a writer's committed inputs.
    pub(super) fn inputs(&self, id: &WriterId) -> ClientConfig {
        let mut config = self.client();
        config
            .set("group.id", self.group(id))
            // committed means stable: what a transaction is about to commit is waited for
            .set("isolation.level", "read_committed")
            .set("enable.auto.commit", "false")
            // how long a commit of offsets looks for the group's coordinator
            .set("session.timeout.ms", "10000");
        self.with_more(config)
    }

    /// The writer's name in the cluster: its group and its transactional id.
    pub(super) fn group(&self, id: &WriterId) -> String {
        format!("{}hub.{}", self.prefix, id.0)
    }

    /// What a topic is called in the cluster.
    pub(super) fn topic(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}
