//! One connection of the fake: requests in, scripts out, and who left when.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::answer::{Asked, answer};
use super::behaviour::{Behaviour, Fault};
use super::record::{Arrival, End, Ended, Record, Whole};
use super::script::{Raw, Script, Step};
use super::wire::{Request, Requests};

/// What the connections share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) record: Record,
    pub(super) queue: Mutex<std::collections::VecDeque<Next>>,
    pub(super) seen: Mutex<HashMap<String, u32>>,
    pub(super) default: Mutex<Usual>,
}

/// What it does when nothing says otherwise.
#[derive(Debug)]
pub(super) struct Usual {
    pub(super) behaviour: Behaviour,
    /// Of a hundred requests so many are answered so, spread evenly; the others as by default.
    pub(super) percent: u32,
    pub(super) asked: u32,
}

impl Usual {
    fn next(&mut self) -> Behaviour {
        let hits = |asked: u32| u64::from(asked) * u64::from(self.percent) / 100;
        let hit = hits(self.asked.wrapping_add(1)) > hits(self.asked);
        self.asked = self.asked.wrapping_add(1);
        if hit { self.behaviour.clone() } else { Behaviour::default() }
    }
}

/// What answers the next request, whatever it asks.
#[derive(Clone, Debug)]
pub(super) enum Next {
    Script(Script),
    Behaviour(Behaviour),
}

pub(super) async fn connection(shared: Arc<Shared>, stream: TcpStream) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let (from, mut to) = stream.into_split();
    let mut requests = Requests { from, rest: Vec::new() };
    while let Ok(Some(request)) = requests.next().await {
        if request.path.starts_with("/_fake/") {
            let (status, body) = control(&shared, &request);
            let text = format!(
                "HTTP/1.1 {status} Fake\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            if to.write_all(text.as_bytes()).await.is_err() {
                return;
            }
            continue;
        }
        let Ok(true) = exchange(&shared, request, &mut requests, &mut to).await else {
            return;
        };
    }
}

/// Answers one request; true when the connection can be used again.
async fn exchange(
    shared: &Shared,
    request: Request,
    requests: &mut Requests<OwnedReadHalf>,
    to: &mut OwnedWriteHalf,
) -> std::io::Result<bool> {
    let call = request.header("x-client-request-id").map(str::to_owned);
    let close =
        request.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    let mut asked = Asked {
        path: request.path.split('?').next().unwrap_or_default().to_owned(),
        body: serde_json::from_slice(&request.body).unwrap_or(Value::Null),
        number: 0,
    };
    asked.number = shared.record.arrival(Arrival {
        number: 0,
        at: 0,
        call: call.clone(),
        path: request.path.clone(),
        model: asked.model().to_owned(),
        stream: asked.stream(),
        whole: shared.record.whole.then(|| Whole {
            method: request.method,
            headers: request.headers,
            body: String::from_utf8_lossy(&request.body).into_owned(),
        }),
    })?;
    let script = shared.script(&asked, call);
    let mut end = End {
        number: asked.number,
        at: 0,
        ended: Ended::ClientClosed,
        status: script.status,
        prompt: 0,
        completion: 0,
        bytes: 0,
    };
    let went = play(&script, requests, to, &mut end).await;
    shared.record.end(end)?;
    Ok(went && !close)
}

/// Sends a script; true when the connection is left open by both.
async fn play(
    script: &Script,
    requests: &mut Requests<OwnedReadHalf>,
    to: &mut OwnedWriteHalf,
    end: &mut End,
) -> bool {
    let mut sent = 0;
    for (at, step) in script.steps.iter().enumerate() {
        let left = match step {
            Step::Write { bytes, tokens } => {
                let failed = tokio::select! {
                    biased;
                    () = left(requests) => true,
                    wrote = to.write_all(bytes) => wrote.is_err(),
                };
                if !failed {
                    end.bytes += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                    end.prompt = script.prompt;
                    end.completion += tokens;
                    sent = at + 1;
                }
                failed
            }
            Step::Pause(time) => tokio::select! {
                biased;
                () = left(requests) => true,
                () = tokio::time::sleep(*time) => false,
            },
            Step::Hang => {
                left(requests).await;
                true
            }
            Step::Close | Step::Reset => {
                end.ended = if script.whole { Ended::Answered } else { Ended::BrokenOff };
                if *step == Step::Reset {
                    // without a linger time the close is a reset
                    drop(to.as_ref().set_zero_linger());
                }
                return false;
            }
        };
        // what follows the last write is not the answer any more
        let rest = script.steps.get(sent..).unwrap_or_default();
        let all = script.whole && !rest.iter().any(|step| matches!(step, Step::Write { .. }));
        if all {
            end.ended = Ended::Answered;
        }
        if left {
            end.completion += if all { script.extra } else { 0 };
            return false;
        }
    }
    end.ended = if script.whole { Ended::Answered } else { Ended::BrokenOff };
    end.completion += if script.whole { script.extra } else { 0 };
    true
}

/// Waits until the client closed; bytes of a next request are kept.
async fn left(requests: &mut Requests<OwnedReadHalf>) {
    loop {
        match requests.from.read_buf(&mut requests.rest).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

impl Shared {
    fn script(&self, asked: &Asked, call: Option<String>) -> Script {
        let queued = self.queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let mut behaviour = match queued {
            Some(Next::Script(script)) => return script,
            Some(Next::Behaviour(behaviour)) => behaviour,
            None if asked.directives().is_empty() => {
                self.default.lock().unwrap_or_else(PoisonError::into_inner).next()
            }
            // a directive that can't be read must not pass for a good answer
            None => Behaviour::parse(asked.directives())
                .unwrap_or(Behaviour { fault: Fault::Status(422), ..Behaviour::default() }),
        };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let times = seen.entry(call.unwrap_or_default()).or_default();
        *times += 1;
        if behaviour.once && *times > 1 {
            behaviour.fault = Fault::None;
        }
        answer(asked, &behaviour)
    }
}

/// What a test outside of this process may ask.
fn control(shared: &Shared, request: &Request) -> (u16, String) {
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/_fake/requests") => {
            (200, serde_json::to_string(&shared.record.entries()).unwrap_or_default())
        }
        ("DELETE", "/_fake/requests") => {
            shared.record.clear();
            (200, "{}".to_owned())
        }
        ("GET", "/_fake/counts") => {
            let (arrived, open) = shared.record.counts();
            (200, json!({"arrived": arrived, "open": open}).to_string())
        }
        ("POST", "/_fake/script") => {
            let script = serde_json::from_slice::<Raw>(&request.body)
                .map_err(|error| error.to_string())
                .and_then(|raw| Script::try_from(raw).map_err(|error| error.to_string()));
            shared.enqueue(script.map(Next::Script))
        }
        ("POST", "/_fake/behaviour") => {
            let text = String::from_utf8_lossy(&request.body);
            let behaviour = Behaviour::parse(text.trim()).map_err(|error| error.to_string());
            shared.enqueue(behaviour.map(Next::Behaviour))
        }
        _ => (404, json!({"error": "unknown control path"}).to_string()),
    }
}

impl Shared {
    pub(super) fn enqueue(&self, next: Result<Next, String>) -> (u16, String) {
        match next {
            Ok(next) => {
                self.queue.lock().unwrap_or_else(PoisonError::into_inner).push_back(next);
                (200, "{}".to_owned())
            }
            Err(error) => (400, json!({"error": error}).to_string()),
        }
    }
}
