//! A provider that sends what a test wrote down, to the byte.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use runtime::task;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};

/// What it does with a request, step by step.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Sends text.
    Write(String),
    /// Sends bytes.
    Bytes(Vec<u8>),
    /// Sends this again and again until the other end stops reading or leaves.
    Flood(String),
    /// Waits until the test says so.
    Gate(Arc<Notify>),
    /// Waits.
    Pause(Duration),
    /// Waits until the client leaves.
    UntilHangup,
    /// Closes the connection.
    Close,
}

/// What it saw.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Seen {
    /// A request, on the connection of this number.
    Request { connection: usize, head: String, body: String },
    /// The client left this connection while the provider was busy with it.
    HungUp { connection: usize },
}

#[derive(Debug)]
pub(crate) struct Provider {
    pub(crate) address: SocketAddr,
    seen: mpsc::UnboundedReceiver<Seen>,
    flooded: Arc<Mutex<usize>>,
}

struct Shared {
    scripts: Mutex<VecDeque<Vec<Step>>>,
    seen: mpsc::UnboundedSender<Seen>,
    flooded: Arc<Mutex<usize>>,
}

impl Provider {
    /// Serves one script per request; past them, connections are closed without an answer.
    pub(crate) async fn start(scripts: Vec<Vec<Step>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, receiver) = mpsc::unbounded_channel();
        let flooded = Arc::new(Mutex::new(0));
        let shared =
            Shared { scripts: Mutex::new(scripts.into()), seen, flooded: Arc::clone(&flooded) };
        let shared = Arc::new(shared);
        task::spawn("scripted provider", async move {
            for connection in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                let shared = Arc::clone(&shared);
                task::spawn("scripted connection", async move {
                    serve(stream, connection, &shared).await;
                });
            }
        });
        Self { address, seen: receiver, flooded }
    }

    /// What happens next.
    pub(crate) async fn next(&mut self) -> Seen {
        self.seen.recv().await.unwrap()
    }

    /// The body of the next request.
    pub(crate) async fn body(&mut self) -> String {
        match self.next().await {
            Seen::Request { body, .. } => body,
            Seen::HungUp { .. } => panic!("a request was expected"),
        }
    }

    /// What was seen and not looked at.
    pub(crate) fn rest(&mut self) -> Vec<Seen> {
        std::iter::from_fn(|| self.seen.try_recv().ok()).collect()
    }

    /// Bytes that went into floods.
    pub(crate) fn flooded(&self) -> usize {
        *self.flooded.lock().unwrap()
    }
}

async fn serve(mut stream: TcpStream, connection: usize, shared: &Shared) {
    stream.set_nodelay(true).unwrap();
    let mut buffer = Vec::new();
    while let Some((head, body)) = request(&mut stream, &mut buffer).await {
        shared.seen.send(Seen::Request { connection, head, body }).ok();
        let Some(script) = shared.scripts.lock().unwrap().pop_front() else {
            return;
        };
        for step in script {
            let hung_up = match step {
                Step::Bytes(bytes) => stream.write_all(&bytes).await.is_err(),
                Step::Write(text) => stream.write_all(text.as_bytes()).await.is_err(),
                Step::Gate(gate) => leaves(&mut stream, gate.notified()).await,
                Step::Pause(time) => leaves(&mut stream, tokio::time::sleep(time)).await,
                Step::UntilHangup => leaves(&mut stream, std::future::pending::<()>()).await,
                Step::Flood(text) => flood(&mut stream, &text, &shared.flooded).await,
                Step::Close => return,
            };
            if hung_up {
                shared.seen.send(Seen::HungUp { connection }).ok();
                return;
            }
        }
    }
}

/// Whether the client leaves before the future is done.
async fn leaves(stream: &mut TcpStream, until: impl Future<Output = ()>) -> bool {
    let mut byte = [0];
    tokio::select! {
        () = until => false,
        read = stream.read(&mut byte) => !matches!(read, Ok(1)),
    }
}

async fn flood(stream: &mut TcpStream, text: &str, flooded: &Mutex<usize>) -> bool {
    while stream.write_all(text.as_bytes()).await.is_ok() {
        *flooded.lock().unwrap() += text.len();
    }
    true
}

async fn request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<(String, String)> {
    let head = loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let text = String::from_utf8(buffer.drain(..head).collect()).unwrap();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.map_or(0, |length| length.parse().unwrap());
    while buffer.len() < length {
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    let body = String::from_utf8(buffer.drain(..length).collect()).unwrap();
    Some((text, body))
}

/// The head of a stream.
pub(crate) fn stream_head() -> Step {
    Step::Write("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-request-id: req-1\r\ntransfer-encoding: chunked\r\n\r\n".into())
}

/// A chunk of a chunked body.
pub(crate) fn chunk(text: &str) -> Step {
    Step::Write(format!("{:x}\r\n{text}\r\n", text.len()))
}

/// The end of a chunked body.
pub(crate) fn end() -> Step {
    Step::Write("0\r\n\r\n".into())
}

/// A whole answer.
pub(crate) fn whole(status: &str, headers: &str, body: &str) -> Step {
    Step::Write(format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    ))
}

pub(crate) const ROLE: &str = "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}],\"usage\":null}\n\n";
pub(crate) const HELLO: &str = "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hello wo\"},\"finish_reason\":null}],\"usage\":null}\n\n";
pub(crate) const FINISH: &str = "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":null}\n\n";
pub(crate) const USAGE: &str = "data: {\"id\":\"c\",\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":5,\"total_tokens\":14}}\n\n";
pub(crate) const DONE: &str = "data: [DONE]\n\n";
pub(crate) const ANSWER: &str = r#"{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":5,"total_tokens":14}}"#;

/// What a client sees of a frame when it did not ask for usage.
pub(crate) fn shown(frame: &str) -> String {
    frame.replace(",\"usage\":null", "")
}
