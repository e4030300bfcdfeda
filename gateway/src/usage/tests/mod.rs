//! Tests of the ticket, the outbox and the shipper, by what they must show.

mod admitting;
mod crashes;
mod model;
mod settling;
mod shipping;

use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use runtime::clock::{Clock, Micros};
use runtime::log::{
    Ends, Error as LogError, Latest, Log, LogId, Offset, Outgoing, Reader, Writer, WriterId,
};
use schemas::event::{Attempt, AttemptError, Charge, Meter, Operation, Outcome, Quantity, Usage};
use schemas::ids::CallId;
use schemas::price::PriceBook;
use schemas::topics::{Topic, TopicPartition};
use schemas::wire::Codec;

use super::{Admission, AttemptReport, Options, Outbox, Partitions, Settlement};
use crate::providers::compat::Vendor;
use crate::providers::{Deadlines, Endpoint};
use crate::routing::Target;

const PARTITIONS: Partitions = Partitions { usage: 2, attempts: 3 };

/// A folder, in memory where the system has one for that: these tests sync a lot.
fn temporary() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Small files, so that a few calls fill them.
fn options(folder: &Path) -> Options {
    Options {
        segment: 64 << 10,
        limit: 1 << 20,
        linger: Duration::ZERO,
        clock: Clock::manual(Micros(1_700_000_000_000_000)),
        ..Options::new(folder, PARTITIONS)
    }
}

fn open(folder: &Path) -> Arc<Outbox> {
    Outbox::open(options(folder)).unwrap()
}

fn call(number: u64) -> CallId {
    let mut bytes = [7; 10];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    CallId::new(1_700_000_000_000, &bytes)
}

fn admission(number: u64) -> Admission {
    Admission {
        call: call(number),
        account: format!("account-{}", number % 5).into(),
        project: "project".into(),
        key: "key".into(),
        user: Some("somebody".into()),
        client: None,
        tags: [("team".to_owned(), "red".to_owned())].into(),
        operation: Operation::Chat,
        dialect: "openai.chat",
        streamed: true,
        model: "gpt-4o-mini".into(),
        price_version: "0123456789abcdef".into(),
        input_estimate: 100,
    }
}

fn target(name: &str) -> Arc<Target> {
    static VENDOR: LazyLock<Vendor> =
        LazyLock::new(|| crate::providers::compat::shipped().unwrap()["openai"].clone());
    let base = "http://127.0.0.1:1/v1".parse().unwrap();
    let deadlines = Deadlines::all(Duration::from_secs(1));
    let endpoint = Endpoint::new(name.into(), VENDOR.clone(), base, deadlines).unwrap();
    let (auth, model) = (crate::providers::Auth::None, "gpt-4o-mini".into());
    Arc::new(Target::new(Arc::new(endpoint), "main".into(), 1, auth, model))
}

fn report(target: &Arc<Target>) -> AttemptReport {
    AttemptReport {
        target: Arc::clone(target),
        status: 200,
        error: AttemptError::None,
        retry_after: None,
        started_at: Micros(1_700_000_000_000_000),
        ttft: Some(Duration::from_millis(3)),
        duration: Duration::from_millis(5),
    }
}

fn settlement(units: i64) -> Settlement {
    let quantity = |meter, units| Quantity { meter, units };
    let charge = Charge {
        provider: "openai".into(),
        credential: "main".into(),
        model: "gpt-4o-mini".into(),
        quantities: vec![quantity(Meter::Input, 100), quantity(Meter::Output, units)],
        estimated: false,
        reported_nano: None,
    };
    Settlement {
        outcome: Outcome::Completed,
        error: None,
        status: 200,
        charges: vec![charge],
        ttft: Some(Duration::from_millis(4)),
    }
}

fn prices() -> Arc<PriceBook> {
    static SHIPPED: LazyLock<Arc<PriceBook>> =
        LazyLock::new(|| Arc::new(schemas::price::shipped().unwrap()));
    Arc::clone(&SHIPPED)
}

/// One round of the shipper by hand: what the log took. `remember` moves the watermark.
fn ship(outbox: &Outbox, records: usize, remember: bool) -> Vec<Outgoing> {
    outbox.sync().unwrap();
    let batch = outbox.batch(records, 1 << 20).unwrap();
    if remember {
        let logs = ["usage".to_owned(), "attempts".to_owned()];
        outbox.advance(batch.next, batch.records.len(), logs).unwrap();
    }
    batch.records
}

/// Ships until there is nothing left, and trims.
fn ship_all(outbox: &Outbox) -> Vec<Outgoing> {
    let mut shipped = Vec::new();
    loop {
        let batch = ship(outbox, 7, true);
        if batch.is_empty() {
            outbox.trim().unwrap();
            return shipped;
        }
        shipped.extend(batch);
    }
}

fn usages(records: &[Outgoing]) -> Vec<Usage> {
    let usages = records.iter().filter(|record| record.to.topic == Topic::Usage);
    usages
        .map(|record| Codec::fixed().decode(record.record.value.as_ref().unwrap()).unwrap())
        .collect()
}

fn attempts(records: &[Outgoing]) -> Vec<Attempt> {
    let attempts = records.iter().filter(|record| record.to.topic == Topic::Attempts);
    attempts
        .map(|record| Codec::fixed().decode(record.record.value.as_ref().unwrap()).unwrap())
        .collect()
}

fn output(usage: &Usage) -> i64 {
    let quantities = usage.charges.iter().flat_map(|charge| &charge.quantities);
    quantities
        .filter(|quantity| quantity.meter == Meter::Output)
        .map(|quantity| quantity.units)
        .sum()
}

/// A log in memory that can be away.
#[derive(Debug, Default)]
struct MemoryLog {
    id: String,
    taken: Mutex<Vec<Outgoing>>,
    /// How each next append ends: refused, or taken in part and then failed.
    failures: Mutex<Vec<Failure>>,
}

#[derive(Clone, Copy, Debug)]
enum Failure {
    Refused,
    TakenInPart,
    TooLarge,
}

impl MemoryLog {
    fn failing(failures: &[Failure]) -> Arc<Self> {
        Arc::new(Self { failures: Mutex::new(failures.to_vec()), ..Self::default() })
    }

    fn taken(&self) -> Vec<Outgoing> {
        self.taken.lock().unwrap().clone()
    }
}

#[async_trait]
impl Log for MemoryLog {
    fn partitions(&self, topic: Topic) -> u32 {
        if topic == Topic::Usage { PARTITIONS.usage } else { PARTITIONS.attempts }
    }

    fn id(&self, topic: Topic) -> LogId {
        LogId(format!("{}{topic}", self.id))
    }

    async fn append(&self, records: Vec<Outgoing>) -> Result<Vec<Offset>, LogError> {
        let failure = self.failures.lock().unwrap().pop();
        let mut taken = self.taken.lock().unwrap();
        let away = || LogError::Unavailable("gone fishing".into());
        match failure {
            Some(Failure::Refused) => return Err(away()),
            Some(Failure::TooLarge) if records.len() > 1 => {
                return Err(LogError::TooLarge { size: records.len(), limit: 1 });
            }
            Some(Failure::TakenInPart) => {
                let half = records.len().div_ceil(2);
                taken.extend(records.into_iter().take(half));
                return Err(away());
            }
            Some(Failure::TooLarge) | None => {}
        }
        let offsets = (0..records.len() as u64).collect();
        taken.extend(records);
        Ok(offsets)
    }

    async fn ends(&self, partition: TopicPartition) -> Result<Ends, LogError> {
        Err(LogError::NoPartition(partition, 0))
    }

    async fn reader(
        &self,
        partition: TopicPartition,
        _: Offset,
    ) -> Result<Box<dyn Reader>, LogError> {
        Err(LogError::NoPartition(partition, 0))
    }

    async fn latest(&self, partition: TopicPartition) -> Result<Latest, LogError> {
        Err(LogError::NoPartition(partition, 0))
    }

    async fn writer(&self, id: WriterId) -> Result<Box<dyn Writer>, LogError> {
        Err(LogError::Fenced(id.0))
    }
}
