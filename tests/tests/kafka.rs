//! The broker and the registry that other tests stand on: what they were given outlives their
//! death.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

#[path = "rig/mod.rs"]
#[expect(dead_code, reason = "shared with the tests over a running hub")]
mod rig;

use e2e::kafka::{Kafka, Listener, Registry};
use e2e::process::{PATIENCE, listens};
use rig::http::{Answer, exchange, request};
use serde_json::json;

const VERSIONS: &str = "/apis/ccompat/v7/subjects/calls-value/versions";

fn post(registry: &Registry, schema: &str) -> Answer {
    let headers = [("content-type", "application/vnd.schemaregistry.v1+json")];
    let body = json!({"schema": schema}).to_string();
    exchange(registry.address(), &request("POST", VERSIONS, &headers, body.as_bytes()))
}

/// R, S, D or T, as the kernel has it.
fn state(process: u32) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    stat.rsplit_once(") ").unwrap().1.chars().take(1).collect()
}

#[test]
fn schemas_outlive_a_killed_broker_and_a_killed_registry() {
    let folder = tempfile::tempdir().unwrap();
    let mut kafka = Kafka::start(&folder.path().join("kafka")).unwrap();
    let mut registry = Registry::start(kafka.address(), &folder.path().join("registry")).unwrap();
    let schema = r#"{"type": "record", "name": "Call", "fields": []}"#;
    let id = post(&registry, schema).json()["id"].as_i64().unwrap();

    registry.process().kill().unwrap();
    kafka.process().kill().unwrap();
    assert!(!listens(kafka.address()));
    kafka.restart().unwrap();
    kafka.until_it_serves().unwrap();
    registry.restart().unwrap();
    registry.until_it_serves().unwrap();

    let got = exchange(registry.address(), &request("GET", VERSIONS, &[], b""));
    assert_eq!(got.json(), json!([1]), "{}", got.text());
    assert_eq!(post(&registry, schema).json()["id"], id);
}

#[test]
fn a_paused_broker_goes_on_with_all_its_listeners() {
    let folder = tempfile::tempdir().unwrap();
    let mut kafka = Kafka::secured(folder.path()).unwrap();
    let process = kafka.process().id();
    kafka.process().pause().unwrap();
    rig::eventually("stands still", PATIENCE, || (state(process) == "T").then_some(()));
    kafka.process().resume().unwrap();
    kafka.until_it_serves().unwrap();
    for listener in [Listener::Tls, Listener::Sasl, Listener::SaslTls] {
        assert!(listens(kafka.listener(listener).unwrap()), "{listener:?}");
    }
    for file in ["ca.pem", "client.pem", "client.key", "hub.password"] {
        assert!(kafka.file(file).is_file(), "{file}");
    }
}
