//! What every log must do, written once: each public function is a case that takes a [`Fixture`].
//!
//! [`log_contract!`](crate::log_contract) makes a test of each case. A case begins with an empty
//! log of at least two partitions per partitioned topic, and judges only by what the contract
//! promises: offsets rise but may have gaps, and only committed records are seen.

#![expect(clippy::unwrap_used, reason = "a case fails by panicking")]

mod compacted;
mod fencing;
mod large;
mod made_anew;
mod order;
mod steps;
mod waiting;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use schemas::topics::TopicPartition;

use super::{Error, Header, Limit, Log, NewRecord, Offset, Outgoing, Record};

pub use self::compacted::*;
pub use self::fencing::*;
pub use self::large::*;
pub use self::made_anew::*;
pub use self::order::*;
pub use self::steps::*;
pub use self::waiting::*;

/// A log to try the contract on.
#[async_trait]
pub trait Fixture: Send + Sync {
    /// Another handle of the log, as far as possible like another process's.
    async fn open(&self) -> Arc<dyn Log>;

    /// Makes all topics anew: what was appended is gone, and handles opened before are useless.
    async fn remake(&self);
}

/// Makes a test of each case. The expression gives a fresh [`Fixture`](crate::log::contract::Fixture)
/// and may await.
#[macro_export]
macro_rules! log_contract {
    ($fixture:expr) => {
        $crate::log_contract! { $fixture;
            keeps_order_per_partition, keeps_everything_of_a_record, takes_nothing,
            interleaves_two_writers, replays_the_same, pages_keep_to_their_limits,
            starts_anywhere, refuses_a_wrong_partition, knows_its_ends,
            takes_a_megabyte, takes_many_megabytes,
            wakes_a_waiting_reader, wakes_a_reader_of_another_handle, wakes_only_that_partition,
            waits_no_longer_than_told, survives_a_dropped_read, serves_a_slow_reader,
            sees_at_once_what_another_handle_appended,
            commits_outputs_and_inputs_as_one, keeps_inputs_over_a_reopen,
            replaces_inputs_one_by_one, keeps_writers_apart, orders_steps_and_appends,
            crash_before_the_commit_leaves_nothing, crash_in_the_commit_leaves_all_or_nothing,
            fences_a_zombie, fences_the_empty_step, fences_for_ever, fences_only_its_own_id,
            takeover_is_a_clean_cut,
            latest_is_the_newest_of_each_key, latest_leaves_out_tombstones,
            latest_goes_on_with_a_reader, latest_sees_steps_of_other_handles,
            has_one_id_per_making, stops_past_the_end
        }
    };
    ($fixture:expr; $($case:ident),+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let fixture = $fixture;
                $crate::log::contract::$case(&fixture).await;
            }
        )+
    };
}

/// Longer than anything takes, so that only a hang meets it.
const LONG: Duration = Duration::from_secs(60);

/// Much, in short looks.
const ALL: Limit = Limit { records: 10_000, bytes: 64 << 20, wait: Duration::from_millis(100) };

/// Much, waiting for the first record.
const AWAIT: Limit = Limit { records: 10_000, bytes: 64 << 20, wait: LONG };

/// A record with this key and value.
fn record(to: TopicPartition, key: &str, value: &str) -> Outgoing {
    let record = NewRecord {
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: Some(Bytes::copy_from_slice(value.as_bytes())),
        headers: vec![Header { name: "for", value: Bytes::copy_from_slice(key.as_bytes()) }],
    };
    Outgoing { to, record }
}

/// Records with the values `name 0`, `name 1` …
fn records(to: TopicPartition, name: &str, range: std::ops::Range<usize>) -> Vec<Outgoing> {
    range.map(|n| record(to, name, &format!("{name} {n}"))).collect()
}

/// The value as text; a tombstone is "-".
fn text(record: &Record) -> String {
    record.value.as_ref().map_or_else(|| "-".to_owned(), |v| String::from_utf8(v.to_vec()).unwrap())
}

fn texts(records: &[Record]) -> Vec<String> {
    records.iter().map(text).collect()
}

/// Reads from an offset to the end as of now, in pages of `limit`, and checks what holds for any
/// page. Gives the records and where the next ones will be.
async fn drain(
    log: &dyn Log,
    at: TopicPartition,
    from: Offset,
    limit: Limit,
) -> (Vec<Record>, Offset) {
    let end = log.ends(at).await.unwrap().end;
    let mut reader = log.reader(at, from).await.unwrap();
    let mut records: Vec<Record> = Vec::new();
    let mut next = from;
    while next < end {
        let page = reader.next(limit).await.unwrap();
        assert!(page.next >= next, "a reader goes on: {next} {page:?}");
        assert!(page.end >= page.next, "the end is ahead: {page:?}");
        assert!(page.next > next || page.records.is_empty(), "what was read is passed: {page:?}");
        for record in page.records {
            assert!(record.offset >= next && record.offset < page.next, "offsets rise");
            assert!(records.last().is_none_or(|last| last.at <= record.at), "time never falls");
            next = record.offset + 1;
            records.push(record);
        }
        next = page.next;
    }
    (records, next)
}

/// Everything in a partition.
async fn everything(log: &dyn Log, at: TopicPartition) -> Vec<Record> {
    let start = log.ends(at).await.unwrap().start;
    drain(log, at, start, ALL).await.0
}

/// The values of everything in a partition.
async fn values(log: &dyn Log, at: TopicPartition) -> Vec<String> {
    texts(&everything(log, at).await)
}

/// The error of reading from there, be it found when the reader is made or when it reads.
async fn read_error(log: &dyn Log, at: TopicPartition, from: Offset) -> Error {
    match log.reader(at, from).await {
        Err(error) => error,
        Ok(mut reader) => reader.next(AWAIT).await.unwrap_err(),
    }
}
