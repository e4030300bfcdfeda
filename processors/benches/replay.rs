//! How many events a second one core folds, decoding included: billing and health up to their step,
//! the sink up to the compressed rows on the socket.
#![expect(clippy::unwrap_used, reason = "a bench stops at the first mistake")]

mod events;

use std::hint::black_box;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use bytes::Bytes;
use clickhouse::Client;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use processors::billing::{Billing, Books};
use processors::health::{Healths, Thresholds};
use processors::pipeline::{Folding, Marks, Output};
use processors::sink::{Sink, Store, Usages};
use runtime::clock::Micros;
use runtime::log::{LogId, Record};
use schemas::event::{Attempt, AttemptError, Purpose};
use schemas::ids::{CallId, Origin};
use schemas::price;
use schemas::topics::Topic;
use schemas::wire::{Codec, Event};

const EVENTS: u64 = 20_000;

fn attempt(seq: u64) -> Attempt {
    let started_at = 1_768_478_400_000_000 + seq.cast_signed() * 1000;
    Attempt {
        origin: Origin([1; 16]),
        seq: seq.cast_signed(),
        call: CallId([2; 16]),
        number: 1,
        purpose: Purpose::Call,
        provider: "openai".into(),
        credential: "main".into(),
        credential_version: 1,
        model: format!("model-{}", seq % 50).into(),
        status: if seq.is_multiple_of(20) { 500 } else { 200 },
        error: if seq.is_multiple_of(20) { AttemptError::Server } else { AttemptError::None },
        retry_after_ms: None,
        started_at,
        ttft_us: Some(231_000),
        duration_us: 2_100_000,
    }
}

/// A record with the headers that the outbox gives it.
fn record<E: Event>(event: &E, key: &str, seq: u64, call: CallId) -> Record {
    let header = |name: &str, value: &[u8]| (name.to_owned(), Bytes::copy_from_slice(value));
    Record {
        offset: seq - 1,
        at: Micros(1_768_478_401_000_000 + seq.cast_signed() * 1000),
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: Codec::fixed().to_vec(event).ok().map(Bytes::from),
        headers: vec![
            header("origin", &[1; 16]),
            header("seq", &seq.to_be_bytes()),
            header("account", key.as_bytes()),
            header("call", &call.0),
        ],
    }
}

fn usages() -> Vec<Record> {
    let version = price::shipped().map_or_else(|_| "none".into(), |book| book.version());
    let record = |seq| {
        let event = events::usage(seq, &version);
        record(&event, event.account.as_str(), seq, event.call)
    };
    (1..=EVENTS).map(record).collect()
}

fn attempts() -> Vec<Record> {
    let key = "openai/main@1";
    (1..=EVENTS).map(|seq| record(&attempt(seq), key, seq, CallId([2; 16]))).collect()
}

fn out() -> Output {
    Output::new(Codec::fixed(), "bench", Topic::Dead.at(0))
}

/// An HTTP server that takes every insert and keeps nothing; its address.
fn swallow() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let mut buffer = vec![0; 1 << 20];
                while let Ok(read @ 1..) = stream.read(&mut buffer) {
                    if buffer[..read].ends_with(b"0\r\n\r\n") {
                        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
                    }
                }
            });
        }
    });
    format!("http://{address}")
}

fn replay(bench: &mut Criterion) {
    let (records, books, input) = (usages(), Books::new(), Topic::Usage.at(0));
    if let Ok(book) = price::shipped() {
        books.add(book);
    }
    let mut group = bench.benchmark_group("replay");
    group.throughput(Throughput::Elements(EVENTS)).sample_size(20);
    group.bench_function("billing", |timer| {
        timer.iter(|| {
            let fold = Billing::new(0, 1, books.clone());
            let mut folding = Folding::new("billing", 0, fold, Marks::default(), out());
            for step in records.chunks(5000) {
                for record in step {
                    black_box(folding.take(input, record).is_ok());
                }
                black_box(folding.close(|_| LogId(String::new())).is_ok());
            }
            assert_eq!(folding.tally().dead, 0);
        });
    });
    let (attempts, tried) = (attempts(), Topic::Attempts.at(0));
    group.bench_function("health", |timer| {
        timer.iter(|| {
            let fold = Healths::new(0, 1, Thresholds::default());
            let mut folding = Folding::new("health", 0, fold, Marks::default(), out());
            for step in attempts.chunks(5000) {
                for record in step {
                    black_box(folding.take(tried, record).is_ok());
                }
                black_box(folding.close(|_| LogId(String::new())).is_ok());
            }
            assert_eq!(folding.tally().dead, 0);
        });
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = Client::default().with_url(swallow()).with_validation(false);
    group.bench_function("sink", |timer| {
        timer.iter(|| {
            let fold = Sink::<Usages>::new(0, LogId("log".to_owned()), 0, usize::MAX);
            let mut folding = Folding::new("sink/usage", 0, fold, Marks::default(), out());
            for record in &records {
                black_box(folding.take(input, record).is_ok());
            }
            let sent = Store::<Usages>::insert(&client, folding.fold().batch());
            runtime.block_on(sent).unwrap();
        });
    });
    group.finish();
}

criterion_group!(benches, replay);
criterion_main!(benches);
