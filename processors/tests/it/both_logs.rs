//! What is derived does not depend on the log: the same recorded events on Kafka and in a file.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use clickhouse::Client;
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use runtime::clock::Clock;
use runtime::log::kafka::{self, KafkaLog};
use runtime::log::local::{LocalLog, Options};
use runtime::log::{
    Ends, Header, Latest, Log, LogId, NewRecord, Offset, Outgoing, Reader, Record, Result, Writer,
    WriterId,
};
use schemas::event::AttemptError;
use schemas::topics::{Topic, TopicPartition};

use crate::engine::{database, run_sink, until_in_table};
use crate::health::attempt;
use crate::rig::{Rig, Running, book, grant, usage};

const PARTITIONS: u32 = 2;
const INPUTS: [Topic; 4] = [Topic::Control, Topic::Credits, Topic::Usage, Topic::Attempts];
const ACCOUNTS: [&str; 5] = ["acme", "bolt", "coil", "dyne", "echo"];

/// A log of its own on the broker that tests are given.
pub(crate) async fn kafka(partitions: u32) -> Arc<dyn Log> {
    let environment = runtime::config::environment().into_iter();
    let mut found = environment.filter(|(name, _)| name == "HUB_TEST_KAFKA");
    let Some((_, brokers)) = found.next() else {
        panic!("HUB_TEST_KAFKA is not set: it names a broker, host:port; `make test` starts one")
    };
    let options = kafka::Options {
        prefix: format!("p{}.", uuid::Uuid::now_v7().simple()),
        replication: 1,
        min_insync: 1,
        ..kafka::Options::new(brokers, partitions)
    };
    KafkaLog::open(options).await.unwrap()
}

/// What is appended between two times when all is quiet.
fn phases(rig: &Rig) -> Vec<Vec<Outgoing>> {
    let mut random = SmallRng::seed_from_u64(7);
    let mut seqs = [0; PARTITIONS as usize];
    let mut attempts = 0;
    let mut phases = vec![vec![rig.book_record(book())]];
    for phase in 0..3 {
        let command = format!("grant-{phase}");
        let credits = ACCOUNTS.map(|account| rig.credit_record(&grant(account, &command, "0.01")));
        phases.push(credits.into());
        let mut records = Vec::new();
        for _ in 0..150 {
            let account = ACCOUNTS[random.random_range(0..ACCOUNTS.len())];
            let seq = &mut seqs[rig.partition(account) as usize];
            *seq += 1;
            let event = usage(1, *seq, account, random.random_range(1..999));
            let mut record = rig.usage_record(&event);
            if random.random_ratio(1, 30) {
                record.record.value = Some(Bytes::from_static(b"\0\0\0\0\x01")); // a dead letter
            }
            if random.random_ratio(1, 10) {
                records.push(record.clone()); // sent again
            }
            records.push(record);
            attempts += 1;
            let error = AttemptError::ALL[random.random_range(0..AttemptError::ALL.len())];
            let error = if random.random_ratio(3, 4) { AttemptError::None } else { error };
            records.push(rig.attempt_record(&attempt(1, attempts, error)));
        }
        phases.push(records);
    }
    phases
}

/// All that a hub derives, by where it stands; positions in the log left out.
#[derive(Debug, Default, PartialEq)]
struct Derived {
    ledger: Vec<Vec<(Bytes, Option<Bytes>, Vec<(String, Bytes)>)>>,
    balances: BTreeMap<String, Bytes>,
    health: BTreeMap<String, Bytes>,
    tables: BTreeMap<&'static str, Bytes>,
}

impl Derived {
    async fn of(rig: &Rig, client: &Client) -> Self {
        let mut derived = Self {
            balances: rig.latest(Topic::Balances).await,
            health: rig.latest(Topic::Health).await,
            ..Self::default()
        };
        for partition in 0..PARTITIONS {
            let records = rig.read(Topic::Ledger.at(partition)).await.into_iter();
            let whole = |record: Record| (record.key, record.value, record.headers);
            derived.ledger.push(records.map(whole).collect());
        }
        let place = "EXCEPT (log_id, log_offset, logged_at)";
        for (name, query) in [
            ("usage", "SELECT * EXCEPT (log_id) FROM usage ORDER BY log_partition, log_offset"),
            (
                "attempts",
                "SELECT * EXCEPT (log_id) FROM attempts ORDER BY log_partition, log_offset",
            ),
            ("ledger", &format!("SELECT * {place} FROM ledger ORDER BY log_partition, log_offset")),
            ("balances", &format!("SELECT * {place} FROM balances_now ORDER BY account")),
            ("health", &format!("SELECT * {place} FROM health_now ORDER BY subject")),
        ] {
            let query = client.query_raw(query);
            let mut lines = query.fetch_bytes("JSONEachRow").unwrap();
            let table = lines.collect().await.unwrap();
            derived.tables.insert(name, table);
        }
        derived
    }
}

async fn all_done(rig: &Rig, client: &Client) {
    rig.until_done("billing", &[Topic::Usage, Topic::Credits]).await;
    rig.until_done("health", &[Topic::Attempts]).await;
    for table in analytics::table::Table::ALL {
        until_in_table(rig, client, table).await;
    }
}

/// A step of the recording: everything up to before these ends.
type Upto = BTreeMap<TopicPartition, Offset>;

async fn ends(log: &dyn Log) -> Upto {
    let mut upto = Upto::new();
    for topic in INPUTS {
        for partition in 0..log.partitions(topic) {
            let at = topic.at(partition);
            upto.insert(at, log.ends(at).await.unwrap().end);
        }
    }
    upto
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_logs_derive_the_same() {
    let (_, on_kafka) = database("same_kafka").await;
    let (_, on_file) = database("same_file").await;
    let rig = Rig::on(kafka(PARTITIONS).await, Clock::system(), tempfile::tempdir().unwrap());
    let processors = (Running::billing(&rig.deps), Running::health(&rig.deps));
    let sink = run_sink(&on_kafka, &rig.deps);
    let mut steps = Vec::new();
    for records in phases(&rig) {
        rig.log.append(records).await.unwrap();
        all_done(&rig, &on_kafka).await;
        steps.push(ends(&*rig.log).await);
    }
    drop(processors);
    // ticks come until the end: the last step goes as far as they were taken
    let last = steps.last_mut().unwrap();
    for (at, upto) in last.iter_mut().filter(|(at, _)| at.topic == Topic::Attempts) {
        *upto = rig.position("health", *at).await.unwrap_or(*upto);
    }
    for table in analytics::table::Table::ALL {
        until_in_table(&rig, &on_kafka, table).await;
    }
    drop(sink);
    let recording = recording(&rig).await;
    let derived = Derived::of(&rig, &on_kafka).await;
    let entries: Vec<usize> = derived.ledger.iter().map(Vec::len).collect();
    assert!(entries.iter().all(|count| *count > 60), "{entries:?}");
    // of targets and credentials, and of their providers and models
    assert_eq!((derived.balances.len(), derived.health.len()), (ACCOUNTS.len(), 6));

    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(recording.iter().map(|(_, record)| record.at).min().unwrap());
    let options = Options::new(PARTITIONS, clock.clone());
    let log = LocalLog::open(&folder.path().join("hub.sqlite"), options).unwrap();
    let other = Rig::on(log, clock, folder);
    let quiet = other.deps_on(Arc::new(Tickless(Arc::clone(&other.log))));
    let _running =
        (Running::billing(&other.deps), Running::health(&quiet), run_sink(&on_file, &other.deps));
    let mut from = Upto::new();
    for upto in steps {
        for (at, record) in &recording {
            let before = from.get(at).is_none_or(|from| record.offset >= *from);
            if before && record.offset < upto[at] {
                other.clock.advance(record.at.since(other.clock.now()));
                let record = again(record);
                other.log.append(vec![Outgoing { to: *at, record }]).await.unwrap();
            }
        }
        all_done(&other, &on_file).await;
        from = upto;
    }
    assert_eq!(Derived::of(&other, &on_file).await, derived);
}

/// The inputs in the order of time, and of each partition.
async fn recording(rig: &Rig) -> Vec<(TopicPartition, Record)> {
    let mut recording = Vec::new();
    for topic in INPUTS {
        for partition in 0..rig.log.partitions(topic) {
            let at = topic.at(partition);
            recording.extend(rig.read(at).await.into_iter().map(|record| (at, record)));
        }
    }
    recording.sort_by_key(|(_, record)| record.at);
    recording
}

fn again(record: &Record) -> NewRecord {
    let names = ["origin", "seq", "account", "call"];
    let header = |(name, value): &(String, Bytes)| Header {
        name: names.into_iter().find(|known| known == name).expect("a header of the hub"),
        value: value.clone(),
    };
    NewRecord {
        key: record.key.clone(),
        value: record.value.clone(),
        headers: record.headers.iter().map(header).collect(),
    }
}

/// A log that takes no ticks of its own: those of the recording are in it.
#[derive(Debug)]
struct Tickless(Arc<dyn Log>);

#[async_trait]
impl Log for Tickless {
    fn partitions(&self, topic: Topic) -> u32 {
        self.0.partitions(topic)
    }

    fn id(&self, topic: Topic) -> LogId {
        self.0.id(topic)
    }

    async fn append(&self, _: Vec<Outgoing>) -> Result<Vec<Offset>> {
        Ok(Vec::new())
    }

    async fn ends(&self, partition: TopicPartition) -> Result<Ends> {
        self.0.ends(partition).await
    }

    async fn reader(&self, partition: TopicPartition, from: Offset) -> Result<Box<dyn Reader>> {
        self.0.reader(partition, from).await
    }

    async fn latest(&self, partition: TopicPartition) -> Result<Latest> {
        self.0.latest(partition).await
    }

    async fn writer(&self, id: WriterId) -> Result<Box<dyn Writer>> {
        self.0.writer(id).await
    }
}
