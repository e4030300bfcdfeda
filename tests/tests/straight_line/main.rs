//! The straight line, from outside and all real: one hub with its engine, a call from HTTP to
//! ClickHouse, and what becomes of it when money, providers or processes fail.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

mod call;
mod failover;
mod kill;
mod money;
mod page;
#[path = "../rig/mod.rs"]
mod rig;
mod roles;
mod signed;
mod stuck;
mod trail;
mod vendors;

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use e2e::fake_provider::{Behaviour, FakeProvider, Options};
use e2e::hub::{Hub, Provider};
use e2e::process::Process;
use serde_json::{Value, json};

use rig::{eventually, ready};

/// How long events may take on their way while other tests have the machine.
const PATIENCE: Duration = Duration::from_secs(180);

/// A command of the hub's that may use the engine.
fn command(hub: &Hub, arguments: &[&str]) -> Command {
    let mut command = rig::command(hub, arguments);
    command.env("HUB_CLICKHOUSE_LIBRARY", rig::library());
    command
}

/// Starts a role.
fn start(hub: &Hub, role: &str) -> Process {
    rig::start(hub, role, command(hub, &[role]))
}

fn output(hub: &Hub, arguments: &[&str]) -> Output {
    command(hub, arguments).output().unwrap()
}

/// Starts everything in one process, and waits until it takes calls.
fn serve(hub: &Hub) -> Process {
    let mut process = start(hub, "serve");
    ready(&mut process, hub, "serve");
    process
}

/// The rows of a query by `hub sql`, once there are as many.
fn rows(hub: &Hub, count: usize, query: &str) -> Vec<Value> {
    rows_within(hub, PATIENCE, count, query)
}

fn rows_within(hub: &Hub, patience: Duration, count: usize, query: &str) -> Vec<Value> {
    let mut last = String::new();
    let deadline = std::time::Instant::now() + patience;
    loop {
        let said = output(hub, &["sql", query, "--format", "JSONEachRow"]);
        let rows: Vec<Value> = String::from_utf8_lossy(&said.stdout)
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        if said.status.success() && rows.len() >= count {
            assert_eq!(rows.len(), count, "{query}: {rows:?}");
            return rows;
        }
        if std::time::Instant::now() > deadline {
            let logs = ["serve", "sink"].map(|role| hub.tail(role)).join("\n");
            panic!("{query}: not {count} rows within {patience:?}: {said:?} {last}\n{logs}");
        }
        last = format!("{rows:?}");
    }
}

/// What a command tells as JSON, one value per partition or table.
fn told(hub: &Hub, arguments: &[&str]) -> Vec<Value> {
    let said = output(hub, arguments);
    assert!(said.status.success(), "{arguments:?}: {said:?}");
    serde_json::from_slice(&said.stdout).unwrap()
}

/// Waits until every event is everywhere, and holds every processor against its replay. Gives the
/// number of events.
fn all_is_sound(hub: &Hub) -> u64 {
    // calls are served before the tables are made; this is the last of them
    rows(hub, 1, "SELECT count() FROM health_now");
    let verdicts = eventually("everything arrived", PATIENCE, || {
        let verdicts = told(hub, &["verify", "--json"]);
        let lags = ["billing_lag", "sink_lag", "missing"];
        let arrived = verdicts.iter().all(|verdict| lags.iter().all(|lag| verdict[lag] == 0));
        arrived.then_some(verdicts)
    });
    let sum = |name: &str| verdicts.iter().map(|verdict| verdict[name].as_u64().unwrap()).sum();
    let (events, rows): (u64, u64) = (sum("events"), sum("rows"));
    assert!(verdicts.iter().all(|verdict| verdict["wrong"] == json!([])), "{verdicts:?}");
    assert_eq!(events, rows, "{verdicts:?}");
    for processor in ["billing", "health", "sink"] {
        let reports = told(hub, &["replay", processor, "--json"]);
        assert!(reports.iter().all(|report| report["different"] == 0), "{reports:?}");
        let compared = reports.iter().filter_map(|report| report["compared"].as_object());
        let compared: u64 = compared.flat_map(|all| all.values()).filter_map(Value::as_u64).sum();
        assert!(compared > 0, "{processor}: nothing was compared: {reports:?}");
    }
    events
}

/// A fake that does this when a request says nothing else.
async fn fake(default: &str) -> FakeProvider {
    let default = Behaviour::parse(default).unwrap();
    FakeProvider::start(Options { default, ..Options::default() }).await.unwrap()
}

/// A hub over these fakes, whose models cost one USD per million tokens read and two per million
/// written, as those of the demo do.
fn hub(folder: &Path, fakes: &[(&str, &FakeProvider)], more: &str) -> Hub {
    let provider = |(id, fake): &(&str, &FakeProvider)| Provider {
        id: (*id).to_owned(),
        url: fake.url(),
        models: Vec::new(),
    };
    let providers: Vec<Provider> = fakes.iter().map(provider).collect();
    let prices = folder.join("prices.csv");
    let mut list = "provider,model,input,output\n".to_owned();
    list.extend(fakes.iter().map(|(id, _)| format!("{id},*,1,2\n")));
    std::fs::write(&prices, list).unwrap();
    let settings = format!("prices_file = {prices:?}\n{more}");
    Hub::new(rig::binary(), folder, &providers, &settings).unwrap()
}

/// A chat.
fn say(model: &str, content: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": content}]})
}
