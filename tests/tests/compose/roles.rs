//! Each role runs as the file says, and together they do what a hub is there for.

use std::net::SocketAddr;
use std::time::Duration;

use e2e::kafka::{Kafka, Registry};
use e2e::process::{PATIENCE, Process};
use serde_json::{Value, json};

use crate::container::{Container, clickhouse};
use crate::file::compose;
use crate::rig::eventually;
use crate::rig::http::{chat, exchange, request};

const KEY: &str = "key-of-a-caller";
/// 32 bytes of a test in base64.
const MASTER_KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// The services that are the hub's, with these places in place of the others'.
fn containers(
    folder: &std::path::Path,
    others: &[(&str, String)],
    password: &str,
) -> Vec<Container> {
    let given = [
        ("CLIENT_KEY", KEY),
        ("MASTER_KEY", MASTER_KEY),
        ("CLICKHOUSE_PASSWORD", password),
        ("CLICKHOUSE_READER_PASSWORD", "unused here"),
    ];
    let compose = compose();
    let one = |(name, _): (&String, _)| Container::new(&compose, name, folder, others, &given);
    compose.hubs().map(one).collect()
}

#[test]
fn each_role_takes_its_settings() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = ["kafka:9092", "registry:8080", "clickhouse:8123"]
        .map(|inside| (inside, inside.replace(':', ".example:")));
    let compose = compose();
    for container in containers(folder.path(), &elsewhere, "word") {
        let (name, settings) = (&container.name, container.settings());
        let log = &settings["log"];
        assert_eq!(log["kind"].as_str(), Some("kafka"), "{name}");
        assert_eq!(log["kafka"]["brokers"][0].as_str(), Some("kafka.example:9092"), "{name}");
        assert_eq!(settings["keys"][0]["secret"].as_str(), Some("env:CLIENT_KEY"), "{name}");
        let password = settings["clickhouse"]["password"].as_str();
        assert_eq!(password, Some("env:CLICKHOUSE_PASSWORD"), "{name}");
        assert!(!settings.to_string().contains("word\""), "{name} tells a secret");

        // killed no earlier than it has drained: first the calls, then the outbox
        let seconds = |text: &str| text.strip_suffix('s').unwrap().parse::<u64>().unwrap();
        let drain = seconds(settings["limits"]["drain_time"].as_str().unwrap());
        let grace = seconds(compose.services[name].stop_grace_period.as_deref().unwrap());
        assert!(grace > 2 * drain, "{name} drains for {drain} s, but is killed after {grace} s");
    }
}

/// The broker's settings without those that are places: a container's variable is a setting's name
/// in capitals, with `_` for `.`.
fn broker_settings() -> Vec<(String, String)> {
    let variables = compose().services["kafka"].variables(|_| None).unwrap();
    let places = ["listeners", "quorum", "log.dirs", "process.roles", "node.id"];
    let settings = variables.into_iter().filter_map(|(name, value)| {
        let name = name.strip_prefix("KAFKA_")?.to_lowercase().replace('_', ".");
        Some((name, value))
    });
    settings.filter(|(name, _)| !places.iter().any(|place| name.contains(place))).collect()
}

/// How many rows a table has.
fn count(clickhouse: SocketAddr, password: &str, table: &str) -> Option<u64> {
    let headers = [("x-clickhouse-user", "hub"), ("x-clickhouse-key", password)];
    let query = format!("SELECT toUInt32(count()) AS rows FROM hub.{table} FORMAT JSONEachRow");
    let answer = exchange(clickhouse, &request("POST", "/", &headers, query.as_bytes()));
    answer.json()["rows"].as_u64()
}

#[test]
fn each_role_runs_and_is_healthy_as_the_file_says() {
    let folder = tempfile::tempdir().unwrap();
    let (mut engine, tables, password) = clickhouse(folder.path());
    let kafka = Kafka::configured(&folder.path().join("kafka"), &broker_settings()).unwrap();
    let registry = Registry::start(kafka.address(), &folder.path().join("registry")).unwrap();
    engine.until("listens", || e2e::process::listens(tables)).unwrap();

    let here = [
        ("kafka:9092", kafka.address().to_string()),
        ("registry:8080", registry.address().to_string()),
        ("clickhouse:8123", tables.to_string()),
    ];
    let containers = containers(folder.path(), &here, &password);
    let mut processes: Vec<Process> = containers.iter().map(Container::start).collect();
    for (container, process) in containers.iter().zip(&mut processes) {
        container.healthy(process);
    }

    let gateways: Vec<_> =
        containers.iter().filter(|one| one.name.starts_with("gateway")).collect();
    assert_eq!(gateways.len(), 2);
    let question = json!({"model": "demo", "messages": [{"role": "user", "content": "hello"}]});
    for gateway in &gateways {
        let answer = chat(gateway.listen, KEY, &question);
        assert_eq!(answer.status, 200, "{}: {}", gateway.name, answer.text());
        assert_ne!(answer.json()["choices"][0]["message"]["content"], Value::Null);
    }
    for table in ["usage", "attempts", "ledger"] {
        eventually(table, PATIENCE, || count(tables, &password, table).filter(|rows| *rows >= 2));
    }
    let subjects = request("GET", "/apis/ccompat/v7/subjects", &[], b"");
    let subjects = exchange(registry.address(), &subjects).text();
    assert!(subjects.contains("hub.usage.v1"), "the registry knows {subjects}");

    let started = std::time::Instant::now();
    for (container, process) in containers.iter().zip(processes) {
        let status = process.stop().unwrap();
        assert!(status.success(), "{}: {status}\n{}", container.name, container.said());
    }
    assert!(started.elapsed() < Duration::from_secs(70), "they stop within their grace");
}
