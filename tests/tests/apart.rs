//! Roles apart on one Kafka: they start in any order, serve on without it for a while, and several
//! of a kind do each other no harm.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

#[path = "rig/mod.rs"]
#[expect(dead_code, reason = "shared with the tests over one hub")]
mod rig;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use e2e::hub::{Hub, get};
use e2e::kafka::Kafka;
use e2e::process::Process;
use rig::eventually;
use rig::http::{Answer, chat};
use runtime::log::kafka::{KafkaLog, Options};
use runtime::log::{Log as _, Record, Span};
use schemas::event::{Balance, Control, Health, HealthState, Ledger, Usage};
use schemas::topics::Topic;
use schemas::wire::{Codec, Event};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(180);
/// What both gateways are told at their first start.
const SEED: &str = "[[accounts]]\nid = \"acme\"\nkind = \"prepaid\"\ngrant = \"25\"\n";

/// A command of a hub whose log is on this broker.
fn command(hub: &Hub, kafka: &Kafka, arguments: &[&str]) -> Command {
    let mut command = rig::command(hub, arguments);
    kafka.keeps_log_of(&mut command);
    command.env("HUB_LOG_KAFKA_PATIENCE", "3s").env("HUB_LOG_MAX_STALE", "6s");
    command
}

fn start(hub: &Hub, kafka: &Kafka, role: &str) -> Process {
    rig::start(hub, role, command(hub, kafka, &[role]))
}

fn hub(folder: &Path) -> Hub {
    Hub::new(rig::binary(), folder, &[], SEED).unwrap()
}

/// Status and content of a process's `/readyz`; zero when nothing listens.
fn readiness(admin: SocketAddr) -> (u16, Value) {
    let (status, report) = get(admin, "/readyz").unwrap_or_default();
    (status, serde_json::from_str(&report).unwrap_or_default())
}

fn until_ready(hub: &Hub, role: &str) {
    let deadline = Instant::now() + PATIENCE;
    let admin = hub.admin_of(role);
    while readiness(admin).0 != 200 {
        let said = || format!("{role}: {:#} {}", readiness(admin).1, hub.tail(role));
        assert!(Instant::now() < deadline, "{}", said());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until a process is not ready for this reason.
fn until_unready(admin: SocketAddr, reason: &str) {
    eventually(reason, PATIENCE, || {
        let (status, report) = readiness(admin);
        (status == 503 && report["why"].as_str()?.contains(reason)).then_some(())
    });
}

fn ask(hub: &Hub) -> Answer {
    let body = json!({"model": "demo", "messages": [{"role": "user", "content": "hi"}]});
    chat(hub.listen, &hub.key, &body)
}

/// The log on this broker, as the hubs have it.
async fn open(kafka: &Kafka) -> Arc<KafkaLog> {
    let options =
        Options { replication: 1, min_insync: 1, ..Options::new(kafka.address().to_string(), 4) };
    KafkaLog::open(options).await.unwrap()
}

/// Waits until so many events are there; `said` is shown when they do not come.
async fn until_there<E: Event>(
    log: &Arc<KafkaLog>,
    topic: Topic,
    count: usize,
    said: impl Fn() -> String,
) {
    let deadline = Instant::now() + PATIENCE;
    while events::<E>(log, topic).await.len() < count {
        assert!(Instant::now() < deadline, "{}", said());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn records(log: &Arc<KafkaLog>, topic: Topic) -> Vec<Record> {
    let mut records = Vec::new();
    for partition in 0..log.partitions(topic) {
        let mut span = Span::whole(&**log, topic.at(partition)).await.unwrap();
        while let Some(page) = span.page().await.unwrap() {
            records.extend(page);
        }
    }
    records
}

async fn events<E: Event>(log: &Arc<KafkaLog>, topic: Topic) -> Vec<E> {
    let records = records(log, topic).await;
    let values = records.into_iter().filter_map(|record| record.value);
    values.filter_map(|value| Codec::fixed().decode(&value).ok()).collect()
}

#[test]
fn parts_start_in_any_order_and_a_gateway_serves_on_without_the_log_for_a_while() {
    let folder = tempfile::tempdir().unwrap();
    let hub = hub(&folder.path().join("hub"));
    let mut kafka = Kafka::start(&folder.path().join("kafka")).unwrap();
    kafka.process().kill().unwrap();

    let mut gateway = start(&hub, &kafka, "gateway");
    let mut billing = start(&hub, &kafka, "billing");
    for role in ["gateway", "billing"] {
        let admin = hub.admin_of(role);
        until_unready(admin, "log: ");
        until_unready(admin, &kafka.address().to_string());
    }
    let refused = ask(&hub);
    assert_eq!((refused.status, refused.header("retry-after")), (503, "1"), "{}", refused.text());
    let credits = ["credits", "grant", "--account", "a", "--amount", "1", "--command", "c"];
    let told = command(&hub, &kafka, &credits).output().unwrap();
    let said = String::from_utf8(told.stderr).unwrap();
    assert!(!told.status.success() && said.contains(&kafka.address().to_string()), "{said}");

    kafka.restart().unwrap();
    for role in ["gateway", "billing"] {
        until_ready(&hub, role);
    }
    assert!(gateway.runs() && billing.runs(), "nobody gave up");
    assert!(!hub.data().join("log").exists(), "the folder holds no log of its own");
    let before = ask(&hub);
    assert_eq!(before.status, 200, "{}", before.text());

    kafka.process().pause().unwrap();
    let meanwhile = ask(&hub);
    assert_eq!(meanwhile.status, 200, "{}", meanwhile.text());
    let (status, report) = readiness(hub.admin);
    assert_eq!((status, &report["log"]["max_stale_ms"]), (200, &json!(6000)), "{report}");
    until_unready(hub.admin, "has not reached the log for");
    assert_eq!(readiness(hub.listen).0, 503, "callers' side says the same");
    let refused = ask(&hub);
    let error = &refused.json()["error"];
    assert_eq!((refused.status, &error["code"]), (503, &json!("not_ready")), "{error}");
    assert!(error["message"].as_str().unwrap().contains("log.max_stale"), "{error}");

    kafka.process().resume().unwrap();
    until_ready(&hub, "gateway");
    assert_eq!(ask(&hub).status, 200);
    eventually("all is shipped", PATIENCE, || {
        let (_, report) = readiness(hub.admin);
        (report["outbox"]["unshipped_records"] == 0).then_some(())
    });
    assert!(gateway.stop().unwrap().success(), "{}", hub.tail("gateway"));
    assert!(billing.stop().unwrap().success(), "{}", hub.tail("billing"));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_of_a_kind_do_each_other_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(&folder.path().join("kafka")).unwrap();
    let hubs = ["one", "other"].map(|name| hub(&folder.path().join(name)));
    let [one, other] = &hubs;
    // both find an empty log, and tell it of the same prices and the same grant
    let mut gateways = hubs.each_ref().map(|hub| start(hub, &kafka, "gateway"));
    let mut billing = start(one, &kafka, "billing");
    for hub in &hubs {
        until_ready(hub, "gateway");
        for _ in 0..3 {
            assert_eq!(ask(hub).status, 200, "{}", hub.tail("gateway"));
        }
    }
    gateways[0].kill().unwrap();
    assert_eq!(ask(other).status, 200, "who is served by the other sees nothing of it");
    gateways[0] = start(one, &kafka, "gateway");
    until_ready(one, "gateway");
    until_ready(one, "billing");

    // a second process as the same instance, on a folder of its own
    let mut second = start(other, &kafka, "billing");
    until_ready(other, "billing");
    for hub in &hubs {
        assert_eq!(ask(hub).status, 200);
    }
    until_unready(one.admin_of("billing"), "is fenced");
    assert!(billing.runs(), "it stays, and says why it does nothing");

    let log = open(&kafka).await;
    // nine calls and one grant; a call of a killed gateway is told by it when it is back
    until_there::<Ledger>(&log, Topic::Ledger, 10, || other.tail("billing")).await;
    let entries: Vec<Ledger> = events(&log, Topic::Ledger).await;
    assert_eq!(entries.len(), 10, "{entries:?}");
    let mut latest = Vec::new();
    for partition in 0..4 {
        latest.extend(log.latest(Topic::Balances.at(partition)).await.unwrap().records);
    }
    let balances = latest.iter().filter_map(|record| record.value.as_deref());
    let balances: Vec<Balance> = balances.map(|it| Codec::fixed().decode(it).unwrap()).collect();
    let acme = balances.iter().find(|balance| balance.account.as_str() == "acme").unwrap();
    assert_eq!(acme.balance, "25".parse().unwrap(), "granted once: {acme:?}");
    let mut books: Vec<Control> = events(&log, Topic::Control).await;
    books.retain(|control| control.kind == "price_book");
    assert!((1..=2).contains(&books.len()), "one book, told of once or twice: {}", books.len());
    assert!(books.iter().all(|book| book.id == books[0].id && book.body == books[0].body));
    let dead = records(&log, Topic::Dead).await;
    assert!(dead.is_empty(), "{dead:?}");
    let said = command(one, &kafka, &["replay", "billing", "--json"]).output().unwrap();
    assert!(said.status.success(), "{said:?}");
    assert!(second.runs() && gateways.iter_mut().all(Process::runs));
}

/// A library that puts the clock of who loads it an hour ahead.
fn an_hour_ahead(folder: &Path) -> PathBuf {
    let library = folder.join("ahead.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/clock/ahead.c");
    let mut gcc = Command::new("gcc");
    gcc.args(["-shared", "-fPIC", "-O", "-o"]).arg(&library).arg(source);
    assert!(gcc.status().unwrap().success(), "{source}");
    library
}

/// A gateway's clock is what it stamps its own calls with; what is derived goes by the log's.
#[tokio::test(flavor = "multi_thread")]
async fn an_hour_between_the_clocks_of_gateways_changes_nothing_that_is_derived() {
    const HOUR: i64 = 3_600_000_000;
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(&folder.path().join("kafka")).unwrap();
    let hubs = ["right", "ahead"].map(|name| hub(&folder.path().join(name)));
    let [right, ahead] = &hubs;
    let _right = start(right, &kafka, "gateway");
    let mut fast = command(ahead, &kafka, &["gateway"]);
    fast.env("LD_PRELOAD", an_hour_ahead(folder.path()));
    let _ahead = rig::start(ahead, "gateway", fast);
    let _processors = ["billing", "health"].map(|role| start(right, &kafka, role));
    for hub in &hubs {
        until_ready(hub, "gateway");
    }
    for _ in 0..3 {
        for hub in &hubs {
            assert_eq!(ask(hub).status, 200, "{}", hub.tail("gateway"));
        }
    }
    let log = open(&kafka).await;
    until_there::<Ledger>(&log, Topic::Ledger, 7, || right.tail("billing")).await;
    let calls: Vec<Usage> = events(&log, Topic::Usage).await;
    let stamps: Vec<i64> = calls.iter().map(|call| call.admitted_at).collect();
    let (first, last) = (stamps.iter().min().unwrap(), stamps.iter().max().unwrap());
    assert!((HOUR..HOUR + 120_000_000).contains(&(last - first)), "{stamps:?}");

    let entries: Vec<Ledger> = events(&log, Topic::Ledger).await;
    let times: Vec<i64> = entries.iter().map(|entry| entry.at).collect();
    assert!(times.iter().max().unwrap() - times.iter().min().unwrap() < HOUR / 10, "{times:?}");
    let records = records(&log, Topic::Usage).await;
    assert!(records.windows(2).all(|pair| pair[0].at <= pair[1].at), "one account, one partition");
    until_there::<Health>(&log, Topic::Health, 2, || right.tail("health")).await;
    let healths: Vec<Health> = events(&log, Topic::Health).await;
    assert!(healths.iter().all(|it| it.state == HealthState::Healthy), "{healths:?}");
    for processor in ["billing", "health"] {
        let said = command(right, &kafka, &["replay", processor, "--json"]).output().unwrap();
        assert!(said.status.success(), "{said:?}");
    }
}
