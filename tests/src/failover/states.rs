//! What gateways know of health, watched from outside.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::hub::get;

/// A change: subject, state, and since when it holds by the log.
pub type Transition = (String, String, i64);

/// When each gateway knew of each change.
type Seen = BTreeMap<Transition, Vec<Option<Instant>>>;

/// Watches the operators' listeners of gateways until it is stopped.
#[derive(Debug)]
pub struct States {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
    watchers: Vec<JoinHandle<()>>,
}

/// State of each subject, as a gateway knows it now; empty when it can't be asked.
pub(super) fn now(operators: SocketAddr) -> Vec<Transition> {
    let Ok((200, body)) = get(operators, "/status.json") else { return Vec::new() };
    let told: Value = serde_json::from_str(unchunked(&body)).unwrap_or_default();
    let subjects = told["subjects"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let each = |one: &Value| {
        (text(&one["subject"]), text(&one["state"]), one["since"].as_i64().unwrap_or(0))
    };
    subjects.iter().map(each).collect()
}

/// The object alone, if it came in chunks.
fn unchunked(body: &str) -> &str {
    let (from, to) = (body.find('{').unwrap_or(0), body.rfind('}').map_or(0, |at| at + 1));
    body.get(from..to).unwrap_or_default()
}

impl States {
    /// Starts watching.
    pub fn watch(operators: &[SocketAddr]) -> Self {
        let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::<Mutex<Seen>>::default());
        let count = operators.len();
        let watchers = operators.iter().copied().enumerate().map(|(place, at)| {
            let (stop, seen) = (Arc::clone(&stop), Arc::clone(&seen));
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let known = now(at);
                    let when = Instant::now();
                    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                    for transition in known {
                        let times = seen.entry(transition).or_insert_with(|| vec![None; count]);
                        if let Some(time) = times.get_mut(place) {
                            time.get_or_insert(when);
                        }
                    }
                    drop(seen);
                    std::thread::sleep(Duration::from_millis(50));
                }
            })
        });
        Self { watchers: watchers.collect(), stop, seen }
    }

    /// Stops, and gives all that was seen.
    pub fn stop(self) -> BTreeMap<Transition, Vec<Option<Instant>>> {
        self.stop.store(true, Ordering::Relaxed);
        self.watchers.into_iter().for_each(|watcher| drop(watcher.join()));
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
