//! Events on Kafka under the ids of a schema registry, read by who knows nothing of the hub.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop")]

use std::path::{Path, PathBuf};
use std::process::Command;

use bytes::Bytes;
use runtime::log::kafka::{KafkaLog, Options};
use runtime::log::{Log as _, NewRecord, Outgoing};
use runtime::registry::{self, open};
use runtime::task::Tasks;
use schemas::event;
use schemas::wire::{Codec, Event, SCHEMAS, SchemaName};
use serde_json::Value;

fn given(name: &str, what: &str) -> String {
    let environment = runtime::config::environment();
    let found = environment.into_iter().find(|(known, _)| known == name);
    let (_, value) = found.unwrap_or_else(|| {
        panic!("{name} is not set: it is the address of {what}; `make kafka` starts one")
    });
    value
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The example of the newest version of each schema, by its file's name.
fn examples() -> impl Iterator<Item = (SchemaName, String, Value)> {
    SchemaName::ALL.into_iter().map(|name| {
        let newest = SCHEMAS.iter().rev().find(|(_, of, _)| *of == name).unwrap();
        let file = format!("{name:?}.{}", newest.0).to_lowercase();
        let path = root().join("schemas/examples").join(format!("{file}.json"));
        let text = std::fs::read_to_string(&path).unwrap();
        let example: Value = serde_json::from_str(&text).unwrap();
        (name, file, example["event"].clone())
    })
}

fn encode(codec: &Codec, name: SchemaName, told: Value) -> Vec<u8> {
    fn of<E: Event>(codec: &Codec, told: Value) -> Vec<u8> {
        codec.to_vec(&serde_json::from_value::<E>(told).unwrap()).unwrap()
    }
    macro_rules! by_name {
        ($($event:ident),*) => {
            match name {$( SchemaName::$event => of::<event::$event>(codec, told), )*}
        };
    }
    by_name!(
        Usage, Attempt, Tick, Control, Credit, Ledger, Balance, Health, Limit, Audit, Dead, State
    )
}

#[tokio::test]
async fn a_stock_confluent_consumer_reads_every_event() {
    let brokers = given("HUB_TEST_KAFKA", "a Kafka broker, host:port");
    let url = given("HUB_TEST_REGISTRY", "a schema registry's API");
    let prefix = format!("t{}.", uuid::Uuid::now_v7().simple());
    let folder = tempfile::tempdir().unwrap();
    let tasks = Tasks::new();
    let options = registry::Options {
        prefix: prefix.clone(),
        ..registry::Options::new(&url, folder.path().join("registry.json"))
    };
    let codec = open(options, &tasks, |_| ()).await.unwrap();
    let options = Options {
        prefix: prefix.clone(),
        replication: 1,
        min_insync: 1,
        ..Options::new(&brokers, 1)
    };
    let log = KafkaLog::open(options).await.unwrap();
    let records = examples().map(|(name, file, told)| {
        let value = Bytes::from(encode(&codec, name, told));
        let record = NewRecord { key: file.into(), value: Some(value), headers: Vec::new() };
        Outgoing { to: name.topic().at(0), record }
    });
    log.append(records.collect()).await.unwrap();

    let output = Command::new(root().join("tests/registry/run"))
        .env("KAFKA_BROKERS", &brokers)
        .env("REGISTRY_URL", &url)
        .env("TOPIC_PREFIX", &prefix)
        .output()
        .unwrap();
    let told = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    println!("{}", told(&output.stdout));
    assert!(output.status.success(), "{}\n{}", told(&output.stdout), told(&output.stderr));
    tasks.stop();
}
