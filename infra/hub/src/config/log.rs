//! Where the log is: a file of the data folder, or a Kafka cluster.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use runtime::config::Time;
use runtime::log::kafka;
use runtime::secret::SecretRef;
use serde::{Deserialize, Serialize};

use super::Environment;

/// The log.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// What it is kept in.
    pub kind: LogKind,
    /// Partitions of each partitioned topic. Fixed when the log is made.
    pub partitions: u32,
    /// How long a gateway serves on from what it has read when the log is away.
    pub max_stale: Time,
    /// The cluster, when the log is kept in Kafka.
    pub kafka: KafkaConfig,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            kind: LogKind::Local,
            partitions: 4,
            max_stale: Time::from_secs(60 * 60),
            kafka: KafkaConfig::default(),
        }
    }
}

/// What the log is kept in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogKind {
    /// A file of the data folder: all roles on one machine.
    Local,
    /// A Kafka cluster: roles and gateways anywhere.
    Kafka,
}

/// A Kafka cluster.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KafkaConfig {
    /// Some of the brokers, each `host:port`.
    pub brokers: Vec<String>,
    /// Before each name that is used there: several hubs can share a cluster.
    pub prefix: String,
    /// Replicas of topics that are made by a hub.
    pub replication: u16,
    /// Replicas that must have a record before it counts as written, in topics made by a hub.
    pub min_insync: u16,
    /// What brokers know this process as, in their logs and quotas.
    pub client_id: String,
    /// How long an operation waits for the brokers before it fails.
    pub patience: Time,
    /// A transaction that is left open for so long is aborted by the broker.
    pub transaction: Time,
    /// Given: brokers are reached over TLS.
    pub tls: Option<KafkaTls>,
    /// Given: who we are.
    pub sasl: Option<KafkaSasl>,
    /// More settings of librdkafka by their own names, for what has no setting here.
    pub options: BTreeMap<String, String>,
}

impl Default for KafkaConfig {
    fn default() -> Self {
        let default = kafka::Options::new("", 1);
        Self {
            brokers: Vec::new(),
            prefix: default.prefix,
            replication: default.replication,
            min_insync: default.min_insync,
            client_id: default.client_id,
            patience: Time(default.patience),
            transaction: Time(default.transaction),
            tls: None,
            sasl: None,
            options: default.more,
        }
    }
}

/// TLS to the brokers. One field of it is enough to switch it on.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KafkaTls {
    /// For who has nothing else to say; `false` switches it off again.
    pub enabled: bool,
    /// Certificates of the authorities that are trusted, PEM; the system's when not given.
    pub ca: Option<PathBuf>,
    /// Our certificate, PEM, where brokers want one.
    pub certificate: Option<PathBuf>,
    /// Its key, PEM.
    pub key: Option<PathBuf>,
}

impl Default for KafkaTls {
    fn default() -> Self {
        Self { enabled: true, ca: None, certificate: None, key: None }
    }
}

/// Who we are.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KafkaSasl {
    /// How it is proven.
    pub mechanism: SaslMechanism,
    /// The user.
    pub user: String,
    /// Its password.
    pub password: SecretRef,
}

/// How a user is proven.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum SaslMechanism {
    /// The password as it is: over TLS only.
    #[serde(rename = "PLAIN")]
    Plain,
    /// By SHA-256.
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    /// By SHA-512.
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
}

impl SaslMechanism {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

impl LogConfig {
    /// What the type alone does not say.
    ///
    /// # Errors
    /// Names the field and what would be right.
    pub fn check(&self) -> anyhow::Result<()> {
        let kafka = &self.kafka;
        match (self.kind, kafka.brokers.is_empty()) {
            (LogKind::Kafka, true) => bail!(
                "log.kafka.brokers (HUB_LOG_KAFKA_BROKERS) must name at least one broker, such as kafka:9092, when log.kind is kafka"
            ),
            (LogKind::Local, false) => bail!(
                "log.kafka.brokers is set, but log.kind (HUB_LOG_KIND) is local: set it to kafka, or name no brokers"
            ),
            (LogKind::Kafka, false) | (LogKind::Local, true) => {}
        }
        for broker in &kafka.brokers {
            let port = broker
                .rsplit_once(':')
                .and_then(|(host, port)| (!host.is_empty()).then(|| port.parse::<u16>().ok())?);
            ensure!(
                port.is_some(),
                "log.kafka.brokers: {broker:?} is not host:port, such as kafka:9092"
            );
        }
        ensure!(kafka.replication > 0, "log.kafka.replication must be at least 1");
        ensure!(
            (1..=kafka.replication).contains(&kafka.min_insync),
            "log.kafka.min_insync is {}: it must be from 1 to log.kafka.replication, {}",
            kafka.min_insync,
            kafka.replication
        );
        let times = [
            ("max_stale", self.max_stale),
            ("kafka.patience", kafka.patience),
            ("kafka.transaction", kafka.transaction),
        ];
        for (name, time) in times {
            ensure!(
                time.get() >= Duration::from_secs(1),
                "log.{name} is {time}: it must be at least 1s"
            );
        }
        if let Some(tls) = &kafka.tls {
            ensure!(
                tls.certificate.is_some() == tls.key.is_some(),
                "log.kafka.tls.certificate and log.kafka.tls.key go together: give both or none"
            );
        }
        Ok(())
    }

    /// How the log on Kafka is opened.
    ///
    /// # Errors
    /// The password can't be read.
    pub fn kafka_options(&self, environment: &Environment) -> anyhow::Result<kafka::Options> {
        let KafkaConfig { tls, sasl, .. } = &self.kafka;
        let tls = tls.as_ref().filter(|tls| tls.enabled).map(|tls| kafka::Tls {
            ca: tls.ca.clone(),
            certificate: tls.certificate.clone().zip(tls.key.clone()),
        });
        let sasl = sasl.as_ref().map(|sasl| {
            let password = sasl.password.resolve(|name| environment.get(name).cloned());
            anyhow::Ok(kafka::Sasl {
                mechanism: sasl.mechanism.as_str().to_owned(),
                user: sasl.user.clone(),
                password: password.context("log.kafka.sasl.password")?,
            })
        });
        Ok(kafka::Options {
            prefix: self.kafka.prefix.clone(),
            replication: self.kafka.replication,
            min_insync: self.kafka.min_insync,
            client_id: self.kafka.client_id.clone(),
            tls,
            sasl: sasl.transpose()?,
            patience: self.kafka.patience.into(),
            transaction: self.kafka.transaction.into(),
            more: self.kafka.options.clone(),
            ..kafka::Options::new(self.kafka.brokers.join(","), self.partitions)
        })
    }
}
