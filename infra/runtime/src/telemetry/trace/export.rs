//! Sends ended calls to a collector, in batches, off the request path.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};
use prost::Message as _;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, StatusCode};
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, sleep, timeout_at};

use super::{Call, Context, Error, Settings, spans};
use crate::task::CancellationToken;
use crate::telemetry::metrics;

/// Calls in one request.
const BATCH: usize = 512;
/// A batch is tried so often, each time after twice the wait.
const TRIES: u32 = 5;
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

pub(super) struct Exporter {
    client: Client,
    settings: Settings,
    counts: metrics::Traces,
    stop: CancellationToken,
    failing: bool,
}

/// What became of a request.
enum Answer {
    Taken,
    /// The collector is away or busy; it may name a wait.
    Later(String, Option<Duration>),
    /// It will never take it.
    Refused(String),
}

impl Exporter {
    pub(super) fn new(
        settings: Settings,
        counts: metrics::Traces,
        stop: CancellationToken,
    ) -> Result<Self, Error> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // an error says that another thread was faster
            drop(rustls::crypto::ring::default_provider().install_default());
        }
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        for (name, value) in &settings.headers {
            let name = HeaderName::from_bytes(name.as_bytes());
            let value = HeaderValue::from_str(value.expose());
            let (Ok(name), Ok(mut value)) = (name, value) else {
                return Err(Error::Headers("OTEL_EXPORTER_OTLP_HEADERS"));
            };
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        let client = Client::builder()
            .default_headers(headers)
            .timeout(settings.timeout)
            .build()
            .map_err(Error::Client)?;
        Ok(Self { client, settings, counts, stop, failing: false })
    }

    /// Runs until the sender is gone, or until it is asked to stop and the queue is empty.
    pub(super) async fn run(mut self, mut calls: Receiver<(Context, Box<Call>)>) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let open = tokio::select! {
                () = self.stop.cancelled(), if !calls.is_closed() => {
                    calls.close(); // what is queued still comes
                    continue;
                }
                count = calls.recv_many(&mut batch, BATCH) => count > 0,
            };
            if !open {
                return;
            }
            self.fill(&mut batch, &mut calls).await;
            self.export(&batch).await;
            batch.clear();
        }
    }

    /// Waits for more calls until the batch is full, the delay is over or the end has come.
    async fn fill(
        &self,
        batch: &mut Vec<(Context, Box<Call>)>,
        calls: &mut Receiver<(Context, Box<Call>)>,
    ) {
        let until = Instant::now() + self.settings.delay;
        while batch.len() < BATCH {
            let more = calls.recv_many(batch, BATCH - batch.len());
            tokio::select! {
                () = self.stop.cancelled() => return,
                count = timeout_at(until, more) => if !count.is_ok_and(|count| count > 0) {
                    return;
                },
            }
        }
    }

    async fn export(&mut self, batch: &[(Context, Box<Call>)]) {
        let body = bytes::Bytes::from(self.request(batch).encode_to_vec());
        let mut wait = FIRST_WAIT;
        let mut last = String::new();
        for _ in 0..TRIES {
            match self.send(body.clone()).await {
                Answer::Taken => {
                    self.counts.exported.inc_by(batch.len() as u64);
                    if std::mem::take(&mut self.failing) {
                        tracing::info!("traces are taken again");
                    }
                    return;
                }
                Answer::Refused(reason) => {
                    last = reason;
                    break;
                }
                Answer::Later(reason, asked) => {
                    last = reason;
                    let pause = asked.unwrap_or(wait).min(LONGEST_WAIT);
                    wait *= 2;
                    tokio::select! {
                        () = self.stop.cancelled() => break,
                        () = sleep(pause) => {}
                    }
                }
            }
        }
        self.counts.dropped.inc_by(batch.len() as u64);
        if !std::mem::replace(&mut self.failing, true) {
            // the rest of the address may hold a user and a password
            let url = reqwest::Url::parse(&self.settings.endpoint).ok();
            let host = url.as_ref().and_then(reqwest::Url::host_str);
            tracing::warn!(host, reason = last, "traces are not taken and dropped");
        }
    }

    async fn send(&self, body: bytes::Bytes) -> Answer {
        let sent = self.client.post(&self.settings.endpoint).body(body).send().await;
        let answer = match sent {
            Ok(answer) => answer,
            Err(error) => return Answer::Later(error.without_url().to_string(), None),
        };
        let seconds = answer.headers().get(RETRY_AFTER);
        let seconds = seconds.and_then(|value| value.to_str().ok()?.parse().ok());
        match answer.status() {
            status if status.is_success() => Answer::Taken,
            status @ (StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT) => {
                Answer::Later(status.to_string(), seconds.map(Duration::from_secs))
            }
            status => Answer::Refused(status.to_string()),
        }
    }

    fn request(&self, batch: &[(Context, Box<Call>)]) -> ExportTraceServiceRequest {
        let attributes = self.settings.resource.iter();
        let attributes = attributes.map(|(name, value)| spans::text(name, value)).collect();
        let scope = InstrumentationScope { name: "hub".into(), ..Default::default() };
        let spans = batch.iter().flat_map(|(context, call)| spans::of(context, call)).collect();
        ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                resource: Some(Resource { attributes, ..Default::default() }),
                scope_spans: vec![ScopeSpans { scope: Some(scope), spans, ..Default::default() }],
                ..Default::default()
            }],
        }
    }
}
