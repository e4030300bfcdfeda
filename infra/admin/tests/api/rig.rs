//! A node: a control plane on a local log, and the API over it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use admin::Admin;
use admin::signin::{Settings, SignIn};
use axum::Router;
use axum::body::Body;
use control::audit::Trail;
use control::bootstrap::bootstrap;
use control::compile::Surroundings;
use control::plane::{Options, Plane};
use control::vault::{MasterFile, Vault};
use gateway::config::{Unpriced, UpstreamConfig};
use gateway::control::catalogue;
use gateway::limits::Book;
use gateway::providers::compat;
use http::request::Builder;
use http::{HeaderMap, Method, Request};
use http_body_util::BodyExt as _;
use runtime::clock::Clock;
use runtime::log::Log;
use runtime::log::local::{self, LocalLog};
use runtime::task::Tasks;
use runtime::telemetry::metrics::Metrics;
use schemas::wire::Codec;
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// A master key of a test.
pub(crate) const MASTER: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Where all requests come from.
pub(crate) const PEER: &str = "198.51.100.7:40000";

/// A node that is there until it is dropped.
pub(crate) struct Node {
    pub(crate) plane: Arc<Plane>,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) owner: String,
    /// The owner's first sign-in link, if this node made it.
    pub(crate) link: Option<String>,
    /// Stands still until a test moves it, so that what is bounded by time is counted exactly.
    pub(crate) clock: Clock,
    pub(crate) bounded: Arc<Book>,
    router: Router,
    tasks: Tasks,
}

/// What the API answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
    /// As it came.
    pub(crate) text: String,
}

impl Answer {
    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }
}

pub(crate) fn log(folder: &Path) -> Arc<dyn Log> {
    let options = local::Options::new(1, Clock::system());
    LocalLog::open(&folder.join("hub.sqlite"), options).unwrap()
}

/// As people sign in where nothing is set.
pub(crate) fn sign_in() -> Settings {
    Settings {
        url: None,
        idle: Duration::from_secs(15 * 60),
        session: Duration::from_secs(12 * 60 * 60),
        oidc: None,
    }
}

fn local() -> Surroundings {
    Surroundings {
        vendors: Arc::new(compat::shipped().unwrap()),
        catalogue: Arc::new(catalogue::shipped().unwrap()),
        prices: Arc::new(schemas::price::shipped().unwrap()),
        own_prices: None,
        call_time: Duration::from_secs(60),
        unpriced: Unpriced::Flag,
        providers: Vec::new(),
        environment: Arc::new(HashMap::new()),
    }
}

/// A plane of the log in the folder, not followed yet.
pub(crate) async fn plane(
    log: &Arc<dyn Log>,
    checkpoint: Option<PathBuf>,
    master: &str,
) -> Arc<Plane> {
    let master = MasterFile::parse("test", master).unwrap();
    let options = Options {
        log: Arc::clone(log),
        codec: Codec::fixed(),
        vault: Vault::new(Arc::new(master)),
        local: local(),
        checkpoint,
        metrics: Metrics::new("0", "0"),
    };
    Plane::open(options).await.unwrap()
}

impl Node {
    /// A node in a folder; several share its log.
    pub(crate) async fn start(folder: &Path, master: &str) -> Self {
        Self::on(log(folder), folder, master).await
    }

    /// The same on a log that is open.
    pub(crate) async fn on(log: Arc<dyn Log>, folder: &Path, master: &str) -> Self {
        Self::with(log, folder, master, sign_in()).await
    }

    /// The same where people sign in as it is set.
    pub(crate) async fn with(
        log: Arc<dyn Log>,
        folder: &Path,
        master: &str,
        signin: Settings,
    ) -> Self {
        let plane = plane(&log, None, master).await;
        let tasks = Tasks::new();
        tasks.spawn("control", Arc::clone(&plane).follow(tasks.token()));
        let token = folder.join("owner-token");
        let clock = Clock::manual(Clock::system().now());
        let link = bootstrap(&plane, &token, clock.now()).await.unwrap();
        let link = link.map(|link| link.expose().to_owned());
        let owner = std::fs::read_to_string(token).unwrap().trim().to_owned();
        let upstream = UpstreamConfig::default();
        let trail = Trail::new(Arc::clone(&log), Codec::fixed(), clock.clone()).unwrap();
        let trail = Arc::new(trail);
        tasks.spawn("audit", Arc::clone(&trail).run(tasks.token()));
        let signin = SignIn::new(signin, &upstream, clock.clone()).unwrap();
        let (own, now) = (Arc::clone(&plane), clock.clone());
        let node = Arc::new(admin::node::Alone);
        let bounded = Arc::new(Book::new(Default::default(), clock.clone()));
        let admin = Arc::new(Admin {
            plane: own,
            trail,
            bounded: Arc::clone(&bounded),
            clock: now,
            upstream,
            signin,
            node,
        });
        Self { plane, log, owner, link, clock, bounded, router: admin::routes(&admin), tasks }
    }

    /// Asks as it is.
    pub(crate) async fn send(&self, peer: &str, request: Builder, body: Body) -> Answer {
        let peer = gateway::http::Peer(peer.parse().unwrap());
        let request = request.extension(peer).body(body).unwrap();
        let answered = self.router.clone().oneshot(request).await.unwrap();
        let (status, headers) = (answered.status().as_u16(), answered.headers().clone());
        let bytes = answered.into_body().collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Answer { status, headers, body, text }
    }

    /// Asks as the holder of a key.
    pub(crate) async fn ask(
        &self,
        key: Option<&str>,
        method: Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let request = Request::builder().method(method);
        let mut request = request.uri(format!("/admin/v1/{path}"));
        if let Some(key) = key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = match body {
            Some(body) => {
                request = request.header("content-type", "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        self.send(PEER, request, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(Some(&self.owner), Method::GET, path, None, &[]).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.ask(Some(&self.owner), Method::POST, path, Some(&body), &[]).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.ask(Some(&self.owner), Method::PUT, path, Some(&body), &[]).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.ask(Some(&self.owner), Method::DELETE, path, None, &[]).await
    }

    /// A new key's secret.
    pub(crate) async fn key(&self, id: &str, spec: Value) -> String {
        let made = self.post("keys", json!({"id": id, "spec": spec})).await.is(201);
        made["secret"].as_str().unwrap().to_owned()
    }

    /// Whether calls with this key are let through by what calls see now.
    pub(crate) fn knows(&self, key: &str) -> bool {
        let snapshot = self.plane.current().seen().load_full();
        snapshot.keys.contains_key(&snapshot.key_hash.of(key.as_bytes()))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.tasks.stop();
    }
}
