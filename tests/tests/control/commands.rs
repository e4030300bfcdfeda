//! kill -9 amid a thousand commands: what was acknowledged is there, and the state is the log's.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use e2e::hub::Hub;
use e2e::kafka::Kafka;
use e2e::process::Process;
use serde_json::{Value, json};

use crate::rig::{self, eventually};
use crate::{PATIENCE, admin, all, owner};

/// Commands, and how many are under way at a time.
const COMMANDS: usize = 1_000;
const AT_ONCE: usize = 32;
/// Every so many commands change the same entity, so that they contend for its versions.
const CONTENDED: usize = 10;

/// Gateways of one log.
struct Gateways<'k> {
    hubs: Vec<Hub>,
    processes: Vec<Process>,
    kafka: Option<&'k Kafka>,
}

impl<'k> Gateways<'k> {
    fn start(folder: &Path, names: &[&str], kafka: Option<&'k Kafka>) -> Self {
        let hub = |name: &&str| Hub::new(rig::binary(), &folder.join(name), &[], "").unwrap();
        let hubs: Vec<Hub> = names.iter().map(hub).collect();
        let mut gateways = Self { hubs, processes: Vec::new(), kafka };
        for at in 0..gateways.hubs.len() {
            let process = gateways.gateway(at);
            gateways.processes.push(process);
        }
        gateways
    }

    fn command(&self, at: usize) -> Command {
        let mut command = rig::command(&self.hubs[at], &["gateway"]);
        if let Some(kafka) = self.kafka {
            kafka.keeps_log_of(&mut command);
        }
        command
    }

    /// A gateway that serves.
    fn gateway(&self, at: usize) -> Process {
        let hub = &self.hubs[at];
        let mut process = rig::start(hub, "gateway", self.command(at));
        rig::ready(&mut process, hub, "gateway");
        process
    }

    /// The same gateway again, from what it has kept or from the log alone.
    fn restart(&mut self, at: usize, kept: bool) {
        if !kept {
            let checkpoint = self.hubs[at].data().join("control.checkpoint");
            drop(std::fs::remove_file(checkpoint));
        }
        self.processes[at] = self.gateway(at);
    }
}

/// What an entity is, in versions and contents.
fn state(hub: &Hub, token: &str) -> BTreeMap<String, Value> {
    let of = ["projects", "accounts", "keys", "users", "bindings", "price-books"];
    let entities = of.into_iter().flat_map(|kind| {
        let all = all(hub, token, kind).into_iter();
        all.map(move |it| (format!("{kind}/{}", it["id"].as_str().unwrap()), it))
    });
    entities.collect()
}

/// Sends the commands to all gateways, kills the first one in the middle, and gives what was
/// acknowledged: ids of new projects, and versions of the contended one.
fn load(gateways: &mut Gateways<'_>, token: &str) -> (BTreeSet<String>, BTreeSet<i64>) {
    let (next, acknowledged) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let (made, versions) = (Mutex::new(BTreeSet::new()), Mutex::new(BTreeSet::new()));
    let killed = AtomicBool::new(false);
    let hubs = &gateways.hubs;
    let doomed = &mut gateways.processes[0];
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= COMMANDS {
                        break;
                    }
                    let hub = &hubs[at % hubs.len()];
                    let dead = at % hubs.len() == 0 && killed.load(Ordering::Relaxed);
                    if at % CONTENDED == 0 {
                        let body = json!({"spec": {"title": at.to_string()}});
                        let answer = admin(hub, token, "PUT", "projects/contended", Some(&body));
                        // 409: another one was faster
                        assert!([0, 200, 409].contains(&answer.status), "{}", answer.text());
                        if answer.status == 200 {
                            let version = answer.json()["version"].as_i64().unwrap();
                            let first = versions.lock().unwrap().insert(version);
                            assert!(first, "two commands made version {version}");
                        }
                        continue;
                    }
                    let id = format!("p{at}");
                    let body = json!({"id": id, "spec": {}});
                    let answer = admin(hub, token, "POST", "projects", Some(&body));
                    assert!(answer.status == 201 || answer.status == 0, "{}", answer.text());
                    if answer.status == 201 {
                        assert!(!dead, "{id} was acknowledged by the dead");
                        made.lock().unwrap().insert(id);
                        acknowledged.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        eventually("a third is acknowledged", PATIENCE, || {
            (acknowledged.load(Ordering::Relaxed) > COMMANDS / 3).then_some(())
        });
        doomed.kill().unwrap();
        killed.store(true, Ordering::Relaxed);
    });
    (made.into_inner().unwrap(), versions.into_inner().unwrap())
}

/// All that was acknowledged is in the state, and nothing that nobody asked for.
#[track_caller]
fn holds(state: &BTreeMap<String, Value>, made: &BTreeSet<String>, acknowledged: &BTreeSet<i64>) {
    for id in made {
        assert_eq!(state[&format!("projects/{id}")]["version"], 1, "{id}");
    }
    let asked = |id: &str| id.strip_prefix('p').is_some_and(|at| at.parse::<usize>().is_ok());
    let projects = state.keys().filter_map(|name| name.strip_prefix("projects/"));
    for id in projects {
        assert!(["default", "contended"].contains(&id) || asked(id), "nobody made {id}");
    }
    let version = state["projects/contended"]["version"].as_i64().unwrap();
    let most = i64::try_from(COMMANDS / CONTENDED).unwrap() + 1;
    assert!(acknowledged.iter().all(|known| *known <= version), "{version}: {acknowledged:?}");
    assert!(version <= most, "each command counts once: {version}");
}

fn killed_amid_commands(names: &[&str], kafka: Option<&Kafka>, folder: &Path) {
    let mut gateways = Gateways::start(folder, names, kafka);
    // the first to come has made the owner
    let with_token =
        gateways.hubs.iter().find(|hub| hub.data().join("secrets/owner-token").exists());
    let token = owner(with_token.unwrap());
    crate::create(&gateways.hubs[0], &token, "projects", "contended", json!({}));
    let (made, versions) = load(&mut gateways, &token);

    gateways.restart(0, true);
    let kept = state(&gateways.hubs[0], &token);
    holds(&kept, &made, &versions);
    // other gateways have seen the same
    for hub in &gateways.hubs[1..] {
        eventually("the gateways agree", PATIENCE, || (state(hub, &token) == kept).then_some(()));
    }
    // and a start that knows nothing but the log comes to it too
    gateways.processes[0].kill().unwrap();
    gateways.restart(0, false);
    let replayed = state(&gateways.hubs[0], &token);
    assert!(replayed == kept, "the replay is another");
}

#[test]
fn on_the_local_log_what_was_acknowledged_outlives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    killed_amid_commands(&["alone"], None, folder.path());
}

#[test]
fn on_kafka_what_was_acknowledged_outlives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(&folder.path().join("kafka")).unwrap();
    killed_amid_commands(&["one", "other"], Some(&kafka), folder.path());
}
