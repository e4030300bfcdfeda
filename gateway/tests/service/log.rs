//! A log in memory that is only appended to.

use std::sync::Mutex;

use async_trait::async_trait;
use runtime::log::{
    Ends, Error, Latest, Log, LogId, Offset, Outgoing, Reader, Result, Writer, WriterId,
};
use schemas::topics::{Topic, TopicPartition};

#[derive(Debug, Default)]
pub(crate) struct MemoryLog(pub(crate) Mutex<Vec<Outgoing>>);

#[async_trait]
impl Log for MemoryLog {
    fn partitions(&self, _: Topic) -> u32 {
        1
    }

    fn id(&self, topic: Topic) -> LogId {
        LogId(topic.to_string())
    }

    async fn append(&self, records: Vec<Outgoing>) -> Result<Vec<Offset>> {
        let offsets = (0..records.len() as u64).collect();
        self.0.lock().unwrap().extend(records);
        Ok(offsets)
    }

    async fn ends(&self, partition: TopicPartition) -> Result<Ends> {
        Err(Error::NoPartition(partition, 0))
    }

    async fn reader(&self, partition: TopicPartition, _: Offset) -> Result<Box<dyn Reader>> {
        Err(Error::NoPartition(partition, 0))
    }

    async fn latest(&self, partition: TopicPartition) -> Result<Latest> {
        Err(Error::NoPartition(partition, 0))
    }

    async fn writer(&self, id: WriterId) -> Result<Box<dyn Writer>> {
        Err(Error::Fenced(id.0))
    }
}
