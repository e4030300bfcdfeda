//! Every role in a process of its own, over one data folder.

use e2e::process::Process;
use serde_json::json;

use crate::rig::http::chat;
use crate::rig::ready;
use crate::{all_is_sound, hub, rows, say, start};

const ROLES: [&str; 5] = ["clickhouse", "billing", "health", "sink", "gateway"];

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
