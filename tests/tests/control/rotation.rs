//! Keys and master keys are changed under load, and no call is lost.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use e2e::fake_provider::{FakeProvider, Options};
use e2e::hub::{Hub, Provider};
use serde_json::{Value, json};

use crate::rig::http::chat;
use crate::rig::{self, eventually};
use crate::{PATIENCE, create, owner, told};

const OLD: &str = "b2xkLW1hc3Rlci1rZXktb2YtMzItYnl0ZXMtbG9uZyE";
const NEW: &str = "bmV3LW1hc3Rlci1rZXktb2YtMzItYnl0ZXMtbG9uZyE";

/// Writes a file that its owner alone may read, in place of the one before.
fn write_0600(path: &Path, text: &str) {
    let part = path.with_extension("part");
    let mut options = File::options();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(&part).unwrap().write_all(text.as_bytes()).unwrap();
    std::fs::rename(part, path).unwrap();
}

/// The secrets that a hub holds, by the master key that wraps them.
fn wrapped(hub: &Hub, token: &str) -> Vec<String> {
    let rewrapped = told(hub, token, "POST", "master-key/rewrap", &Value::Null, 200);
    assert_eq!(rewrapped["failed"], json!([]), "{rewrapped}");
    vec![rewrapped["master"].as_str().unwrap().to_owned(), rewrapped["wrapped"].to_string()]
}

/// Calls while `change` is done, as the holder of what `key` says at the moment; gives how many were served.
fn under_load(hub: &Hub, key: impl Fn() -> String + Sync, change: impl FnOnce()) -> u64 {
    let (done, served) = (AtomicBool::new(false), AtomicU64::new(0));
    let body = json!({"model": "fake/m", "messages": [{"role": "user", "content": "hi"}]});
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let answer = chat(hub.listen, &key(), &body);
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    served.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let serves = |more: u64| {
            let from = served.load(Ordering::Relaxed);
            eventually("calls go on", PATIENCE, || {
                (served.load(Ordering::Relaxed) >= from + more).then_some(())
            });
        };
        serves(8);
        change();
        serves(8);
        done.store(true, Ordering::Relaxed);
    });
    served.into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_key_and_a_key_are_rotated_under_load() {
    let fake = FakeProvider::start(Options::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let master = folder.path().join("master-key");
    write_0600(&master, OLD);
    let settings = format!("master_key = \"file:{}\"", master.display());
    let provider = Provider { id: "fake".into(), url: fake.url(), models: vec!["m".into()] };
    let hub = Hub::new(rig::binary(), folder.path(), &[provider], &settings).unwrap();
    let start = || {
        let mut command = rig::command(&hub, &["gateway"]);
        command.env_remove("HUB_MASTER_KEY");
        let mut process = rig::start(&hub, "gateway", command);
        rig::ready(&mut process, &hub, "gateway");
        process
    };
    tokio::task::block_in_place(|| {
        let process = start();
        let token = owner(&hub);
        let key =
            create(&hub, &token, "keys", "app", json!({}))["secret"].as_str().unwrap().to_owned();
        let [old, none] = &wrapped(&hub, &token)[..] else { panic!() };
        assert_eq!(none, "0");

        let calls = under_load(
            &hub,
            || key.clone(),
            || {
                // the new one first, the old one still there; nothing is restarted
                write_0600(&master, &format!("{NEW}\n{OLD}\n"));
                let [new, count] = &wrapped(&hub, &token)[..] else { panic!() };
                assert!(new != old && count != "0", "{old} {new} {count}");
                write_0600(&master, NEW);
                assert_eq!(wrapped(&hub, &token), [new, "0"]);
            },
        );
        assert!(calls > 16);

        let current = std::sync::RwLock::new(key);
        let calls = under_load(
            &hub,
            || current.read().unwrap().clone(),
            || {
                for _ in 0..5 {
                    let rotated = told(
                        &hub,
                        &token,
                        "POST",
                        "keys/app/rotate",
                        &json!({"overlap_seconds": 600}),
                        200,
                    );
                    *current.write().unwrap() = rotated["secret"].as_str().unwrap().to_owned();
                }
            },
        );
        assert!(calls > 16);
        // the old master key is needed by nobody
        drop(process);
        let _again = start();
        assert_eq!(
            chat(
                hub.listen,
                &current.into_inner().unwrap(),
                &json!({"model": "fake/m", "messages": [{"role": "user", "content": "hi"}]})
            )
            .status,
            200
        );
    });
    assert!(fake.record().counts().0 > 32);
}
