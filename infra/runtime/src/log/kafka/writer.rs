//! Steps: outputs and inputs in one transaction, under an id that one writer holds at a time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::producer::Producer as _;
use schemas::topics::TopicPartition;
use uuid::Uuid;

use super::append::{Producer, send};
use super::context::{Batch, Context};
use super::group::{Group, offsets};
use super::{Discarded, Shared, blocking, settings};
use crate::log::{Error, Offset, Result, Step, Writer, WriterId};

/// How soon a full queue, or an operation that can be tried again, is tried again.
const AGAIN: Duration = Duration::from_millis(5);
/// How soon a group is asked again that could not be.
const LATER: Duration = Duration::from_millis(200);

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
    group: ConsumerGroupMetadata,
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
        let away = |error: &KafkaError| unavailable(&shared, &id, "taking over", error);
        let group = Group::of(&shared, &id)?;
        let metadata = group.metadata().ok_or_else(|| away(&KafkaError::Canceled))?;
        let context = Context { heard: shared.heard.clone() };
        let config = shared.options.writer(&id);
        let producer: Producer =
            config.create_with_context(context).map_err(|error| settings(&error))?;
        let name = Uuid::now_v7().to_string();
        group.leave_name(&name).map_err(|error| away(&error))?;
        producer.init_transactions(shared.options.patience).map_err(|error| away(&error))?;
        let inputs = group.inputs().map_err(|error| away(&error))?;
        drop(group);
        Ok(Self { shared, id, name, producer, group: metadata, inputs })
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
            Err(error) => Err(self.failed(&error)),
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
        let list = offsets(&self.shared, inputs);
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
        again(&|| self.producer.send_offsets_to_transaction(&list, &self.group, left()))?;
        again(&|| self.producer.commit_transaction(left()))?;
        if count == 0 {
            return Ok(Vec::new());
        }
        // committed: all were delivered, and are told within the moment
        delivered.blocking_recv().map_err(|_| KafkaError::Canceled)?
    }

    /// What an error means: another holds the id, or nobody knows what was committed.
    fn failed(&self, error: &KafkaError) -> Error {
        match self.holder() {
            Some(name) if name != self.name => Error::Fenced(self.id.0.clone()),
            _ => unavailable(&self.shared, &self.id, "commit", error),
        }
    }

    /// Who holds the id, if it can be told.
    fn holder(&self) -> Option<String> {
        let deadline = Instant::now() + self.shared.options.patience;
        let group = Group::of(&self.shared, &self.id).ok()?;
        loop {
            match group.name() {
                Ok(name) => return Some(name).filter(|name| !name.is_empty()),
                Err(_) if Instant::now() < deadline => std::thread::sleep(LATER),
                Err(_) => return None,
            }
        }
    }
}

fn unavailable(shared: &Shared, id: &WriterId, what: &str, error: &KafkaError) -> Error {
    Error::Unavailable(format!("{what} of {}: {error}{}", id.0, shared.heard.because()))
}

#[async_trait]
impl Writer for KafkaWriter {
    async fn committed(&mut self) -> Result<BTreeMap<TopicPartition, Offset>> {
        // nobody else commits under this id, unless this writer is fenced
        self.with(|held| Ok(held.inputs.clone())).await
    }

    async fn commit(&mut self, step: Step) -> Result<Vec<Offset>> {
        self.with(move |held| held.commit(&step)).await
    }
}
