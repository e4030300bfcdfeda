//! What a processor on Kafka is measured beside: read, copy and write in transactions with the
//! bare client, and nothing else.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Message as _;
use rdkafka::producer::Producer as _;
use rdkafka::{Offset as At, TopicPartitionList};
use schemas::topics::TopicPartition;

use super::append::Producer;
use super::context::{Batch, Context};
use super::{KafkaLog, settings};
use crate::log::{Error, NewRecord, Outgoing, Result, WriterId};

/// Reads a partition from its start to its end, and writes each value to another topic partition,
/// in transactions of `step` records that commit the input's offset. Gives how many, and how long
/// it took.
///
/// # Errors
/// The brokers refuse.
pub fn copy(
    log: &KafkaLog,
    from: TopicPartition,
    to: TopicPartition,
    end: u64,
    step: usize,
) -> Result<(u64, Duration)> {
    let shared = &log.shared;
    let away = |error: rdkafka::error::KafkaError| Error::Unavailable(error.to_string());
    let context = || Context { heard: shared.heard.clone() };
    let (input, long) = (shared.made(from)?, Duration::from_secs(60));
    let consumer: BaseConsumer<Context> =
        shared.options.reader().create_with_context(context()).map_err(|error| settings(&error))?;
    let id = WriterId(format!("bare/{}", uuid::Uuid::now_v7()));
    let producer: Producer = shared
        .options
        .writer(&id)
        .create_with_context(context())
        .map_err(|error| settings(&error))?;
    producer.init_transactions(long).map_err(away)?;
    let partition = i32::try_from(from.partition).unwrap_or(i32::MAX);
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&input.name, partition, At::Beginning).map_err(away)?;
    consumer.assign(&list).map_err(away)?;
    let group =
        consumer.group_metadata().ok_or_else(|| away(rdkafka::error::KafkaError::Canceled))?;
    let began = Instant::now();
    let (mut done, mut next) = (0, 0);
    while next < end {
        producer.begin_transaction().map_err(away)?;
        let (batch, delivered) = Batch::new(step);
        let mut count = 0;
        while count < step && next < end {
            let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) else { continue };
            let record = NewRecord {
                key: message.key().unwrap_or_default().to_vec().into(),
                value: message.payload().map(|value| value.to_vec().into()),
                headers: Vec::new(),
            };
            next = u64::try_from(message.offset()).unwrap_or(0) + 1;
            super::append::send(&producer, shared, &Outgoing { to, record }, batch.slot(count))
                .map_err(away)?;
            count += 1;
        }
        let mut offsets = TopicPartitionList::new();
        let at = At::Offset(i64::try_from(next).unwrap_or(i64::MAX));
        offsets.add_partition_offset(&input.name, partition, at).map_err(away)?;
        producer.send_offsets_to_transaction(&offsets, &group, long).map_err(away)?;
        producer.commit_transaction(long).map_err(away)?;
        drop(delivered);
        done += count as u64;
    }
    Ok((done, began.elapsed()))
}
