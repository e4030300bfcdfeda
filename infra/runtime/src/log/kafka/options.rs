//! How a Kafka log is reached, and what its clients are set to.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

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
