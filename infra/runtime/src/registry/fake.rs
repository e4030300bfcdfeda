//! A registry in memory that has bad days, for tests.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use schemas::wire::{HEADER, SCHEMAS, SchemaName};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::task::{CancellationToken, spawn};

/// What it does instead of answering.
#[derive(Clone, Debug)]
pub enum Mood {
    /// Closes the connection.
    Gone,
    /// Never says anything.
    Silent,
    /// Says this, with a status.
    Says(u16, String),
}

/// A registry in memory; it ends when it is dropped.
#[derive(Debug)]
pub struct Fake {
    /// Its address.
    pub url: String,
    shared: Arc<Shared>,
    stop: CancellationToken,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    asked: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Ids are places here, from 1.
    schemas: Vec<String>,
    subjects: BTreeMap<String, Vec<u32>>,
    modes: BTreeMap<String, String>,
    /// By how the requests begin.
    moods: BTreeMap<String, Mood>,
    requests: Vec<Request>,
}

/// A request as it was seen.
#[derive(Clone, Debug)]
pub struct Request {
    /// Method and path.
    pub line: String,
    /// Its head whole.
    pub head: String,
    body: Value,
}

impl Fake {
    /// An empty one, on a free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (shared, stop) = (Arc::<Shared>::default(), CancellationToken::new());
        let (own, stopped) = (Arc::clone(&shared), stop.clone());
        spawn(
            "fake registry",
            stopped.run_until_cancelled_owned(async move {
                loop {
                    let (peer, _) = listener.accept().await.unwrap();
                    spawn("fake registry", serve(peer, Arc::clone(&own)));
                }
            }),
        );
        Self { url, shared, stop }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap()
    }

    /// From now on requests that begin so, such as `PUT /config`, are answered so.
    pub fn mood(&self, requests: &str, mood: Mood) {
        self.state().moods.insert(requests.to_owned(), mood);
    }

    /// Has no moods any more.
    pub fn is_well(&self) {
        self.state().moods.clear();
    }

    /// Registers as somebody else would.
    pub fn add(&self, subject: &str, schema: &str) -> u32 {
        self.state().register(subject, schema)
    }

    /// Registers a newer hub's version of a schema, with one more field: `note`, null or a text.
    pub fn newer(&self, name: SchemaName) -> u32 {
        let newest = SCHEMAS.iter().rev().find(|(_, of, _)| *of == name).unwrap();
        let mut schema: Value = serde_json::from_str(newest.2).unwrap();
        let note = json!({"name": "note", "type": ["null", "string"], "default": null});
        schema["fields"].as_array_mut().unwrap().push(note);
        self.add(&format!("{}-{}", name.topic(), name.record()), &schema.to_string())
    }

    /// A value as that newer hub writes it, without a note.
    pub fn as_newer(value: &[u8], id: u32) -> Vec<u8> {
        let mut newer = value.to_vec();
        newer[1..HEADER].copy_from_slice(&id.to_be_bytes());
        newer.push(0);
        newer
    }

    /// The mode of a subject, if it has one.
    pub fn mode(&self, subject: &str) -> Option<String> {
        self.state().modes.get(subject).cloned()
    }

    /// Sets it.
    pub fn set_mode(&self, subject: &str, mode: &str) {
        self.state().modes.insert(subject.to_owned(), mode.to_owned());
    }

    /// What was asked so far.
    pub fn requests(&self) -> Vec<Request> {
        self.state().requests.clone()
    }

    /// Waits until this was asked so often.
    pub async fn until_asked(&self, line: &str, times: usize) {
        loop {
            let asked = self.shared.asked.notified();
            let seen = self.requests();
            if seen.iter().filter(|request| request.line.starts_with(line)).count() >= times {
                return;
            }
            asked.await;
        }
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl State {
    fn register(&mut self, subject: &str, schema: &str) -> u32 {
        let id = self.schemas.iter().position(|known| known == schema).unwrap_or_else(|| {
            self.schemas.push(schema.to_owned());
            self.schemas.len() - 1
        });
        let id = u32::try_from(id).unwrap() + 1;
        let versions = self.subjects.entry(subject.to_owned()).or_default();
        if !versions.contains(&id) {
            versions.push(id);
        }
        id
    }

    fn text(&self, id: u32) -> Option<&String> {
        self.schemas.get(usize::try_from(id).unwrap().checked_sub(1)?)
    }

    fn answer(&mut self, request: &Request) -> (u16, Value) {
        let absent = |code: u32| (404, json!({"error_code": code, "message": "not there"}));
        let (method, path) = request.line.split_once(" /").unwrap();
        let path: Vec<&str> = path.split('/').collect();
        let text = |field: &str| request.body[field].as_str().unwrap();
        match (method, &*path) {
            ("GET", ["config", subject]) => match self.modes.get(*subject) {
                Some(mode) => (200, json!({"compatibilityLevel": mode})),
                None => absent(40_408),
            },
            ("PUT", ["config", subject]) => {
                self.modes.insert((*subject).to_owned(), text("compatibility").to_owned());
                (200, request.body.clone())
            }
            ("POST", ["subjects", subject]) => {
                let versions = self.subjects.get(*subject).cloned().unwrap_or_default();
                let found = versions
                    .iter()
                    .find(|id| self.text(**id).is_some_and(|known| known == text("schema")));
                found.map_or_else(|| absent(40_403), |id| (200, json!({"id": id})))
            }
            ("POST", ["subjects", subject, "versions"]) => {
                (200, json!({"id": self.register(subject, text("schema"))}))
            }
            ("GET", ["subjects", subject, "versions"]) => match self.subjects.get(*subject) {
                Some(versions) => (200, json!((1..=versions.len()).collect::<Vec<_>>())),
                None => absent(40_401),
            },
            ("GET", ["subjects", subject, "versions", version]) => {
                let version: usize = version.parse().unwrap();
                let id = self.subjects[*subject][version - 1];
                (200, json!({"id": id, "version": version, "schema": self.text(id)}))
            }
            ("GET", ["schemas", "ids", id]) => match self.text(id.parse().unwrap()) {
                Some(schema) => (200, json!({"schema": schema})),
                None => absent(40_403),
            },
            _ => (404, json!("no such path")),
        }
    }
}

async fn serve(mut peer: TcpStream, shared: Arc<Shared>) {
    let Some(request) = read(&mut peer).await else {
        return;
    };
    let (mood, answer) = {
        let mut state = shared.state.lock().unwrap();
        let moods = state.moods.iter().rev();
        let mood = moods.clone().find(|(begin, _)| request.line.starts_with(*begin));
        let mood = mood.map(|(_, mood)| mood.clone());
        state.requests.push(request.clone());
        let answer = if mood.is_none() { Some(state.answer(&request)) } else { None };
        (mood, answer)
    };
    shared.asked.notify_waiters();
    let (status, body) = match (mood, answer) {
        (Some(Mood::Silent), _) => return std::future::pending().await,
        (Some(Mood::Says(status, body)), _) => (status, body),
        (None, Some((status, body))) => (status, body.to_string()),
        (Some(Mood::Gone) | None, _) => return,
    };
    let head = format!(
        "HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    // who asked may have left
    drop(peer.write_all(format!("{head}{body}").as_bytes()).await);
}

/// A request whole; `None` when its sender leaves before.
async fn read(peer: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let mut lines = head.lines();
            let line = lines.next()?.trim_end_matches(" HTTP/1.1").to_owned();
            let length = lines.find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                let body = serde_json::from_str(body).unwrap_or_default();
                return Some(Request { line, head: head.to_owned(), body });
            }
        }
        if peer.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return None;
        }
    }
}
