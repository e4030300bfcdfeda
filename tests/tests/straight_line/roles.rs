//! Every role in a process of its own, over one data folder.

use std::net::SocketAddr;

use e2e::hub::{Hub, get};
use e2e::process::{Process, free_address};
use serde_json::{Value, json};

use crate::rig::http::chat;
use crate::rig::{self, eventually, ready};
use crate::{PATIENCE, all_is_sound, command, hub, output, rows, say, start};

const ROLES: [&str; 5] = ["clickhouse", "billing", "health", "sink", "gateway"];
/// What each of them does, one by one, as its `/readyz` names it.
const PARTS: [(&str, &[&str]); 4] = [
    ("clickhouse", &["clickhouse"]),
    ("billing", &["billing/0", "billing/1", "billing/2", "billing/3"]),
    ("health", &["health/0", "health/1", "health/2", "health/3"]),
    ("sink", &["clickhouse", "sink/attempts/0", "sink/ledger/1", "sink/usage/3"]),
];

/// What a role says of itself at its operators' listener, and to `hub probe`.
fn readiness(hub: &Hub, role: &str) -> (bool, Value, String) {
    let (status, report) = get(hub.admin_of(role), "/readyz").unwrap_or_default();
    let mut probe = command(hub, &["probe"]);
    probe.env("HUB_ADMIN_LISTEN", hub.admin_of(role).to_string());
    let probe = probe.output().unwrap();
    let said = [probe.stdout, probe.stderr].concat();
    let ready = status == 200;
    assert_eq!(probe.status.success(), ready, "{role}: {report} {said:?}");
    (ready, serde_json::from_str(&report).unwrap_or_default(), String::from_utf8(said).unwrap())
}

/// Waits until a process is ready, and gives what it says.
fn until_ready(admin: SocketAddr) -> Value {
    eventually("it was ready", PATIENCE, || {
        let (status, report) = get(admin, "/readyz").ok()?;
        (status == 200).then(|| serde_json::from_str(&report).unwrap())
    })
}

#[test]
fn roles_apart_serve_a_call_and_its_row_appears() {
    let folder = tempfile::tempdir().unwrap();
    let hub = hub(folder.path(), &[], "");
    let mut roles: Vec<(&str, Process)> =
        ROLES.iter().map(|role| (*role, start(&hub, role))).collect();
    let (_, gateway) = roles.last_mut().unwrap();
    ready(gateway, &hub, "gateway");
    let ask = || {
        let answer = chat(hub.listen, &hub.key, &say("demo", "hi"));
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.header("x-hub-call").to_owned()
    };
    let first = ask();
    let calls = "SELECT toString(call) AS call, billed FROM calls ORDER BY logged_at, call";
    let row = |call: &str| json!({"call": call, "billed": "usage"});
    rows(&hub, 1, "SELECT 1 FROM ledger");
    assert_eq!(rows(&hub, 1, calls), [row(&first)]);
    rows(&hub, 1, "SELECT 1 FROM attempts");
    rows(&hub, 1, "SELECT 1 FROM health_now WHERE kind = 'target' AND state = 'healthy'");
    for (role, parts) in PARTS {
        until_ready(hub.admin_of(role));
        let (ready, report, said) = readiness(&hub, role);
        assert!(ready && said == "ready\n", "{role}: {report} {said}");
        for part in parts {
            assert_eq!(report["parts"][part]["ok"], true, "{role}: {part}: {report}");
        }
        let one = &report["parts"][parts.last().unwrap()]["detail"];
        let running = role == "clickhouse" || one["phase"] == "running" && one["lag"].is_object();
        assert!(running, "{role}: {one}");
        let (_, metrics) = get(hub.admin_of(role), "/metrics").unwrap();
        let counted = match role {
            "clickhouse" => "hub_clickhouse_up{engine=\"embedded\"} 1",
            "sink" => "hub_processor_insert_duration_seconds_count{processor=\"sink/usage\"} 1",
            _ => "hub_processor_commit_duration_seconds_count{",
        };
        assert!(metrics.contains(counted), "{role}: {counted}: {metrics}");
        assert!(metrics.contains("process_resident_memory_bytes"), "{role}: {metrics}");
    }

    // a role that falls takes nobody with it, and catches up
    for (name, role) in &mut roles[..4] {
        role.kill().unwrap();
        *role = start(&hub, name);
    }
    let second = ask();
    rows(&hub, 2, "SELECT 1 FROM ledger");
    let mut both = [first, second];
    both.sort();
    assert_eq!(rows(&hub, 2, calls), both.map(|call| row(&call)));
    assert_eq!(all_is_sound(&hub), 2);
    for (name, mut role) in roles.into_iter().rev() {
        assert!(role.runs(), "{name}: {}", hub.tail(name));
        assert!(role.stop().unwrap().success(), "{name}: {}", hub.tail(name));
    }
}

/// Two processes share a role's partitions, each with its own; there is room for no third, and who
/// comes as one of the two is told who is there.
#[test]
fn two_instances_of_a_role_share_its_partitions() {
    let folder = tempfile::tempdir().unwrap();
    let hub = hub(folder.path(), &[], "");
    let instance = |number: &str, admin: SocketAddr| {
        let mut command = command(&hub, &["billing"]);
        command.env("HUB_INSTANCES", "2").env("HUB_INSTANCE", number);
        command.env("HUB_ADMIN_LISTEN", admin.to_string());
        command
    };
    let (first, second) = (free_address().unwrap(), free_address().unwrap());
    let mut gateway = start(&hub, "gateway");
    ready(&mut gateway, &hub, "gateway");
    let _one = rig::start(&hub, "billing", instance("0", first));
    let mut two = rig::start(&hub, "billing", instance("hub-billing-1", second));
    for (admin, number, parts) in
        [(first, 0, ["billing/0", "billing/2"]), (second, 1, ["billing/1", "billing/3"])]
    {
        let report = until_ready(admin);
        assert_eq!((&report["instance"], &report["instances"]), (&json!(number), &json!(2)));
        let own: Vec<&String> = report["parts"].as_object().unwrap().keys().collect();
        assert_eq!(own, parts, "{report}");
    }
    // the accounts of calls spread over both
    for account in ["one", "two", "three", "four", "five", "six"] {
        let put = ["credits", "grant", "--account", account, "--amount", "1", "--command", "first"];
        let said = output(&hub, &put);
        assert!(said.status.success(), "{said:?}");
    }
    let charged = || {
        let lines = [first, second].map(|admin| get(admin, "/metrics").unwrap().1);
        lines.map(|text| {
            let records = |line: &&str| line.starts_with("hub_processor_records_total{");
            let number = |line: &str| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap();
            text.lines().filter(records).map(number).sum::<f64>()
        })
    };
    eventually("each takes what is its own", PATIENCE, || {
        let taken = charged();
        (taken.iter().all(|count| *count > 0.0) && taken.iter().sum::<f64>() >= 6.0).then_some(())
    });

    let again = instance("1", free_address().unwrap()).output().unwrap();
    let said = String::from_utf8(again.stderr).unwrap();
    assert!(!again.status.success() && said.contains("billing, instance 1 (HUB_INSTANCE) of 2"));
    assert!(said.contains(&format!("in use by process {}", two.id())), "{said}");
    let third = instance("2", free_address().unwrap()).output().unwrap();
    let said = String::from_utf8(third.stderr).unwrap();
    assert!(said.contains("there are only 2 instances, counted from 0"), "{said}");

    two.kill().unwrap();
    let mut two = rig::start(&hub, "billing", instance("1", second));
    two.until("was ready", || matches!(get(second, "/readyz"), Ok((200, _)))).unwrap();
}

/// A role that can't do its work says so, and so does `hub probe`.
#[test]
fn a_role_that_waits_says_for_what() {
    let folder = tempfile::tempdir().unwrap();
    let hub = hub(folder.path(), &[], "");
    let (ready, _, said) = readiness(&hub, "sink");
    assert!(!ready && said.contains("as admin_listen (HUB_ADMIN_LISTEN) says"), "{said}");
    let mut sink = start(&hub, "sink");
    let said = eventually("the sink waits for ClickHouse", crate::PATIENCE, || {
        let (ready, report, said) = readiness(&hub, "sink");
        let waits = report["parts"]["sink"]["detail"].as_str()?.contains("tables can't be made");
        (!ready && waits).then_some(said)
    });
    assert!(said.starts_with("hub: not ready: sink: the tables can't be made"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(sink.runs());
    // two roles of one machine want one port
    let mut health = command(&hub, &["health"]);
    health.env("HUB_ADMIN_LISTEN", hub.admin_of("sink").to_string());
    let said = String::from_utf8(health.output().unwrap().stderr).unwrap();
    assert!(said.contains("choose another address (HUB_ADMIN_LISTEN)"), "{said}");
}
