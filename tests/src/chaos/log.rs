//! Where a hub keeps its log, seen from outside.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use runtime::clock::Clock;
use runtime::log::Log;
use runtime::log::kafka::{self, KafkaLog};
use runtime::log::local::{self, LocalLog};
use runtime::registry;
use runtime::task::Tasks;
use schemas::wire::Codec;

use super::PARTITIONS;

/// Before the names of topics, groups and transactions: chaos shares the cluster with others.
const PREFIX: &str = "chaos.";

/// Where a hub keeps its log.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// In this file.
    File(PathBuf),
    /// In a Kafka cluster.
    Kafka {
        /// Of its brokers.
        broker: SocketAddr,
        /// Where schema ids come from; the hub's own when not given.
        registry: Option<String>,
    },
}

impl Place {
    /// What a hub's settings say of it.
    pub(super) fn settings(&self) -> String {
        match self {
            Self::File(_) => format!("[log]\npartitions = {PARTITIONS}\n"),
            Self::Kafka { broker, registry } => {
                let registry = registry.as_ref().map(|url| format!("[registry]\nurl = {url:?}\n"));
                format!(
                    "[log]\nkind = \"kafka\"\npartitions = {PARTITIONS}\n[log.kafka]\nbrokers = [\"{broker}\"]\n\
                     prefix = \"{PREFIX}\"\nreplication = 1\nmin_insync = 1\n{}",
                    registry.unwrap_or_default()
                )
            }
        }
    }

    /// Opens it, beside the hub that writes it.
    ///
    /// # Errors
    /// It is not there.
    pub(super) async fn open(&self) -> anyhow::Result<Arc<dyn Log>> {
        match self {
            Self::File(file) => {
                Ok(LocalLog::open(file, local::Options::new(PARTITIONS, Clock::system()))?)
            }
            Self::Kafka { broker, .. } => {
                let options = kafka::Options {
                    prefix: PREFIX.to_owned(),
                    replication: 1,
                    min_insync: 1,
                    ..kafka::Options::new(broker.to_string(), PARTITIONS)
                };
                Ok(KafkaLog::open(options).await?)
            }
        }
    }
    /// What its events are read with. What the registry says is kept in `folder`.
    ///
    /// # Errors
    /// The registry is not there.
    pub(super) async fn codec(&self, folder: &Path) -> anyhow::Result<Codec> {
        match self {
            Self::Kafka { registry: Some(url), .. } => {
                let options = registry::Options {
                    prefix: PREFIX.to_owned(),
                    patience: Some(Duration::from_secs(60)),
                    ..registry::Options::new(url, folder.join("registry.json"))
                };
                Ok(registry::open(options, &Tasks::new(), |_| ()).await?)
            }
            Self::Kafka { registry: None, .. } | Self::File(_) => Ok(Codec::fixed()),
        }
    }
}
