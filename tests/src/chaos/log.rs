//! Where a hub keeps its log, seen from outside.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use runtime::clock::Clock;
use runtime::log::Log;
use runtime::log::kafka::{self, KafkaLog};
use runtime::log::local::{self, LocalLog};

use super::PARTITIONS;

/// Before the names of topics, groups and transactions: chaos shares the cluster with others.
const PREFIX: &str = "chaos.";

/// Where a hub keeps its log.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// In this file.
    File(PathBuf),
    /// In the Kafka cluster of this broker.
    Kafka(SocketAddr),
}

impl Place {
    /// What a hub's settings say of it.
    pub(super) fn settings(&self) -> String {
        match self {
            Self::File(_) => format!("[log]\npartitions = {PARTITIONS}\n"),
            Self::Kafka(broker) => format!(
                "[log]\nkind = \"kafka\"\npartitions = {PARTITIONS}\n[log.kafka]\nbrokers = [\"{broker}\"]\n\
                 prefix = \"{PREFIX}\"\nreplication = 1\nmin_insync = 1\n"
            ),
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
            Self::Kafka(broker) => {
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
}
