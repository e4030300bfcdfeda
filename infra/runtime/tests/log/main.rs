//! The local log: the contract of any log, and what only it promises.

#![cfg(test)]

mod contract;
mod damage;
mod kafka;
mod maintenance;
mod model;
mod open;
mod processes;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use runtime::clock::{Clock, Micros};
use runtime::log::local::{LocalLog, Options};
use runtime::log::{Limit, Log, NewRecord, Offset, Outgoing, Record, Result};
use schemas::topics::TopicPartition;

/// Longer than anything takes, so that only a hang meets it.
const LONG: Duration = Duration::from_secs(180);
/// Much, without waiting.
const NOW: Limit = Limit { records: 10_000, bytes: 64 << 20, wait: Duration::ZERO };

fn clock() -> Clock {
    Clock::manual(Micros(1_700_000_000_000_000))
}

fn open(path: &Path, clock: &Clock) -> Arc<LocalLog> {
    LocalLog::open(path, Options::new(2, clock.clone())).unwrap()
}

fn record(to: TopicPartition, key: &str, value: &str) -> Outgoing {
    let value = Some(value.to_owned().into());
    Outgoing { to, record: NewRecord { key: key.to_owned().into(), value, headers: Vec::new() } }
}

fn tombstone(to: TopicPartition, key: &str) -> Outgoing {
    Outgoing { to, record: NewRecord { key: key.to_owned().into(), ..NewRecord::default() } }
}

/// Everything from an offset on, up to the end as of now.
async fn read(log: &dyn Log, at: TopicPartition, from: Offset) -> Result<Vec<Record>> {
    let end = log.ends(at).await?.end;
    let mut reader = log.reader(at, from).await?;
    let mut records = Vec::new();
    let mut next = from;
    while next < end {
        let page = reader.next(NOW).await?;
        assert!(page.next > next, "there is more up to {end}: {page:?}");
        records.extend(page.records);
        next = page.next;
    }
    Ok(records)
}

fn texts(records: &[Record]) -> Vec<String> {
    let text = |record: &Record| match &record.value {
        Some(value) => String::from_utf8(value.to_vec()).unwrap(),
        None => "-".to_owned(),
    };
    records.iter().map(text).collect()
}
