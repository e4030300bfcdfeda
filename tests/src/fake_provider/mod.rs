//! A provider on loopback that speaks OpenAI's format and does what a test tells it to, down to
//! the byte.
//!
//! What it does with a request is chosen, in this order, by a queue (a raw [`Script`] or a
//! [`Behaviour`], once each), by directives in the request (`metadata.fake`, `user` after
//! `fake:`, the model's name after `+`), or by its default. Every answer is a [`Script`], played
//! by one loop that also sees the client leave. Each request is written to the [`Record`]: the
//! oracle of what a vendor saw and would bill.

mod answer;
pub mod behaviour;
mod chat;
mod embeddings;
pub mod record;
pub mod script;
mod server;
mod wire;

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use runtime::clock::Clock;
use runtime::task::Tasks;
use tokio::net::TcpListener;

pub use behaviour::{Behaviour, Fault};
pub use record::{Arrival, End, Ended, Entry, Record};
pub use script::{Script, Step};
use server::{Next, Shared, Usual};

/// How a fake is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it listens; port 0 for any free one.
    pub listen: SocketAddr,
    /// Where its log is appended to.
    pub file: Option<PathBuf>,
    /// Whether headers and bodies are kept.
    pub whole: bool,
    /// What it does when nothing says otherwise.
    pub default: Behaviour,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            file: None,
            whole: false,
            default: Behaviour::default(),
        }
    }
}

/// A running fake; it stops when it is dropped.
#[derive(Debug)]
pub struct FakeProvider {
    address: SocketAddr,
    shared: Arc<Shared>,
    tasks: Tasks,
}

impl FakeProvider {
    /// Starts a fake.
    ///
    /// # Errors
    /// The address is in use, or the log file can't be opened.
    pub async fn start(options: Options) -> std::io::Result<Self> {
        let listener = TcpListener::bind(options.listen).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            record: Record::open(options.file.as_deref(), options.whole, Clock::system())?,
            queue: Mutex::new(VecDeque::new()),
            seen: Mutex::new(HashMap::new()),
            default: Mutex::new(Usual { behaviour: options.default, percent: 100, asked: 0 }),
        });
        let tasks = Tasks::new();
        tasks.spawn("fake-provider", accept(listener, Arc::clone(&shared), tasks.clone()));
        Ok(Self { address, shared, tasks })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base URL that a client is given, with `/v1`.
    pub fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Answers the next request by this script, whatever it asks.
    pub fn script(&self, script: Script) {
        self.shared.enqueue(Ok(Next::Script(script)));
    }

    /// Answers the next request in this way.
    pub fn behave(&self, behaviour: Behaviour) {
        self.shared.enqueue(Ok(Next::Behaviour(behaviour)));
    }

    /// From now on, so many percent of the requests are answered so when nothing says otherwise.
    pub fn usually(&self, behaviour: Behaviour, percent: u32) {
        let usual = Usual { behaviour, percent, asked: 0 };
        *self.shared.default.lock().unwrap_or_else(PoisonError::into_inner) = usual;
    }

    /// What it has seen.
    pub fn record(&self) -> &Record {
        &self.shared.record
    }

    /// Takes no more connections and waits for the open ones to end; false when some did not.
    pub async fn stop(self) -> bool {
        self.tasks.stop();
        self.tasks.drained(Duration::from_secs(5)).await
    }
}

impl Drop for FakeProvider {
    fn drop(&mut self) {
        self.tasks.stop();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, tasks: Tasks) {
    let token = tasks.token();
    loop {
        let stream = tokio::select! {
            () = token.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = stream else {
            // out of file descriptors: room comes when a connection ends
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        let (shared, token) = (Arc::clone(&shared), token.clone());
        tasks.spawn("fake-provider connection", async move {
            tokio::select! {
                () = token.cancelled() => {}
                () = server::connection(shared, stream) => {}
            }
        });
    }
}
