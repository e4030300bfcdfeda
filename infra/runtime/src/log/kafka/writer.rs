//! Steps: outputs and inputs in one transaction, under an id that one writer holds at a time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::producer::Producer as _;
use rdkafka::{Offset as At, TopicPartitionList};
use schemas::topics::{Topic, TopicPartition};
use uuid::Uuid;

use super::append::{Producer, send};
use super::context::{Batch, Context};
use super::{Discarded, Shared, blocking, settings};
use crate::log::{Error, Offset, Result, Step, Writer, WriterId};

/// Where in the writer's group its present holder is named. State is nobody's input.
const HOLDER: TopicPartition = Topic::State.at(0);
/// What an empty step commits, for the answer alone. Dead letters are nobody's input.
const NOTHING: TopicPartition = Topic::Dead.at(0);
/// How soon a full queue, or an operation that can be tried again, is tried again.
const AGAIN: Duration = Duration::from_millis(5);

/// The holder of a writer id.
///
/// Brokers fence for two reasons: a newer writer took the id, or this one was so slow that its
/// transaction was given up. They say the same in both cases. So each writer leaves its name
/// before it fences those before it, and who is refused looks whether the name is still its own:
/// then it may take over again, else it must stop.
#[derive(Debug)]
pub(super) struct KafkaWriter {
    id: WriterId,
    /// Taken while a commit runs: one that was cut off leaves nothing to go on with.
    held: Option<Discarded<Held>>,
}

/// What a commit needs.
struct Held {
    shared: Arc<Shared>,
    id: WriterId,
    name: String,
    producer: Producer,
    group: BaseConsumer<Context>,
    /// All inputs that were ever committed: brokers forget those that are not committed again
    /// within `offsets.retention.minutes`.
    inputs: BTreeMap<TopicPartition, Offset>,
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Held").field("id", &self.id).finish_non_exhaustive()
    }
}

impl KafkaWriter {
    pub(super) async fn open(shared: Arc<Shared>, id: WriterId) -> Result<Self> {
        shared.same_topics().await?;
        let of = id.clone();
        let held = blocking(move || Held::take(shared, of)).await?;
        Ok(Self { id, held: Some(Discarded::new(held)) })
    }

    /// Does something that blocks with what is held; after an error nothing is held any more.
    async fn with<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Held) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let cut = || Error::Unavailable(format!("an earlier commit of {} was cut off", self.id.0));
        let mut held = self.held.take().ok_or_else(cut)?;
        let (held, done) = blocking(move || {
            let done = work(&mut held);
            Ok((held, done))
        })
        .await?;
        // a fenced one goes on being refused, by the brokers
        if matches!(
            done,
            Ok(_) | Err(Error::Fenced(_) | Error::NoPartition(..) | Error::TooLarge { .. })
        ) {
            self.held = Some(held);
        }
        done
    }
}

impl Held {
    /// Takes the id over: when this returns, what older writers had in flight is in or out for
    /// good.
    fn take(shared: Arc<Shared>, id: WriterId) -> Result<Self> {
        let context = || Context { heard: shared.heard.clone() };
        let group: BaseConsumer<Context> = shared
            .options
            .inputs(&id)
            .create_with_context(context())
            .map_err(|error| settings(&error))?;
        let producer: Producer = shared
            .options
            .writer(&id)
            .create_with_context(context())
            .map_err(|error| settings(&error))?;
        let name = Uuid::now_v7().to_string();
        let wait = shared.options.patience;
        let mut held = Self { shared, id, name, producer, group, inputs: BTreeMap::new() };
        held.leave_name()?;
        held.producer
            .init_transactions(wait)
            .map_err(|error| held.failed("taking over", &error))?;
        held.inputs = held.committed()?;
        Ok(held)
    }

    fn place(&self, list: &mut TopicPartitionList, at: TopicPartition, next: Offset) -> Result<()> {
        let made = self.shared.made(at)?;
        let partition = i32::try_from(at.partition).unwrap_or(i32::MAX);
        let offset = At::Offset(i64::try_from(next).unwrap_or(i64::MAX));
        list.add_partition_offset(&made.name, partition, offset)
            .map_err(|error| Error::Unavailable(format!("{at}: {error}")))
    }

    /// Says in the group that this writer holds the id.
    fn leave_name(&self) -> Result<()> {
        let mut list = TopicPartitionList::with_capacity(1);
        let made = self.shared.made(HOLDER)?;
        let mut place =
            list.add_partition(&made.name, i32::try_from(HOLDER.partition).unwrap_or(0));
        place.set_metadata(&self.name);
        place
            .set_offset(At::Offset(0))
            .and_then(|()| self.group.commit(&list, CommitMode::Sync))
            .map_err(|error| self.unavailable("taking over", &error))
    }

    /// Whether another writer has left its name since.
    fn is_taken(&self) -> Result<bool> {
        let mut list = TopicPartitionList::with_capacity(1);
        let made = self.shared.made(HOLDER)?;
        list.add_partition(&made.name, i32::try_from(HOLDER.partition).unwrap_or(0));
        let found = self
            .group
            .committed_offsets(list, self.shared.options.patience)
            .map_err(|error| self.unavailable("who holds the id", &error))?;
        let elements = found.elements();
        let holder = elements.first().map_or("", |element| element.metadata());
        Ok(!holder.is_empty() && holder != self.name)
    }

    /// The inputs as the group has them, once no transaction is about to change them.
    fn committed(&self) -> Result<BTreeMap<TopicPartition, Offset>> {
        let mut list = TopicPartitionList::new();
        let mut names = BTreeMap::new();
        let inputs = Topic::ALL
            .into_iter()
            .filter(|topic| *topic != HOLDER.topic && *topic != NOTHING.topic);
        for topic in inputs {
            let made = self.shared.made(topic.at(0))?;
            let last = i32::try_from(made.partitions).unwrap_or(i32::MAX).saturating_sub(1);
            list.add_partition_range(&made.name, 0, last);
            names.insert(made.name.clone(), topic);
        }
        let found = self
            .group
            .committed_offsets(list, self.shared.options.patience)
            .map_err(|error| self.unavailable("committed inputs", &error))?;
        let mut committed = BTreeMap::new();
        for element in found.elements() {
            element.error().map_err(|error| self.unavailable("committed inputs", &error))?;
            let topic = names.get(element.topic()).copied();
            let partition = u32::try_from(element.partition()).unwrap_or(u32::MAX);
            if let (Some(topic), At::Offset(next)) = (topic, element.offset()) {
                committed.insert(topic.at(partition), u64::try_from(next).unwrap_or(0));
            }
        }
        Ok(committed)
    }

    fn commit(&mut self, step: &Step) -> Result<Vec<Offset>> {
        self.shared.check(&step.outputs)?;
        let mut inputs = self.inputs.clone();
        for (at, next) in &step.inputs {
            self.shared.made(*at)?;
            inputs.insert(*at, *next);
        }
        match self.transaction(step, &inputs) {
            Ok(offsets) => {
                self.inputs = inputs;
                Ok(offsets)
            }
            Err(error) => Err(self.failed("commit", &error)),
        }
    }

    fn transaction(
        &self,
        step: &Step,
        inputs: &BTreeMap<TopicPartition, Offset>,
    ) -> std::result::Result<Vec<Offset>, KafkaError> {
        let deadline = Instant::now() + self.shared.options.transaction;
        let left = || deadline.saturating_duration_since(Instant::now());
        self.producer.begin_transaction()?;
        let count = step.outputs.len();
        let (batch, delivered) = Batch::new(count.max(1));
        for (at, outgoing) in step.outputs.iter().enumerate() {
            loop {
                match send(&self.producer, &self.shared, outgoing, batch.slot(at)) {
                    Err(KafkaError::MessageProduction(Code::QueueFull)) if !left().is_zero() => {
                        std::thread::sleep(AGAIN);
                    }
                    sent => break sent?,
                }
            }
        }
        let mut list = TopicPartitionList::with_capacity(inputs.len().max(1));
        if inputs.is_empty() {
            drop(self.place(&mut list, NOTHING, 0));
        }
        for (at, next) in inputs {
            drop(self.place(&mut list, *at, *next));
        }
        let group = self.group.group_metadata().ok_or(KafkaError::Canceled)?;
        let again = |work: &dyn Fn() -> std::result::Result<(), KafkaError>| loop {
            match work() {
                Err(KafkaError::Transaction(error))
                    if error.is_retriable() && !left().is_zero() =>
                {
                    std::thread::sleep(AGAIN);
                }
                done => break done,
            }
        };
        again(&|| self.producer.send_offsets_to_transaction(&list, &group, left()))?;
        again(&|| self.producer.commit_transaction(left()))?;
        if count == 0 {
            return Ok(Vec::new());
        }
        // committed: all were delivered, and are told within the moment
        delivered.blocking_recv().map_err(|_| KafkaError::Canceled)?
    }

    /// What an error means: another holds the id, or nobody knows what was committed.
    fn failed(&self, what: &str, error: &KafkaError) -> Error {
        match self.is_taken() {
            Ok(true) => Error::Fenced(self.id.0.clone()),
            Ok(false) | Err(_) => self.unavailable(what, error),
        }
    }

    fn unavailable(&self, what: &str, error: &KafkaError) -> Error {
        let because = self.shared.heard.because();
        Error::Unavailable(format!("{what} of {}: {error}{because}", self.id.0))
    }
}

#[async_trait]
impl Writer for KafkaWriter {
    async fn committed(&mut self) -> Result<BTreeMap<TopicPartition, Offset>> {
        self.with(|held| held.committed()).await
    }

    async fn commit(&mut self, step: Step) -> Result<Vec<Offset>> {
        self.with(move |held| held.commit(&step)).await
    }
}
