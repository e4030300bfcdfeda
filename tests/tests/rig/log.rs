//! The log of a hub, read and written from outside.

use std::sync::Arc;
use std::time::Duration;

use e2e::hub::Hub;
use runtime::clock::Clock;
use runtime::log::local::{LocalLog, Options};
use runtime::log::{Limit, Log as _, Record};
use schemas::topics::Topic;
use schemas::wire::{Codec, Event};

/// Partitions of a hub's log unless it is told otherwise.
const PARTITIONS: u32 = 4;

/// The log of a hub, which may run.
pub(crate) fn open(hub: &Hub) -> Arc<LocalLog> {
    let file = hub.data().join("log/hub.sqlite");
    LocalLog::open(&file, Options::new(PARTITIONS, Clock::system())).unwrap()
}

/// All records of a topic, by partition and in order.
pub(crate) async fn records(log: &LocalLog, topic: Topic) -> Vec<Record> {
    let limit = Limit { records: 10_000, bytes: 16 << 20, wait: Duration::ZERO };
    let mut records = Vec::new();
    for partition in 0..log.partitions(topic) {
        let at = topic.at(partition);
        let ends = log.ends(at).await.unwrap();
        let mut reader = log.reader(at, ends.start).await.unwrap();
        let mut next = ends.start;
        while next < ends.end {
            let page = reader.next(limit).await.unwrap();
            next = page.next;
            records.extend(page.records);
        }
    }
    records
}

/// The events of a topic; what can't be read is left out.
pub(crate) async fn events<E: Event>(log: &LocalLog, topic: Topic) -> Vec<E> {
    let codec = Codec::fixed();
    let records = records(log, topic).await.into_iter();
    let decoded = records.filter_map(|record| codec.decode(record.value.as_deref()?).ok());
    decoded.collect()
}
