//! A log that fails now and then: before a commit, or after it, so that nobody knows.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use runtime::log::{
    Ends, Error, Latest, Log, LogId, Offset, Outgoing, Reader, Result, Step, Writer, WriterId,
};
use schemas::topics::{Topic, TopicPartition};

#[derive(Debug)]
pub(crate) struct Flaky {
    log: Arc<dyn Log>,
    chance: Arc<Chance>,
}

#[derive(Debug)]
pub(crate) struct Chance {
    random: Mutex<SmallRng>,
    percent: u32,
}

impl Chance {
    fn strikes(&self) -> bool {
        self.random.lock().unwrap().random_ratio(self.percent, 100)
    }

    fn strike(&self, when: &str) -> Result<()> {
        if self.strikes() { Err(Error::Unavailable(format!("struck {when}"))) } else { Ok(()) }
    }
}

impl Flaky {
    pub(crate) fn over(log: Arc<dyn Log>, seed: u64, percent: u32) -> Arc<dyn Log> {
        let random = Mutex::new(SmallRng::seed_from_u64(seed));
        Arc::new(Self { log, chance: Arc::new(Chance { random, percent }) })
    }
}

#[async_trait]
impl Log for Flaky {
    fn partitions(&self, topic: Topic) -> u32 {
        self.log.partitions(topic)
    }

    fn id(&self, topic: Topic) -> LogId {
        self.log.id(topic)
    }

    async fn append(&self, records: Vec<Outgoing>) -> Result<Vec<Offset>> {
        self.log.append(records).await
    }

    async fn ends(&self, partition: TopicPartition) -> Result<Ends> {
        self.log.ends(partition).await
    }

    async fn reader(&self, partition: TopicPartition, from: Offset) -> Result<Box<dyn Reader>> {
        self.log.reader(partition, from).await
    }

    async fn latest(&self, partition: TopicPartition) -> Result<Latest> {
        self.chance.strike("at the state")?;
        self.log.latest(partition).await
    }

    async fn writer(&self, id: WriterId) -> Result<Box<dyn Writer>> {
        let writer = self.log.writer(id).await?;
        Ok(Box::new(FlakyWriter { writer, chance: Arc::clone(&self.chance) }))
    }
}

#[derive(Debug)]
struct FlakyWriter {
    writer: Box<dyn Writer>,
    chance: Arc<Chance>,
}

#[async_trait]
impl Writer for FlakyWriter {
    async fn committed(&mut self) -> Result<BTreeMap<TopicPartition, Offset>> {
        self.writer.committed().await
    }

    async fn commit(&mut self, step: Step) -> Result<Vec<Offset>> {
        self.chance.strike("before the commit")?;
        let offsets = self.writer.commit(step).await?;
        self.chance.strike("after the commit")?;
        Ok(offsets)
    }
}
