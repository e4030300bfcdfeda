//! The local log: appends in batches of 500 records of 300 bytes, and reading them in pages.
//!
//! Run on one core (`taskset -c 0 cargo bench -p runtime --bench log`) to see what the log leaves
//! to the rest.

#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use runtime::clock::Clock;
use runtime::log::local::{LocalLog, Options};
use runtime::log::{Header, Limit, Log, NewRecord, Offset, Outgoing, Step, WriterId};
use schemas::topics::{Topic, TopicPartition};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

const BATCH: usize = 500;
const VALUE: usize = 240;
const USAGE: TopicPartition = Topic::Usage.at(0);

/// 300 bytes: a value, a key and the marks as headers.
fn batch(to: TopicPartition, records: usize) -> Vec<Outgoing> {
    let value = bytes::Bytes::from(vec![7; VALUE]);
    let header = |name, size| Header { name, value: vec![1; size].into() };
    let record = |n: usize| NewRecord {
        key: format!("account-{:06}", n % 1000).into(),
        value: Some(value.clone()),
        headers: vec![header("origin", 16), header("seq", 8)],
    };
    (0..records).map(|n| Outgoing { to, record: record(n) }).collect()
}

fn open(path: &Path) -> Arc<LocalLog> {
    LocalLog::open(path, Options::new(4, Clock::system())).unwrap()
}

fn tokio() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

fn append(c: &mut Criterion) {
    let (tokio, folder) = (tokio(), TempDir::new().unwrap());
    let log = open(&folder.path().join("log.db"));
    let mut group = c.benchmark_group("append");
    group.sample_size(10).measurement_time(Duration::from_secs(4));

    group.throughput(Throughput::Elements(1));
    group.bench_function("one record", |b| {
        b.iter_batched(
            || batch(USAGE, 1),
            |batch| tokio.block_on(log.append(batch)).unwrap(),
            BatchSize::SmallInput,
        );
    });
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function("a batch of 500", |b| {
        b.iter_batched(
            || batch(USAGE, BATCH),
            |batch| tokio.block_on(log.append(batch)).unwrap(),
            BatchSize::SmallInput,
        );
    });
    group.throughput(Throughput::Elements(8 * BATCH as u64));
    group.bench_function("8 batches of 500 at once", |b| {
        b.iter_batched(
            || (0..8).map(|n| batch(Topic::Usage.at(n % 4), BATCH)).collect::<Vec<_>>(),
            |batches| {
                let appends = batches.into_iter().map(|batch| log.append(batch));
                tokio.block_on(futures::future::try_join_all(appends)).unwrap()
            },
            BatchSize::SmallInput,
        );
    });
    group.throughput(Throughput::Elements(BATCH as u64));
    let mut writer = tokio.block_on(log.writer(WriterId("bench".to_owned()))).unwrap();
    group.bench_function("a step of 500 and 100 balances", |b| {
        b.iter_batched(
            || {
                let mut outputs = batch(Topic::Ledger.at(0), BATCH);
                outputs.extend(batch(Topic::Balances.at(0), 100));
                Step { outputs, inputs: vec![(USAGE, 1)] }
            },
            |step| tokio.block_on(writer.commit(step)).unwrap(),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

const STORED: usize = 200_000;

/// Reads everything from an offset on.
async fn drain(log: &LocalLog, from: Offset, records: usize) -> usize {
    let limit = Limit { records, bytes: 1 << 20, wait: Duration::ZERO };
    let mut reader = log.reader(USAGE, from).await.unwrap();
    let mut count = 0;
    loop {
        let page = reader.next(limit).await.unwrap();
        count += page.records.len();
        if page.next == page.end {
            return count;
        }
    }
}

fn read(c: &mut Criterion) {
    let (tokio, folder) = (tokio(), TempDir::new().unwrap());
    let log = open(&folder.path().join("log.db"));
    let fill = async {
        for _ in 0..STORED / BATCH {
            log.append(batch(USAGE, BATCH)).await.unwrap();
        }
        log.maintain().await.unwrap();
    };
    tokio.block_on(fill);
    let mut group = c.benchmark_group("read");
    group.sample_size(10).measurement_time(Duration::from_secs(4));
    for (name, page, from) in [
        ("all, pages of 5000", 5000, 0),
        ("all, pages of 100", 100, 0),
        ("the newest 500, from memory", 500, STORED - 500),
    ] {
        group.throughput(Throughput::Elements((STORED - from) as u64));
        group.bench_function(name, |b| {
            b.iter(|| {
                let read = tokio.block_on(drain(&log, from as Offset, page));
                assert_eq!(read, STORED - from);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, append, read);
criterion_main!(benches);
