//! Appending: one idempotent producer for the process, thrown away at the first doubt.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{Header as KafkaHeader, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _, PurgeConfig, ThreadedProducer};
use tokio::time::Instant;

use super::context::{Batch, Context, Slot};
use super::{Discarded, Shared, settings};
use crate::log::{Error, Offset, Outgoing, Result};

pub(super) type Producer = ThreadedProducer<Context>;

/// How soon a full queue is tried again.
const FULL: Duration = Duration::from_millis(5);

/// Who appends.
///
/// After any error the producer is thrown away with all that it holds, and the next append begins
/// with a new one: who appended sends the same records again from its own watermark, so that no
/// record is left out, and the first copies of all of them keep their order.
#[derive(Debug, Default)]
pub(super) struct Appender {
    current: Mutex<Option<Arc<Discarded<Shipping>>>>,
    /// One enqueues at a time, so that what belongs together stays together.
    turn: tokio::sync::Mutex<()>,
}

/// A producer; dropping it takes back what it has not sent.
pub(super) struct Shipping {
    producer: Producer,
}

impl std::fmt::Debug for Shipping {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shipping")
    }
}

impl Appender {
    pub(super) async fn append(
        &self,
        shared: &Shared,
        records: Vec<Outgoing>,
    ) -> Result<Vec<Offset>> {
        shared.check(&records)?;
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let deadline = Instant::now() + shared.options.patience;
        let turn = self.turn.lock().await;
        let producer = self.producer(shared).await?;
        let (batch, delivered) = Batch::new(records.len());
        let enqueued = async {
            for (at, outgoing) in records.iter().enumerate() {
                enqueue(&producer.producer, shared, outgoing, || batch.slot(at), deadline).await?;
            }
            Ok(())
        };
        let enqueued = enqueued.await;
        drop(turn);
        let done = match enqueued {
            Ok(()) => match tokio::time::timeout_at(deadline, delivered).await {
                Ok(Ok(Ok(offsets))) => return Ok(offsets),
                Ok(Ok(Err(error))) => error.to_string(),
                Ok(Err(_)) => "the producer ended".to_owned(),
                Err(_) => format!("no answer within {:?}", shared.options.patience),
            },
            Err(error) => error,
        };
        self.throw_away(&producer);
        Err(Error::Unavailable(format!("append: {done}{}", shared.heard.because())))
    }

    /// The producer in use, or a new one, if the topics are still the same.
    async fn producer(&self, shared: &Shared) -> Result<Arc<Discarded<Shipping>>> {
        if let Some(producer) = self.current().clone() {
            return Ok(producer);
        }
        shared.same_topics().await?;
        let context = Context { heard: shared.heard.clone() };
        let producer: Producer = shared
            .options
            .producer()
            .create_with_context(context)
            .map_err(|error| settings(&error))?;
        let producer = Arc::new(Discarded::new(Shipping { producer }));
        *self.current() = Some(Arc::clone(&producer));
        Ok(producer)
    }

    fn throw_away(&self, producer: &Arc<Discarded<Shipping>>) {
        let mut current = self.current();
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, producer)) {
            *current = None;
        }
        // all others who wait for it are told, too
        producer.producer.purge(PurgeConfig::default().queue().inflight().non_blocking());
    }

    fn current(&self) -> std::sync::MutexGuard<'_, Option<Arc<Discarded<Shipping>>>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hands a record over, as soon as there is room.
async fn enqueue(
    producer: &Producer,
    shared: &Shared,
    outgoing: &Outgoing,
    slot: impl Fn() -> Box<Slot>,
    deadline: Instant,
) -> std::result::Result<(), String> {
    loop {
        match send(producer, shared, outgoing, slot()) {
            Ok(()) => return Ok(()),
            Err(KafkaError::MessageProduction(Code::QueueFull)) => {
                if Instant::now() > deadline {
                    return Err("the brokers take nothing".to_owned());
                }
                tokio::time::sleep(FULL).await;
            }
            Err(error) => return Err(error.to_string()),
        }
    }
}

/// Hands a record over; what becomes of it is told to its slot.
pub(super) fn send(
    producer: &Producer,
    shared: &Shared,
    outgoing: &Outgoing,
    slot: Box<Slot>,
) -> std::result::Result<(), KafkaError> {
    let unknown = || KafkaError::MessageProduction(Code::UnknownPartition);
    let made = shared.made(outgoing.to).map_err(|_| unknown())?;
    let record = &outgoing.record;
    let mut message: BaseRecord<'_, [u8], [u8], Box<Slot>> =
        BaseRecord::with_opaque_to(&made.name, slot)
            .partition(i32::try_from(outgoing.to.partition).map_err(|_| unknown())?)
            .key(&record.key);
    message.payload = record.value.as_deref();
    if !record.headers.is_empty() {
        let list = OwnedHeaders::new_with_capacity(record.headers.len());
        message.headers = Some(record.headers.iter().fold(list, |list, header| {
            list.insert(KafkaHeader { key: header.name, value: Some(&*header.value) })
        }));
    }
    producer.send(message).map_err(|(error, _)| error)
}
