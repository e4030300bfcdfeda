//! A log for benchmarks.

use runtime::log::{Ends, Error, Latest, Log, LogId, Offset, Outgoing, Reader, Writer, WriterId};
use schemas::topics::{Topic, TopicPartition};

/// Takes everything at once.
#[derive(Debug)]
pub(crate) struct Sink;

#[async_trait::async_trait]
impl Log for Sink {
    fn partitions(&self, _: Topic) -> u32 {
        4
    }
    fn id(&self, _: Topic) -> LogId {
        LogId("sink".into())
    }
    async fn append(&self, records: Vec<Outgoing>) -> Result<Vec<Offset>, Error> {
        Ok((0..records.len() as u64).collect())
    }
    async fn ends(&self, partition: TopicPartition) -> Result<Ends, Error> {
        Err(Error::NoPartition(partition, 0))
    }
    async fn reader(&self, partition: TopicPartition, _: Offset) -> Result<Box<dyn Reader>, Error> {
        Err(Error::NoPartition(partition, 0))
    }
    async fn latest(&self, partition: TopicPartition) -> Result<Latest, Error> {
        Err(Error::NoPartition(partition, 0))
    }
    async fn writer(&self, id: WriterId) -> Result<Box<dyn Writer>, Error> {
        Err(Error::Fenced(id.0))
    }
}
