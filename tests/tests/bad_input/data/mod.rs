//! What a disk may hold, and what else may be in the way of a hub that ran before.

mod cases;
mod full;
mod spoil;
mod template;

use std::any::Any;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use e2e::hub::{Hub, get};
use e2e::process::Process;
use runtime::log::local::LocalLog;
use schemas::event::{Dead, EntryKind, Ledger, Usage};
use schemas::topics::Topic;
use serde_json::json;

use crate::rig;
use crate::rig::http::chat;
use crate::{check_names, end};
use template::{Templates, copy};

/// How long events may take on their way.
const PATIENCE: Duration = Duration::from_secs(120);
/// Small files, so that they are copied quickly; no engine, as these tests need none.
const VARIABLES: [(&str, &str); 3] = [
    ("HUB_OUTBOX_SEGMENT", "256KiB"),
    ("HUB_OUTBOX_LIMIT", "4MiB"),
    ("HUB_CLICKHOUSE_LIBRARY", "/nowhere/libchdb.so"),
];

/// One row: a data folder, what is done to it, and what comes of a start.
struct Case {
    name: &'static str,
    from: From,
    /// What it returns lives as long as the case.
    spoil: fn(&Hub) -> Box<dyn Any>,
    variables: &'static [(&'static str, &'static str)],
    /// The largest file that the hub may write, in blocks of 512 bytes.
    blocks: &'static str,
    want: Want,
}

/// The history of the folder.
#[derive(Clone, Copy)]
enum From {
    /// Nothing is there.
    Nothing,
    /// Calls, and a clean end.
    Stopped,
    /// The same, then killed with a stream in flight.
    Killed,
}

/// What comes of it.
enum Want {
    /// The hub ends and says this; the log stays as it is.
    End(&'static [&'static str]),
    /// The hub serves; each call before and after is in the log and in the journal once.
    Serve(Serves),
}

#[derive(Default)]
struct Serves {
    /// What it says on the console.
    says: &'static [&'static str],
    /// What `/readyz` says.
    ready: &'static [&'static str],
    /// Dead letters.
    dead: usize,
    /// What follows waits: the new call's event, or its journal entry.
    held: Option<Held>,
}

/// Where a new call's event waits.
#[derive(Clone, Copy, PartialEq)]
enum Held {
    /// In the outbox.
    Outbox,
    /// In the log.
    Log,
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_disk_may_hold_has_its_clear_end() {
    let templates = Templates::make().await;
    let cases = cases::cases();
    check_names(cases.iter().map(|case| case.name), 20);
    let mut wrong = Vec::new();
    for case in &cases {
        let folder = tempfile::tempdir().unwrap();
        let hub = templates.hub(folder.path());
        let (data, calls) = templates.of(case.from);
        if data.exists() {
            copy(&data, &hub.data());
        }
        let guard = (case.spoil)(&hub);
        let said = match &case.want {
            Want::End(says) => ends(case, &hub, says),
            Want::Serve(wanted) => serves(case, &hub, wanted, calls).await,
        };
        drop(guard);
        wrong.extend(said.into_iter().map(|said| format!("{}: {said}", case.name)));
    }
    let count = cases.len();
    assert!(wrong.is_empty(), "{} of {count} cases:\n{}", wrong.len(), wrong.join("\n"));
}

fn serve(case: &Case, hub: &Hub) -> Command {
    let library = rig::library().display().to_string();
    let fill = |value: &str| value.replace("{library}", &library);
    let mut command = rig::command(hub, &["serve"]);
    command.envs(VARIABLES);
    let own = case.variables.iter();
    command.envs(own.map(|(name, value)| (name, fill(value))));
    full::limited(&command, case.blocks)
}

fn ends(case: &Case, hub: &Hub, says: &[&str]) -> Vec<String> {
    let log = |data: &Path| std::fs::read(data.join("log/hub.sqlite")).unwrap_or_default();
    let before = log(&hub.data());
    let (status, text) = match end(&mut serve(case, hub)) {
        Ok(ended) => ended,
        Err(text) => return vec![format!("still runs: {text}")],
    };
    let mut wrong = missing(says, &text);
    if status != Some(1) || text.contains("panicked") {
        wrong.push(format!("ended with {status:?}: {text}"));
    }
    if !before.is_empty() && before != log(&hub.data()) {
        wrong.push("the log was changed".to_owned());
    }
    wrong
}

async fn serves(case: &Case, hub: &Hub, wanted: &Serves, calls: &[String]) -> Vec<String> {
    let mut process = Process::start("serve", &mut serve(case, hub), &hub.log("serve")).unwrap();
    if let Err(error) = process.until("was ready", || hub.is_ready()) {
        return vec![format!("{error}: {}", hub.tail("serve"))];
    }
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    let answer = chat(hub.listen, &hub.key, &body);
    if answer.status != 200 {
        return vec![format!("a call is answered {}: {}", answer.status, answer.text())];
    }
    let mut all = calls.to_vec();
    all.push(answer.header("x-hub-call").to_owned());
    all.sort();
    let mut before = calls.to_vec();
    before.sort();
    let expected = match wanted.held {
        None => (all.clone(), all, wanted.dead),
        Some(Held::Log) => (all, before, wanted.dead),
        // the log that the others are in is gone
        Some(Held::Outbox) => (Vec::new(), Vec::new(), wanted.dead),
    };
    let mut wrong = Vec::new();
    let log = rig::log::open(hub);
    until(async || count(&log).await == expected).await;
    let counted = count(&log).await;
    if counted != expected {
        wrong.push(format!("settled, billed and dead are {counted:?}, not {expected:?}"));
    }
    let ready =
        || get(hub.listen, "/readyz").map_or_else(|error| error.to_string(), |(_, text)| text);
    until(async || missing(wanted.ready, &ready()).is_empty()).await;
    wrong.extend(missing(wanted.ready, &ready()));
    match wanted.held {
        None => drop(process.stop().unwrap()),
        // it would wait for what waits
        Some(_) => drop(process.kill().unwrap()),
    }
    let text = std::fs::read_to_string(hub.log("serve")).unwrap();
    wrong.extend(missing(wanted.says, &text));
    if text.contains("panicked") {
        wrong.push(text);
    }
    wrong
}

/// Looks until it is so, or for long enough.
async fn until(mut so: impl AsyncFnMut() -> bool) {
    let looked = async {
        while !so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    drop(tokio::time::timeout(PATIENCE, looked).await);
}

/// Calls with a usage event and calls in the journal, sorted, with doubles; and dead letters. An
/// event that was shipped twice is the same event.
async fn count(log: &LocalLog) -> (Vec<String>, Vec<String>, usize) {
    let mut usage = rig::log::events::<Usage>(log, Topic::Usage).await;
    usage.sort_by_key(|usage| (usage.origin, usage.seq, usage.account.to_string()));
    usage.dedup_by_key(|usage| (usage.origin, usage.seq, usage.account.to_string()));
    let ledger = rig::log::events::<Ledger>(log, Topic::Ledger).await;
    let dead = rig::log::events::<Dead>(log, Topic::Dead).await;
    let mut settled: Vec<String> = usage.iter().map(|usage| usage.call.to_string()).collect();
    let charged = ledger.iter().filter(|entry| entry.kind == EntryKind::Usage);
    let mut billed: Vec<String> =
        charged.filter_map(|entry| Some(entry.call?.to_string())).collect();
    settled.sort();
    billed.sort();
    (settled, billed, dead.len())
}

fn missing(says: &[&str], text: &str) -> Vec<String> {
    let missing = says.iter().filter(|part| !text.contains(**part));
    missing.map(|part| format!("does not say {part:?}: {text}")).collect()
}
