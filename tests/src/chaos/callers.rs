//! Clients under chaos: whole answers and streams, failing upstreams, clients that leave. What
//! each of them saw is kept, to be compared with what was settled.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::json;

/// What a caller asks for: how often, what the fake does, whether it is a stream, and how many
/// bytes the client reads before it leaves.
struct Kind {
    weight: u32,
    directives: &'static str,
    stream: bool,
    leaves: bool,
}

const fn kind(weight: u32, directives: &'static str, stream: bool, leaves: bool) -> Kind {
    Kind { weight, directives, stream, leaves }
}

const KINDS: [Kind; 16] = [
    kind(24, "", false, false),
    kind(16, "tokens=12", true, false),
    kind(20, "tokens=40,gap_ms=10", true, false),
    kind(6, "latency_ms=100", false, false),
    kind(8, "tokens=60,gap_ms=5", true, true),
    kind(3, "stall_first", true, true),
    kind(3, "tokens=9,stall_after=3", true, true),
    kind(3, "503", false, false),
    kind(3, "500,once", true, false),
    kind(2, "rate_limit=1", false, false),
    kind(3, "cut_after=3", true, false),
    kind(2, "mid_chunk=2", true, false),
    kind(1, "no_done", true, false),
    kind(2, "error_chunk=2", true, false),
    kind(2, "malformed", false, false),
    kind(2, "no_answer", false, false),
];

/// What a client saw of its calls.
#[derive(Debug, Default)]
pub struct Seen {
    /// Calls begun.
    pub calls: AtomicU64,
    /// Answers with their end, refusals of the hub's, those for a full outbox, answers that broke,
    /// answers that were left.
    pub ends: [AtomicU64; 5],
    /// Call ids of answers that were seen to their good end.
    pub whole: Mutex<Vec<String>>,
}

impl Seen {
    /// Calls that ended like this, so far.
    pub(super) fn count(&self, ended: Ended) -> u64 {
        self.ends.get(ended as usize).map_or(0, |count| count.load(Ordering::Relaxed))
    }
}

/// How a call ended for its client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ended {
    Whole,
    Refused,
    /// Refused, because the outbox is full.
    Full,
    Broken,
    Left,
}

/// Calls until `stop`.
pub(super) fn call(address: SocketAddr, key: &str, seed: u64, seen: &Seen, stop: &AtomicBool) {
    let mut rng = StdRng::seed_from_u64(seed);
    while !stop.load(Ordering::Relaxed) {
        let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(500)) else {
            // the gateway is dead just now
            std::thread::sleep(Duration::from_millis(5));
            continue;
        };
        let kind = pick(&mut rng);
        seen.calls.fetch_add(1, Ordering::Relaxed);
        let (ended, id) = one(stream, key, kind, &mut rng);
        if let Some(count) = seen.ends.get(ended as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        if matches!(ended, Ended::Refused | Ended::Full) {
            // who is refused does not come again at once
            std::thread::sleep(Duration::from_millis(50));
        }
        if let (Ended::Whole, Some(id), Ok(mut whole)) = (ended, id, seen.whole.lock()) {
            whole.push(id);
        }
        std::thread::sleep(Duration::from_millis(rng.random_range(0..12)));
    }
}

fn pick(rng: &mut StdRng) -> &'static Kind {
    let mut at = rng.random_range(0..KINDS.iter().map(|kind| kind.weight).sum());
    for kind in &KINDS {
        match at.checked_sub(kind.weight) {
            Some(rest) => at = rest,
            None => return kind,
        }
    }
    &KINDS[0]
}

/// A whole request.
fn request(key: &str, directives: &str, stream: bool, rng: &mut StdRng) -> Vec<u8> {
    let mut body = json!({
        "model": "chaos",
        "messages": [{"role": "user", "content": "x".repeat(rng.random_range(1..2000))}],
        "metadata": {"fake": directives},
    });
    if stream {
        body["stream"] = true.into();
    }
    let body = body.to_string();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: hub\r\nauthorization: Bearer {key}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    (head + &body).into_bytes()
}

/// Sends many calls at once and does not wait for them: they are all at the beginning of their
/// way when the gateway dies. The connections are open for as long as the streams are held.
pub(super) fn burst(
    address: SocketAddr,
    key: &str,
    count: usize,
    rng: &mut StdRng,
) -> Vec<TcpStream> {
    let open = || TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok();
    let mut streams: Vec<TcpStream> = std::iter::repeat_with(open).take(count).flatten().collect();
    for stream in &mut streams {
        // one that can't be sent is as good as one that was not
        drop(stream.write_all(&request(key, "latency_ms=50", false, rng)));
    }
    streams
}

fn one(mut stream: TcpStream, key: &str, kind: &Kind, rng: &mut StdRng) -> (Ended, Option<String>) {
    if stream.write_all(&request(key, kind.directives, kind.stream, rng)).is_err() {
        return (Ended::Broken, None);
    }
    let patience = if kind.leaves { rng.random_range(20..200) } else { 30_000 };
    drop(stream.set_read_timeout(Some(Duration::from_millis(patience))));
    let leave_at = if kind.leaves { rng.random_range(1..8000) } else { usize::MAX };
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    loop {
        match stream.read(&mut part) {
            Ok(0) => break,
            Ok(length) => answer.extend_from_slice(part.get(..length).unwrap_or_default()),
            Err(_) if kind.leaves => return (Ended::Left, None),
            Err(_) => return (Ended::Broken, None),
        }
        if answer.len() >= leave_at {
            return (Ended::Left, None);
        }
    }
    let text = String::from_utf8_lossy(&answer);
    (judge(&text, kind.stream), header(&text, "x-hub-call"))
}

fn judge(answer: &str, stream: bool) -> Ended {
    let Some((head, body)) = answer.split_once("\r\n\r\n") else {
        return Ended::Broken;
    };
    if !head.contains(" 200 ") {
        let full = header(answer, "x-hub-error").as_deref() == Some("outbox_full");
        return if full { Ended::Full } else { Ended::Refused };
    }
    let whole = if stream {
        body.contains("data: [DONE]")
    } else {
        header(answer, "content-length").is_some_and(|length| length == body.len().to_string())
    };
    if whole { Ended::Whole } else { Ended::Broken }
}

fn header(answer: &str, name: &str) -> Option<String> {
    let head = answer.split("\r\n\r\n").next()?;
    let line =
        head.lines().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:")))?;
    line.split_once(':').map(|(_, value)| value.trim().to_owned())
}
