//! What a test needs around the part under test.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use gateway::call::Call;
use gateway::config::UpstreamConfig;
use gateway::dialects::openai::{chat, embeddings};
use gateway::error::Error;
use gateway::providers::{Auth, Deadlines, Endpoint, compat};
use gateway::routing::{Plan, Target};
use gateway::streaming::relay;
use gateway::upstream::{self, Client, Zone, attempt};
use gateway::usage::{Admission, Durability, Options, Outbox, Partitions, Shipper, Ticket};
use http::Response;
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use http_body_util::BodyExt as _;
use runtime::clock::Clock;
use runtime::task::{self, CancellationToken};
use runtime::telemetry::metrics::Metrics;
use schemas::event::{Attempt, AttemptError, Outcome, Usage};
use schemas::ids::CallId;
use schemas::topics::Topic;
use schemas::wire::Codec;

use crate::log::MemoryLog;
use crate::scripted::Provider;

pub(crate) const CHAT: &str =
    r#"{"model":"gpt-4o-mini","messages":[{"role":"user","content":"hi"}]}"#;
pub(crate) const STREAM: &str =
    r#"{"model":"gpt-4o-mini","messages":[{"role":"user","content":"hi"}],"stream":true}"#;

pub(crate) struct Rig {
    pub(crate) client: Client,
    pub(crate) outbox: Arc<Outbox>,
    log: Arc<MemoryLog>,
    calls: u8,
    _folder: tempfile::TempDir,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::with(Durability::Process, UpstreamConfig::default())
    }

    pub(crate) fn with(durability: Durability, config: UpstreamConfig) -> Self {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let clock = Clock::system();
        let options = Options {
            segment: 64 << 10,
            limit: 1 << 20,
            linger: Duration::ZERO,
            durability,
            clock: clock.clone(),
            ..Options::new(folder.path(), Partitions { usage: 1, attempts: 1 })
        };
        let outbox = Outbox::open(options).unwrap();
        let local = Arc::default();
        let metrics = Metrics::new("0", "0");
        let options = upstream::Options { answer: 1 << 20, clock, metrics, local };
        let client = Client::new(&config, options).unwrap();
        Self { client, outbox, log: Arc::default(), calls: 0, _folder: folder }
    }

    pub(crate) fn ticket(&mut self, call: &Call) -> Ticket {
        self.calls += 1;
        let admission = Admission {
            call: CallId::new(1_700_000_000_000, &[self.calls; 10]),
            account: "account".into(),
            project: "project".into(),
            key: "key".into(),
            user: None,
            client: None,
            tags: [].into(),
            operation: call.operation,
            dialect: call.dialect.as_str(),
            streamed: call.stream,
            model: call.model.clone(),
            price_version: "0123456789abcdef".into(),
            input_estimate: call.estimate(),
        };
        let prices = Arc::new(schemas::price::shipped().unwrap());
        self.outbox.admit(admission, None, prices).unwrap()
    }

    /// Starts a call: the answer, or the error.
    pub(crate) async fn start(&mut self, body: &str, plan: Plan) -> Result<Response<Body>, Error> {
        self.future(body, plan).await
    }

    /// The same, to be dropped by the test.
    pub(crate) fn future(
        &mut self,
        body: &str,
        plan: Plan,
    ) -> impl Future<Output = Result<Response<Body>, Error>> + use<> {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let headers = HeaderMap::new();
        let call = match body.windows(10).any(|ten| ten == b"\"messages\"") {
            true => chat(&headers, body).unwrap(),
            false => embeddings(&headers, body).unwrap(),
        };
        self.call(call, plan)
    }

    /// The same, of a call in whichever dialect.
    pub(crate) fn call(
        &mut self,
        call: Call,
        plan: Plan,
    ) -> impl Future<Output = Result<Response<Body>, Error>> + use<> {
        let ticket = self.ticket(&call);
        let client = self.client.clone();
        async move { Ok(relay(attempt(&client, call, plan, ticket).await?)) }
    }

    /// Events of all calls: one usage event each, no more and no less.
    pub(crate) async fn events(self) -> (Vec<Usage>, Vec<Attempt>) {
        let token = CancellationToken::new();
        let shipper = Shipper::new(Arc::clone(&self.outbox));
        let log = Arc::clone(&self.log);
        let running = task::spawn("shipper", shipper.run(log, token.clone()));
        assert!(self.outbox.drain(Duration::from_secs(600)).await, "a ticket is not settled");
        token.cancel();
        running.await.unwrap().unwrap();
        let records = self.log.0.lock().unwrap();
        let of = |topic: Topic| records.iter().filter(move |record| record.to.topic == topic);
        let value = |record: &runtime::log::Outgoing| record.record.value.clone().unwrap();
        let usages = of(Topic::Usage).map(|record| Codec::fixed().decode(&value(record)).unwrap());
        let attempts =
            of(Topic::Attempts).map(|record| Codec::fixed().decode(&value(record)).unwrap());
        let (usages, attempts): (Vec<Usage>, Vec<Attempt>) = (usages.collect(), attempts.collect());
        assert_eq!(usages.len(), usize::from(self.calls), "one call, one settled event");
        (usages, attempts)
    }

    /// The only usage event, as (outcome, error, status), and how its attempts went.
    pub(crate) async fn story(self) -> (Outcome, Option<String>, i32, Vec<AttemptError>) {
        let (usages, attempts) = self.events().await;
        let [usage] = usages.as_slice() else { panic!("{usages:?}") };
        assert_eq!(usage.attempts as usize, attempts.len());
        let error = usage.error.as_ref().map(ToString::to_string);
        (usage.outcome, error, usage.status, attempts.iter().map(|attempt| attempt.error).collect())
    }
}

pub(crate) fn deadlines() -> Deadlines {
    Deadlines {
        connect: Duration::from_secs(5),
        first_byte: Duration::from_secs(30),
        idle: Duration::from_secs(20),
        total: Duration::from_secs(300),
    }
}

pub(crate) fn target_at(vendor: &str, base: &str, deadlines: Deadlines) -> Arc<Target> {
    let vendor = compat::shipped().unwrap()[vendor].clone();
    let (id, base) = (vendor.id.as_str().into(), base.parse().unwrap());
    let endpoint = Endpoint::new(id, vendor, base, deadlines).unwrap().within(Zone::Private);
    let auth = Auth::Header(AUTHORIZATION, HeaderValue::from_static("Bearer secret"));
    Arc::new(Target::new(Arc::new(endpoint), "main".into(), 1, auth, "gpt-4o-mini".into()))
}

pub(crate) fn target(vendor: &str, provider: &Provider) -> Arc<Target> {
    target_at(vendor, &format!("http://{}/v1", provider.address), deadlines())
}

/// A plan over these providers, in order, all of OpenAI's kind.
pub(crate) fn plan(providers: &[&Provider]) -> Plan {
    Plan::of(providers.iter().map(|provider| target("openai", provider)))
}

/// The next bytes of a body, as text.
pub(crate) async fn next(body: &mut Body) -> Option<String> {
    let frame = body.frame().await?.unwrap();
    Some(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap())
}

/// All that is left of a body.
pub(crate) async fn rest(body: Body) -> String {
    String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap()
}
