//! A full disk, by the limit on the size of files: it can be set and lifted while the hub runs,
//! and needs no file system of its own.

use std::process::Command;

use e2e::fake_provider::{FakeProvider, Options};
use e2e::hub::get;
use e2e::process::Process;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::{Value, json};

use super::template::hub;
use super::{VARIABLES, count, until};
use crate::rig::http::chat;
use crate::rig::{self, ready};

/// The command with files of at most this many blocks of 512 bytes, or `unlimited`. To write past
/// it is then an error, as on a full disk, and no signal.
pub(super) fn limited(command: &Command, blocks: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; ulimit -S -f \"$0\"; exec \"$@\"", blocks]);
    shell.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}

fn limit(process: &Process, bytes: Option<u64>) {
    let pid = i32::try_from(process.id()).ok().and_then(Pid::from_raw);
    let limit = Rlimit { current: bytes, maximum: None };
    prlimit(pid, Resource::Fsize, limit).unwrap();
}

/// No room for the log: calls go on as long as the outbox has room, are then refused and never
/// go unbilled, and all are settled once there is room again.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fills_up_costs_no_event() {
    let fake = FakeProvider::start(Options::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let hub = hub(&fake, folder.path());
    let mut command = rig::command(&hub, &["serve"]);
    command.envs(VARIABLES).env("HUB_OUTBOX_SEGMENT", "64KiB");
    let mut command = limited(&command, "unlimited");
    let mut process = Process::start("serve", &mut command, &hub.log("serve")).unwrap();
    ready(&mut process, &hub, "serve");
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    let ask = || tokio::task::block_in_place(|| chat(hub.listen, &hub.key, &body));
    let mut calls = vec![ask()];
    assert_eq!(calls[0].status, 200);

    limit(&process, Some(4096));
    let refused = loop {
        let answer = ask();
        if answer.status != 200 {
            break answer;
        }
        calls.push(answer);
        assert!(calls.len() < 20_000, "the outbox has no end");
    };
    assert!(calls.len() > 5, "calls go on while the outbox has room, not only {}", calls.len());
    let error = &refused.json()["error"];
    assert_eq!((refused.status, &error["code"]), (503, &Value::from("outbox_full")), "{error}");
    assert!(
        error["message"].to_string().contains("no disk space for another outbox file"),
        "{error}"
    );
    assert!(!refused.header("retry-after").is_empty());
    let arrived = u64::try_from(calls.len()).unwrap();
    assert_eq!(fake.record().counts().0, arrived, "a refused call must not reach the provider");
    let readiness = || get(hub.listen, "/readyz").unwrap().1;
    until(async || readiness().contains("\"failing\": \"")).await;
    assert!(readiness().contains("\"failing\": \""), "{}", readiness());

    limit(&process, None);
    until(async || ask_again(&ask, &mut calls)).await;
    let mut expected: Vec<String> =
        calls.iter().map(|answer| answer.header("x-hub-call").to_owned()).collect();
    expected.sort();
    let log = rig::log::open(&hub);
    let expected = (expected.clone(), expected, 0);
    until(async || count(&log).await == expected).await;
    let counted = count(&log).await;
    assert_eq!((counted.0.len(), counted.1.len()), (calls.len(), calls.len()));
    assert_eq!(counted, expected);
    drop(log);
    assert!(process.stop().unwrap().success());
    let replayed = rig::command(&hub, &["replay", "billing"]).output().unwrap();
    assert!(replayed.status.success(), "{replayed:?}");
}

/// Whether calls are served again.
fn ask_again(
    ask: &impl Fn() -> crate::rig::http::Answer,
    calls: &mut Vec<crate::rig::http::Answer>,
) -> bool {
    let answer = ask();
    let served = answer.status == 200;
    calls.extend(served.then_some(answer));
    served
}
