//! `make cluster`: every part a process of its own; whichever falls, who is served by the other
//! gateway notices nothing, and every call is in the table once.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

#[path = "rig/mod.rs"]
#[expect(dead_code, reason = "shared with the tests over one hub")]
mod rig;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use e2e::hub::get;
use e2e::process::{Process, free_address};
use rig::eventually;
use rig::http::chat;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(240);
const PARTS: [&str; 11] = [
    "gateway-a",
    "gateway-b",
    "clickhouse",
    "kafka",
    "registry",
    "gateway-a.operators",
    "gateway-b.operators",
    "clickhouse.operators",
    "billing.operators",
    "health.operators",
    "sink.operators",
];

struct Cluster {
    process: Process,
    folder: PathBuf,
    addresses: Vec<(&'static str, SocketAddr)>,
}

impl Cluster {
    fn start(folder: &Path) -> Self {
        let addresses: Vec<_> = PARTS.map(|part| (part, free_address().unwrap())).into();
        let ports = addresses.iter().map(|(part, at)| format!("{part}={}", at.port()));
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../infra/deploy/cluster");
        let mut command = Command::new(script);
        command.arg(folder).args(ports).env("HUB_BINARY", rig::binary());
        // it is a cluster of its own that it is to start
        command.env_remove("HUB_TEST_KAFKA").env_remove("HUB_TEST_REGISTRY");
        let process = Process::start("cluster", &mut command, &folder.join("cluster.log")).unwrap();
        let mut cluster = Self { process, folder: folder.to_owned(), addresses };
        let log = folder.join("cluster.log");
        let up = || fs::read_to_string(&log).unwrap_or_default().contains("The cluster runs");
        cluster
            .process
            .until("runs", up)
            .unwrap_or_else(|error| panic!("{error:#}: {}", cluster.said()));
        cluster
    }

    fn said(&self) -> String {
        fs::read_to_string(self.folder.join("cluster.log")).unwrap_or_default()
    }

    fn at(&self, part: &str) -> SocketAddr {
        self.addresses.iter().find(|(known, _)| *known == part).unwrap().1
    }

    fn is_ready(&self, part: &str) -> bool {
        let operators = self.at(&format!("{part}.operators"));
        matches!(get(operators, "/readyz"), Ok((200, _)))
    }

    fn until_ready(&self) {
        for part in ["gateway-a", "gateway-b", "billing", "health", "sink"] {
            eventually(part, PATIENCE, || self.is_ready(part).then_some(()));
        }
    }

    fn kill(&self, part: &str) {
        let id = fs::read_to_string(self.folder.join(format!("{part}.pid"))).unwrap();
        let pid = Pid::from_raw(id.trim().parse().unwrap()).unwrap();
        kill_process(pid, Signal::KILL).unwrap();
        // the next one has another id
        let next = || fs::read_to_string(self.folder.join(format!("{part}.pid"))).ok();
        eventually(part, PATIENCE, || (next()? != id && !next()?.is_empty()).then_some(()));
    }

    fn sql(&self, query: &str) -> String {
        let data = self.folder.join("clickhouse");
        let asked = Command::new(rig::binary())
            .args(["sql", "--format", "TSV", query])
            .env("HUB_DATA", data)
            .env("HUB_CLICKHOUSE_LISTEN", self.at("clickhouse").to_string())
            .output()
            .unwrap();
        String::from_utf8_lossy(&asked.stdout).trim().to_owned()
    }
}

#[test]
fn killing_any_part_hurts_no_client_of_the_other_gateway() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(folder.path());
    cluster.until_ready();
    let key = fs::read_to_string(folder.path().join("client-key")).unwrap();
    let body = json!({"model": "demo", "messages": [{"role": "user", "content": "hi"}]});
    let ask = |gateway| chat(cluster.at(gateway), key.trim(), &body);
    assert_eq!(ask("gateway-a").status, 200);
    let (done, calls) = (AtomicBool::new(false), AtomicU64::new(1));
    std::thread::scope(|scope| {
        let client = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let answer = ask("gateway-b");
                assert_eq!(answer.status, 200, "{}", answer.text());
                calls.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        for part in ["gateway-a", "billing", "health", "sink", "clickhouse"] {
            cluster.kill(part);
            let before = calls.load(Ordering::Relaxed);
            let more = || calls.load(Ordering::Relaxed) >= before + 30 || client.is_finished();
            eventually(part, PATIENCE, || more().then_some(()));
        }
        done.store(true, Ordering::Relaxed);
    });
    cluster.until_ready();
    assert_eq!(ask("gateway-a").status, 200);
    let calls = calls.into_inner() + 1;
    let wanted = format!("{calls}\t{calls}");
    let rows = || cluster.sql("SELECT count(), uniqExact(call) FROM usage");
    eventually("all rows", PATIENCE, || (rows() == wanted).then_some(()));
    assert!(cluster.process.stop().unwrap().code().is_some_and(|code| code == 130 || code == 0));
}
