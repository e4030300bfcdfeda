//! The log on a real broker that falls, stands still, asks who we are, or is not as it should be.
#![cfg(test)]

mod faults;
mod settings;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use e2e::kafka::Kafka;
use runtime::log::kafka::{KafkaLog, Options};
use runtime::log::{Error, Log, NewRecord, Outgoing, Span};
use schemas::topics::TopicPartition;

/// What reaches this broker, with topics of its own.
fn options(kafka: &Kafka, prefix: &str) -> Options {
    Options {
        prefix: format!("{prefix}."),
        replication: 1,
        min_insync: 1,
        patience: Duration::from_secs(60),
        transaction: Duration::from_secs(60),
        ..Options::new(kafka.address().to_string(), 2)
    }
}

async fn open(options: &Options) -> Result<Arc<KafkaLog>, Error> {
    KafkaLog::open(options.clone()).await
}

fn record(to: TopicPartition, value: u64) -> Outgoing {
    let value = Some(Bytes::from(value.to_string()));
    Outgoing { to, record: NewRecord { key: Bytes::from_static(b"k"), value, headers: Vec::new() } }
}

/// The values of a partition, in order.
async fn values(log: &dyn Log, at: TopicPartition) -> Vec<u64> {
    let mut span = Span::whole(log, at).await.unwrap();
    let mut values = Vec::new();
    while let Some(records) = span.page().await.unwrap() {
        let texts =
            records.into_iter().filter_map(|record| String::from_utf8(record.value?.to_vec()).ok());
        values.extend(texts.map(|text| text.parse::<u64>().unwrap()));
    }
    values
}
