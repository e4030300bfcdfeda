//! Gateways of one log, and a provider that answers when it is told to.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::routing::post;
use futures::StreamExt as _;
use gateway::Gateway;
use gateway::admission::Accounts;
use gateway::config::{CredentialSeed, KeySeed, ProviderSeed, Seed, UpstreamConfig};
use gateway::control::follow::Follower;
use gateway::control::{Ready, seed};
use gateway::gateway::{Beside, Limits, Report};
use gateway::http::routes;
use gateway::limits::{Book, Publisher, Rule, Rules};
use gateway::providers::compat;
use gateway::upstream;
use gateway::usage::{Options, Outbox, Partitions};
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt as _;
use runtime::clock::{Clock, Micros};
use runtime::log::Log;
use runtime::log::local::{self, LocalLog};
use runtime::secret::SecretRef;
use runtime::task::{self, Tasks};
use runtime::telemetry::metrics::Metrics;
use runtime::telemetry::trace::Traces;
use schemas::ids::Origin;
use schemas::wire::Codec;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tower::ServiceExt as _;

/// Tokens of every answer: 900 of input, 100 of output; at gpt-4o-mini's price 195,000 nano USD.
pub(crate) const TOKENS: i64 = 1_000;
pub(crate) const COST: i64 = 900 * 150 + 100 * 600;
/// About the middle of a month.
pub(crate) const NOW: Micros = Micros(1_768_478_400_000_000);

/// Answers to `POST /v1/chat/completions`, each as soon as there is a permit.
pub(crate) struct Provider {
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) asked: Arc<AtomicUsize>,
    pub(crate) last: Arc<std::sync::Mutex<Value>>,
    base: String,
}

type Seen = (Arc<Semaphore>, Arc<AtomicUsize>, Arc<std::sync::Mutex<Value>>);

impl Provider {
    /// One that answers at once.
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/v1", listener.local_addr().unwrap());
        let permits = Arc::new(Semaphore::new(Semaphore::MAX_PERMITS));
        let (asked, last) = (Arc::<AtomicUsize>::default(), Arc::default());
        let seen: Seen = (Arc::clone(&permits), Arc::clone(&asked), Arc::clone(&last));
        let app = Router::new().route("/v1/chat/completions", post(answer)).with_state(seen);
        task::spawn("provider", async move { axum::serve(listener, app).await });
        Self { permits, asked, last, base }
    }

    /// It answers no more until there are new permits.
    pub(crate) fn hold(&self) {
        self.permits.forget_permits(Semaphore::MAX_PERMITS);
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

async fn answer(State((permits, asked, last)): State<Seen>, body: Bytes) -> Response<Body> {
    let body: Value = serde_json::from_slice(&body).unwrap();
    let stream = body["stream"] == true;
    *last.lock().unwrap() = body;
    asked.fetch_add(1, Ordering::SeqCst);
    let usage = json!({"prompt_tokens": 900, "completion_tokens": 100, "total_tokens": 1000});
    if !stream {
        permits.acquire().await.unwrap().forget();
        let answer = json!({"id": "x", "object": "chat.completion", "model": "gpt-4o-mini",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
            "usage": usage});
        let response = Response::builder().header("x-ratelimit-limit-requests", "77777");
        let response = response.header("content-type", "application/json");
        return response.body(Body::from(answer.to_string())).unwrap();
    }
    let chunk = |choices: Value, usage: &Value| {
        format!("data: {}\n\n", json!({"id": "x", "choices": choices, "usage": usage}))
    };
    let hello = chunk(json!([{"index": 0, "delta": {"content": "hello"}}]), &Value::Null);
    let stop = json!([{"index": 0, "delta": {}, "finish_reason": "stop"}]);
    let rest = [chunk(stop, &Value::Null), chunk(json!([]), &usage), "data: [DONE]\n\n".into()];
    let rest = rest.concat();
    let first = futures::stream::iter([Ok::<_, std::convert::Infallible>(hello)]);
    let then = futures::stream::once(async move {
        permits.acquire().await.unwrap().forget();
        Ok(rest)
    });
    let response = Response::builder().header("content-type", "text/event-stream");
    response.body(Body::from_stream(first.chain(then))).unwrap()
}

struct Nothing;

impl Beside for Nothing {
    fn reports(&self) -> Vec<Report> {
        Vec::new()
    }
}

/// What a caller got.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// A gateway.
pub(crate) struct Node {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) publisher: Publisher,
    pub(crate) clock: Clock,
    tasks: Tasks,
}

/// The log in a folder.
pub(crate) fn log(folder: &Path) -> Arc<dyn Log> {
    let options = local::Options::new(2, Clock::manual(NOW));
    LocalLog::open(&folder.join("hub.sqlite"), options).unwrap()
}

pub(crate) fn key(id: &str) -> KeySeed {
    KeySeed {
        id: id.into(),
        secret: Some(SecretRef::Literal(id.into())),
        sha256: None,
        account: "acme".into(),
        project: "team".into(),
        models: Vec::new(),
        origins: Vec::new(),
        aws: None,
        regions: Vec::new(),
    }
}

impl Node {
    /// One that has read the log, at a time that stands still.
    pub(crate) async fn start(
        folder: &Path,
        log: &Arc<dyn Log>,
        provider: &Provider,
        rules: Vec<Rule>,
    ) -> Self {
        let origin = Origin(rand::random());
        let clock = Clock::manual(NOW);
        let openai = ProviderSeed {
            id: "openai".into(),
            vendor: None,
            base_url: Some(provider.base.clone()),
            credentials: vec![CredentialSeed {
                id: "main".into(),
                secret: SecretRef::Literal("sk-1".into()),
                version: 1,
                weight: 1,
            }],
            models: vec!["unpriced".into()],
            weight: 1,
            region: None,
            allow_private: true,
        };
        let seed = Seed {
            providers: vec![openai],
            keys: ["one", "two"].map(key).into(),
            ..Seed::default()
        };
        let (vendors, prices) = (compat::shipped().unwrap(), schemas::price::shipped().unwrap());
        let time = Duration::from_secs(120);
        let mut snapshot = seed::snapshot(&seed, &vendors, prices, time, &|_| None).unwrap();
        snapshot.limits = Arc::new(Rules::new(rules));
        let (metrics, local) = (Metrics::new("0", "0"), Arc::default());
        let options = upstream::Options {
            answer: 1 << 20,
            clock: clock.clone(),
            metrics: metrics.clone(),
            local: Arc::clone(&local),
        };
        let options_of_outbox = Options {
            segment: 64 << 10,
            limit: 8 << 20,
            clock: clock.clone(),
            ..Options::new(
                folder.join(format!("outbox-{origin}")),
                Partitions { usage: 1, attempts: 1 },
            )
        };
        let gateway = Gateway {
            clock: clock.clone(),
            limits: Limits {
                body: 1 << 20,
                body_time: Duration::from_secs(30),
                default_max_output: 4_096,
            },
            snapshot: Arc::new(ArcSwap::from_pointee(snapshot)),
            health: Arc::default(),
            local,
            accounts: Arc::new(Accounts::new()),
            bounded: Arc::new(Book::new(origin, clock.clone())),
            outbox: Outbox::open(options_of_outbox).unwrap(),
            upstream: upstream::Client::new(&UpstreamConfig::default(), options).unwrap(),
            ready: Arc::new(Ready::new(Duration::from_secs(600))),
            draining: false.into(),
            beside: Arc::new(Nothing),
            metrics,
            traces: Traces::default(),
        };
        let gateway = Arc::new(gateway);
        let follower = Follower {
            log: Arc::clone(log),
            codec: Codec::fixed(),
            accounts: Arc::clone(&gateway.accounts),
            health: Arc::clone(&gateway.health),
            bounded: Arc::clone(&gateway.bounded),
            clock: clock.clone(),
            snapshot: Arc::clone(&gateway.snapshot),
            ready: Arc::clone(&gateway.ready),
        };
        let tasks = Tasks::new();
        follower.start(&tasks);
        let book = Arc::clone(&gateway.bounded);
        let publisher =
            Publisher::new(book, Arc::clone(&gateway.snapshot), Arc::clone(log), Codec::fixed());
        let node = Self { gateway, publisher, clock, tasks };
        until(|| node.gateway.ready.is_ready()).await;
        node
    }

    /// Other rules hold from now on.
    pub(crate) fn bound(&self, rules: Vec<Rule>) {
        let mut snapshot = (*self.gateway.snapshot.load_full()).clone();
        snapshot.limits = Arc::new(Rules::new(rules));
        self.gateway.snapshot.store(Arc::new(snapshot));
    }

    /// Asks at a path; the answer as it begins.
    pub(crate) async fn start_call(&self, key: &str, path: &str, body: Value) -> Response<Body> {
        let request = Request::post(path)
            .header("authorization", format!("Bearer {key}"))
            .header("content-type", "application/json")
            .body(Body::from(body.to_string()))
            .unwrap();
        routes(Arc::clone(&self.gateway), false).oneshot(request).await.unwrap()
    }

    pub(crate) async fn ask(&self, key: &str, path: &str, body: Value) -> Answer {
        let response = self.start_call(key, path, body).await;
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Answer { status: head.status.as_u16(), headers: head.headers, body }
    }

    /// A small chat.
    pub(crate) async fn chat(&self, key: &str) -> Answer {
        self.ask(key, "/v1/chat/completions", chat()).await
    }

    /// How much of a bound one of those that it is set on uses, as far as this gateway knows.
    pub(crate) fn used(&self, id: &str, whose: &str) -> i64 {
        let rules = Arc::clone(&self.gateway.snapshot.load_full().limits);
        let lines = self.gateway.bounded.usage(&rules, id);
        lines.iter().find(|line| *line.whose == *whose).map_or(0, |line| line.used.used)
    }

    /// Stops following.
    pub(crate) async fn stop(self) {
        self.tasks.stop();
        assert!(self.tasks.drained(Duration::from_secs(60)).await);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.tasks.stop();
    }
}

pub(crate) fn chat() -> Value {
    json!({"model": "gpt-4o-mini", "max_tokens": 200, "messages": [{"role": "user", "content": "hi"}]})
}

pub(crate) fn stream() -> Value {
    json!({"model": "gpt-4o-mini", "max_tokens": 200, "stream": true, "messages": [{"role": "user", "content": "hi"}]})
}

/// Waits for a condition.
pub(crate) async fn until(done: impl Fn() -> bool) {
    let wait = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait).await.unwrap();
}
