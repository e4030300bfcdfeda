//! Calls at a steady rate, each on a connection of its own, and what became of them. All are streams: a whole
//! answer begins when it is complete, so that its silence is bounded only by the call's own deadline.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// So many calls may be open at once.
const CALLERS: u64 = 64;

/// A call.
#[derive(Clone, Debug)]
pub struct Call {
    /// When it was due.
    pub at: Instant,
    /// Whether it was answered whole.
    pub answered: bool,
    /// The provider that answered.
    pub provider: String,
    /// Attempts.
    pub attempts: u32,
}

/// A load that runs until it is stopped.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    calls: Arc<Mutex<Vec<Call>>>,
    callers: Vec<JoinHandle<()>>,
}

impl Load {
    /// So many calls a second for `model`, to the gateways in turn.
    pub fn start(gateways: &[SocketAddr], key: &str, model: &str, rate: f64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let calls = Arc::<Mutex<Vec<Call>>>::default();
        let (start, next) = (Instant::now(), Arc::new(AtomicU64::new(0)));
        let body = format!(
            "{{\"model\":{model:?},\"stream\":true,\"messages\":[{{\"role\":\"user\",\"content\":\"hi\"}}]}}"
        );
        let request = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: hub\r\nauthorization: Bearer {key}\r\n\
             content-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let callers = (0..CALLERS).map(|_| {
            let (stop, calls, next) = (Arc::clone(&stop), Arc::clone(&calls), Arc::clone(&next));
            let (gateways, request) = (gateways.to_vec(), request.clone());
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let due = start + Duration::from_secs_f64(number as f64 / rate);
                    std::thread::sleep(due.saturating_duration_since(Instant::now()));
                    let turn = usize::try_from(number).unwrap_or(0) % gateways.len().max(1);
                    let Some(gateway) = gateways.get(turn) else { return };
                    let call = exchange(*gateway, &request, due).unwrap_or(Call {
                        at: due,
                        answered: false,
                        provider: String::new(),
                        attempts: 0,
                    });
                    calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
                }
            })
        });
        Self { callers: callers.collect(), stop, calls }
    }

    /// The calls that have ended so far.
    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets open calls end.
    pub fn stop(self) -> Vec<Call> {
        self.stop.store(true, Ordering::Relaxed);
        self.callers.into_iter().for_each(|caller| drop(caller.join()));
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn exchange(gateway: SocketAddr, request: &str, at: Instant) -> std::io::Result<Call> {
    let mut stream = TcpStream::connect_timeout(&gateway, Duration::from_secs(10))?;
    stream.set_read_timeout(Some(Duration::from_secs(120)))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let header = |name: &str| {
        let head = answer.split("\r\n\r\n").next().unwrap_or_default();
        let line = head.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim().to_owned())
    };
    let answered = answer.starts_with("HTTP/1.1 200") && answer.contains("data: [DONE]");
    let target = header("x-hub-target: ").unwrap_or_default();
    Ok(Call {
        at,
        answered,
        provider: target.split('/').next().unwrap_or_default().to_owned(),
        attempts: header("x-hub-attempts: ").and_then(|count| count.parse().ok()).unwrap_or(0),
    })
}
