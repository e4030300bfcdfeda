//! Data folders with a history, made once and copied for each case.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use e2e::fake_provider::{FakeProvider, Options};
use e2e::hub::{Hub, Provider};
use e2e::process::Process;
use serde_json::json;

use super::{From, VARIABLES};
use crate::rig::http::{chat, request};
use crate::rig::{binary, command, eventually, log, ready};

/// The folders and the calls that were made in each.
pub(super) struct Templates {
    fake: FakeProvider,
    _folders: [tempfile::TempDir; 2],
    stopped: (Hub, Vec<String>),
    killed: (Hub, Vec<String>),
}

/// Copies a folder with its modes.
pub(super) fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}

impl Templates {
    /// Makes them.
    pub(super) async fn make() -> Self {
        let fake = FakeProvider::start(Options::default()).await.unwrap();
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let [first, second] = &folders;
        let stopped = hub(&fake, first.path());
        let calls = tokio::task::block_in_place(|| {
            let process = start(&stopped);
            let body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
            let answers = (0..3).map(|_| chat(stopped.listen, &stopped.key, &body));
            let calls: Vec<String> =
                answers.map(|answer| id(answer.header("x-hub-call"))).collect();
            assert!(process.stop().unwrap().success());
            gather(&stopped);
            calls
        });
        let killed = hub(&fake, second.path());
        copy(&stopped.data(), &killed.data());
        let lost = tokio::task::block_in_place(|| {
            let mut process = start(&killed);
            let (_open, call) = stream(&killed);
            process.kill().unwrap();
            gather(&killed);
            call
        });
        let all = [calls.clone(), vec![lost]].concat();
        Self { fake, _folders: folders, stopped: (stopped, calls), killed: (killed, all) }
    }

    /// A hub like those that made the folders.
    pub(super) fn hub(&self, folder: &Path) -> Hub {
        hub(&self.fake, folder)
    }

    /// A folder and the calls that were made there, which must be settled once.
    pub(super) fn of(&self, from: From) -> (std::path::PathBuf, &[String]) {
        let (hub, calls) = match from {
            From::Nothing => return (std::path::PathBuf::new(), &[]),
            From::Stopped => &self.stopped,
            From::Killed => &self.killed,
        };
        (hub.data(), calls)
    }
}

/// A hub over the fake, whose models have a price.
pub(super) fn hub(fake: &FakeProvider, folder: &Path) -> Hub {
    let provider =
        Provider { id: "fake".to_owned(), url: fake.url(), models: vec!["m".to_owned()] };
    let prices = folder.join("prices.csv");
    let settings = format!("prices_file = {prices:?}\n");
    let hub = Hub::new(binary(), folder, &[provider], &settings).unwrap();
    std::fs::write(prices, "provider,model,input,output\nfake,*,1,2\n").unwrap();
    hub
}

/// Brings the log into its one file: the last process that closes it does so.
fn gather(hub: &Hub) {
    drop(log::open(hub));
    let beside = hub.data().join("log/hub.sqlite-wal");
    eventually("the log is in one file", super::PATIENCE, || {
        let size = std::fs::metadata(&beside).map_or(0, |file| file.len());
        (size == 0).then_some(())
    });
}

fn start(hub: &Hub) -> Process {
    let mut command = command(hub, &["serve"]);
    let mut process = Process::start("serve", command.envs(VARIABLES), &hub.log("serve")).unwrap();
    ready(&mut process, hub, "serve");
    process
}

fn id(text: &str) -> String {
    assert_eq!(text.len(), 36, "no call id: {text:?}");
    text.to_owned()
}

/// A stream that has given content and goes on for ever, and its call.
fn stream(hub: &Hub) -> (TcpStream, String) {
    let body = json!({"model": "fake/m+stall_after=3", "stream": true, "messages": [{"role": "user", "content": "hi"}]});
    let authorization = format!("Bearer {}", hub.key);
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    let mut stream = TcpStream::connect(hub.listen).unwrap();
    stream.set_read_timeout(Some(super::PATIENCE)).unwrap();
    let bytes = request("POST", "/v1/chat/completions", &headers, body.to_string().as_bytes());
    stream.write_all(&bytes).unwrap();
    let mut text = String::new();
    while !text.contains("w2 ") {
        let mut bytes = [0; 4096];
        let read = stream.read(&mut bytes).unwrap();
        assert_ne!(read, 0, "the stream ended: {text}");
        text.push_str(&String::from_utf8_lossy(bytes.get(..read).unwrap()));
    }
    let call = text.lines().find_map(|line| line.strip_prefix("x-hub-call: ")).unwrap_or_default();
    let call = id(call.trim());
    (stream, call)
}
