//! Budgets of a hub from outside: set by its command line, shared by its gateways, told to a webhook, and there after
//! kill -9, on both logs.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

#[path = "rig/mod.rs"]
#[expect(dead_code, reason = "shared with the tests over one hub")]
mod rig;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use e2e::fake_provider::{FakeProvider, Options};
use e2e::hub::{Hub, Provider};
use e2e::kafka::Kafka;
use e2e::process::Process;
use hmac::{Hmac, Mac as _};
use rig::http::{Answer, chat};
use rig::{eventually, ready};
use serde_json::{Value, json};
use sha2::Sha256;

const PATIENCE: Duration = Duration::from_secs(180);
const SECRET: &str = "a secret of a webhook";

type Post = (BTreeMap<String, String>, String);

/// Takes what webhooks are told; the first is refused.
struct Receiver {
    address: SocketAddr,
    posts: Arc<Mutex<Vec<Post>>>,
}

impl Receiver {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, posts) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let seen = Arc::clone(&posts);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let Some(post) = read(&stream) else { continue };
                let mut posts: std::sync::MutexGuard<'_, Vec<Post>> = seen.lock().unwrap();
                posts.push(post);
                let status = if posts.len() == 1 { "500 No" } else { "204 Yes" };
                drop(posts);
                let answer =
                    format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                drop((&stream).write_all(answer.as_bytes()));
            }
        });
        Self { address, posts }
    }

    fn posts(&self) -> Vec<Post> {
        self.posts.lock().unwrap().clone()
    }

    /// Waits for a message of this threshold.
    fn told(&self, threshold: u64) -> Post {
        eventually("a webhook is told", PATIENCE, || {
            let posts = self.posts();
            let of = |(_, body): &&Post| {
                let body: Value = serde_json::from_str(body).unwrap();
                body["data"]["threshold"] == threshold
            };
            posts.iter().rfind(of).cloned()
        })
    }
}

fn read(stream: &TcpStream) -> Option<Post> {
    let mut reader = BufReader::new(stream);
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) => {
                headers.insert(name.to_ascii_lowercase(), value.to_owned());
            }
            None if line.trim_end().is_empty() => break,
            None => {}
        }
    }
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    Some((headers, String::from_utf8(body).ok()?))
}

/// Gateways of one log, each with a folder of its own.
struct Fleet {
    kafka: Option<Kafka>,
    hubs: Vec<Hub>,
    processes: Vec<Process>,
}

impl Fleet {
    fn start(folder: &Path, kafka: Option<Kafka>, provider: &FakeProvider) -> Self {
        let count = if kafka.is_some() { 2 } else { 1 };
        let openai =
            Provider { id: "one".into(), url: provider.url(), models: vec!["gpt-4o-mini".into()] };
        let hub = |n: usize| {
            let folder = folder.join(format!("hub-{n}"));
            Hub::new(rig::binary(), &folder, std::slice::from_ref(&openai), "").unwrap()
        };
        let hubs: Vec<Hub> = (0..count).map(hub).collect();
        let mut fleet = Self { kafka, hubs, processes: Vec::new() };
        for at in 0..count {
            let process = fleet.gateway(at);
            fleet.processes.push(process);
        }
        fleet
    }

    fn command(&self, hub: &Hub, arguments: &[&str]) -> Command {
        let mut command = rig::command(hub, arguments);
        if let Some(kafka) = &self.kafka {
            kafka.keeps_log_of(&mut command);
        }
        command
    }

    fn gateway(&self, at: usize) -> Process {
        let hub = &self.hubs[at];
        let mut process = rig::start(hub, "gateway", self.command(hub, &["gateway"]));
        ready(&mut process, hub, "gateway");
        process
    }

    /// A command of the first hub.
    fn cli(&self, arguments: &[&str]) -> String {
        let said = self.command(&self.hubs[0], arguments).output().unwrap();
        assert!(said.status.success(), "{arguments:?}: {said:?}");
        String::from_utf8(said.stdout).unwrap()
    }

    /// What is spent of a budget as far as a gateway knows, in billionths.
    fn spent(&self, at: usize, budget: &str) -> i64 {
        // the listener of operators knows the admin API a moment after callers are served
        let told: Value = eventually("usage is told", PATIENCE, || {
            let usage = ["budgets", "usage", budget, "--json"];
            let mut command = self.command(&self.hubs[at], &usage);
            let said = command.env("HUB_TOKEN", self.owner()).output().unwrap();
            serde_json::from_slice(&said.stdout).ok()
        });
        let nano = |text: &Value| {
            text.as_str().and_then(|text| text.parse::<schemas::money::Amount>().ok())
        };
        let used = nano(&told["items"][0]["used"]).unwrap_or_default();
        used.to_nano_up().unwrap().0
    }

    /// All hubs of a log know the token of the first that started.
    fn owner(&self) -> String {
        let token = self.hubs[0].data().join("secrets/owner-token");
        std::fs::read_to_string(token).unwrap().trim().to_owned()
    }

    fn ask(&self, at: usize) -> Answer {
        let body = json!({"model": "gpt-4o-mini", "max_tokens": 8, "messages": [{"role": "user", "content": "hi"}]});
        chat(self.hubs[at].listen, &self.hubs[at].key, &body)
    }

    /// Waits until all gateways know that so much was spent.
    fn all_know(&self, budget: &str, spent: i64) {
        for at in 0..self.hubs.len() {
            eventually("spend is known", PATIENCE, || {
                (self.spent(at, budget) >= spent).then_some(())
            });
        }
    }
}

async fn budgets_hold(kafka: bool) {
    let folder = tempfile::tempdir().unwrap();
    let provider = FakeProvider::start(Options::default()).await.unwrap();
    let broker = kafka.then(|| Kafka::start(&folder.path().join("kafka")).unwrap());
    let mut fleet = Fleet::start(folder.path(), broker, &provider);
    let receiver = Receiver::start();
    let url = format!("url=http://{}/hook", receiver.address);
    fleet.cli(&[
        "budgets",
        "create",
        "watch",
        "scope.kind=organisation",
        "period=month",
        "amount=1",
    ]);
    let last = fleet.hubs.len() - 1;
    let known = || fleet.cli(&["budgets", "list"]).contains("watch");
    eventually("is there", PATIENCE, || known().then_some(()));
    // a change may reach the others a moment later
    let cost = eventually("the first call is counted", PATIENCE, || {
        assert_eq!(fleet.ask(last).status, 200);
        let spent = fleet.spent(last, "watch");
        (spent > 0).then_some(spent)
    });

    let amount = schemas::money::Nano(cost * 20).to_string();
    let mut webhook = fleet.command(
        &fleet.hubs[0],
        &["webhooks", "create", "ops", &url, "allow_private=true", "--secret-env", "HOOK"],
    );
    assert!(webhook.env("HOOK", SECRET).status().unwrap().success());
    fleet.cli(&[
        "budgets",
        "create",
        "hard",
        "scope.kind=organisation",
        "period=month",
        &format!("amount={amount:?}"),
        "hard=true",
        "thresholds=[50,90]",
        "webhooks=[\"ops\"]",
    ]);
    let before = |at: usize| fleet.spent(at, "hard");
    for at in 0..=last {
        eventually("the budget holds", PATIENCE, || {
            assert_eq!(fleet.ask(at).status, 200);
            (before(at) > 0).then_some(())
        });
    }

    // in batches, after each of which all know all: no more is let through than the amount and what
    // the others let through meanwhile
    let batch = 2;
    let mut refused = vec![false; last + 1];
    let mut spent = before(0);
    while refused.contains(&false) {
        for (at, refused) in refused.iter_mut().enumerate() {
            for _ in 0..batch {
                let answer = fleet.ask(at);
                match answer.status {
                    200 => spent += cost,
                    429 => {
                        assert_eq!(answer.json()["error"]["code"], "insufficient_quota");
                        assert_eq!(answer.header("x-should-retry"), "false");
                        *refused = true;
                    }
                    other => panic!("{other}: {}", answer.text()),
                }
            }
        }
        fleet.all_know("watch", spent);
    }
    let most = cost * 20;
    let found = fleet.spent(0, "hard");
    assert!(found <= most + cost * batch * last as i64, "{found} of {most}");
    assert!(found >= most / 2, "{found} of {most}");

    // each threshold is told once, signed, and again under the same id where it was refused
    let (headers, body) = receiver.told(50);
    let signed = format!("{}.{}.{body}", headers["webhook-id"], headers["webhook-timestamp"]);
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(signed.as_bytes());
    let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    assert_eq!(headers["webhook-signature"], signature);
    let told = receiver.told(90).0;
    assert_ne!(told["webhook-id"], headers["webhook-id"]);
    let times = || {
        let mut times: BTreeMap<String, usize> = BTreeMap::new();
        for (headers, _) in receiver.posts() {
            *times.entry(headers["webhook-id"].clone()).or_default() += 1;
        }
        times
    };
    eventually("the refused one is told again", PATIENCE, || {
        let mut all: Vec<usize> = times().into_values().collect();
        all.sort_unstable();
        (all == [1, 2]).then_some(())
    });

    // killed and started again, it still knows, and tells nothing again
    for at in 0..=last {
        fleet.processes[at].kill().unwrap();
        fleet.processes[at] = fleet.gateway(at);
        let known = fleet.spent(at, "hard");
        assert!(known >= found, "gateway {at} knows of {known}, not {found}");
        assert_eq!(fleet.ask(at).status, 429);
    }
    fleet.cli(&[
        "budgets",
        "set",
        "hard",
        &format!("amount={:?}", schemas::money::Nano(cost * 200).to_string()),
    ]);
    eventually("a change holds at once", PATIENCE, || {
        (fleet.ask(last).status == 200).then_some(())
    });
    assert_eq!(times().values().sum::<usize>(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn budgets_hold_on_the_local_log() {
    budgets_hold(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn budgets_hold_over_two_gateways_on_kafka() {
    budgets_hold(true).await;
}
