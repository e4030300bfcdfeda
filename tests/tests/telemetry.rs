//! What operators see of a call: its spans at a collector, its numbers at `/metrics`.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

#[path = "rig/mod.rs"]
#[expect(dead_code, reason = "shared with the other tests over a running hub")]
mod rig;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use e2e::fake_provider::{Behaviour, Entry, FakeProvider, Fault, Options};
use e2e::hub::{Hub, Provider, get};
use e2e::process::Process;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use rig::http;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";
const PATIENCE: Duration = Duration::from_secs(120);

/// Takes everything that is posted to it: path and body.
async fn collector() -> (SocketAddr, mpsc::UnboundedReceiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (seen, posts) = mpsc::unbounded_channel();
    runtime::task::spawn("collector", async move {
        loop {
            let (mut peer, _) = listener.accept().await.unwrap();
            let mut bytes = Vec::new();
            let (path, start, length) = loop {
                assert_ne!(peer.read_buf(&mut bytes).await.unwrap(), 0);
                let mut headers = [httparse::EMPTY_HEADER; 32];
                let mut request = httparse::Request::new(&mut headers);
                let httparse::Status::Complete(start) = request.parse(&bytes).unwrap() else {
                    continue;
                };
                let length = request
                    .headers
                    .iter()
                    .find(|header| header.name.eq_ignore_ascii_case("content-length"))
                    .unwrap();
                let length = std::str::from_utf8(length.value).unwrap();
                let path = request.path.unwrap().to_owned();
                break (path, start, length.parse::<usize>().unwrap());
            };
            while bytes.len() < start + length {
                assert_ne!(peer.read_buf(&mut bytes).await.unwrap(), 0);
            }
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            peer.write_all(answer).await.unwrap();
            if seen.send((path, bytes.split_off(start))).is_err() {
                return;
            }
        }
    });
    (address, posts)
}

fn attributes(pairs: &[KeyValue]) -> HashMap<&str, String> {
    let text = |pair: &KeyValue| match pair.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        Value::DoubleValue(number) => Some(number.to_string()),
        Value::BoolValue(yes) => Some(yes.to_string()),
        _ => None,
    };
    let pairs = pairs.iter();
    pairs.filter_map(|pair| Some((pair.key.as_str(), text(pair)?))).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn ask(hub: &Hub, key: &str, headers: &[(&str, &str)]) -> http::Answer {
    let body = json!({
        "model": "gpt-4o-mini", "messages": [{"role": "user", "content": "marker-of-a-prompt"}],
    });
    let authorization = format!("Bearer {key}");
    let mut all =
        vec![("authorization", authorization.as_str()), ("content-type", "application/json")];
    all.extend_from_slice(headers);
    let body = body.to_string();
    let request = http::request("POST", "/v1/chat/completions", &all, body.as_bytes());
    http::exchange(hub.listen, &request)
}

/// The sum over all samples of `/metrics` whose line starts so.
fn metric(text: &str, start: &str) -> f64 {
    let samples = text.lines().filter(|line| line.starts_with(start));
    let values = samples.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap());
    values.sum()
}

/// A provider that fails once, a collector, and a hub between them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_seen_in_traces_and_metrics() {
    let options = Options { whole: true, ..Options::default() };
    let fake = FakeProvider::start(options).await.unwrap();
    fake.behave(Behaviour { fault: Fault::RateLimit(0), ..Behaviour::default() });
    let (address, mut posts) = collector().await;
    let folder = tempfile::tempdir().unwrap();
    let provider =
        Provider { id: "vendor".into(), url: fake.url(), models: vec!["gpt-4o-mini".into()] };
    let hub = Hub::new(rig::binary(), folder.path(), &[provider], "").unwrap();
    let mut command = rig::command(&hub, &["serve"]);
    command
        .env("HUB_CLICKHOUSE_LIBRARY", rig::library())
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{address}"))
        .env("OTEL_BSP_SCHEDULE_DELAY", "10");
    let mut process = Process::start("serve", &mut command, &hub.log("serve")).unwrap();
    rig::ready(&mut process, &hub, "serve");

    let refused = ask(&hub, "hk-wrong", &[]);
    assert_eq!(refused.status, 401);
    let parent = format!("00-{TRACE}-{SPAN}-01");
    let headers = [("traceparent", parent.as_str()), ("tracestate", "a=1,b=2")];
    let answer = ask(&hub, &hub.key, &headers);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("x-hub-attempts"), "2");

    let post = tokio::time::timeout(PATIENCE, posts.recv()).await;
    let (path, body) = post.expect("no spans came").unwrap();
    assert_eq!(path, "/v1/traces");
    for secret in ["marker-of-a-prompt", "upstream-key", hub.key.as_str()] {
        let found = memchr::memmem::find(&body, secret.as_bytes());
        assert_eq!(found, None, "{secret} is in the spans");
    }
    let sent = ExportTraceServiceRequest::decode(body.as_slice()).unwrap();
    let spans = sent.resource_spans.iter().flat_map(|of| &of.scope_spans);
    let spans: Vec<&Span> = spans.flat_map(|of| &of.spans).collect();
    let [call, first, second] = spans.as_slice() else {
        panic!("one call, two attempts: {spans:#?}")
    };
    assert!(spans.iter().all(|span| hex(&span.trace_id) == TRACE));
    assert_eq!(hex(&call.parent_span_id), SPAN);
    let said = attributes(&call.attributes);
    for (name, value) in [
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.provider.name", "openai"),
        ("gen_ai.request.model", "gpt-4o-mini"),
        ("http.response.status_code", "200"),
        ("hub.call.id", answer.header("x-hub-call")),
        ("hub.outcome", "completed"),
    ] {
        assert_eq!(said.get(name).map(String::as_str), Some(value), "{name}");
    }
    for name in ["gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"] {
        assert!(said[name].parse::<u32>().unwrap() > 0, "{name}");
    }
    let failed = attributes(&first.attributes);
    assert_eq!(failed["http.response.status_code"], "429");
    assert!(failed.contains_key("error.type"), "{failed:?}");
    let went = attributes(&second.attributes);
    assert_eq!(went["http.request.resend_count"], "1");
    assert_eq!(went["server.port"], fake.address().port().to_string());

    // each attempt was told of its own span
    let mut told = fake.record().entries().into_iter();
    let mut told = told.by_ref().filter_map(|entry| match entry {
        Entry::Arrival(arrival) => arrival.whole.map(|whole| whole.headers),
        Entry::End(_) => None,
    });
    for span in [first, second] {
        assert_eq!(span.parent_span_id, call.span_id);
        let headers: HashMap<String, String> = told.next().unwrap().into_iter().collect();
        let wanted = format!("00-{TRACE}-{}-01", hex(&span.span_id));
        assert_eq!(headers["traceparent"], wanted);
        assert_eq!(headers["tracestate"], "a=1,b=2");
    }

    let text = rig::eventually("all processors are done", PATIENCE, || {
        let text = get(hub.admin, "/metrics").unwrap().1;
        let taken = |name: &str| {
            let start = format!("hub_processor_records_total{{processor=\"{name}\"");
            metric(&text, &start)
        };
        let seen = taken("billing") > 0.0
            // ticks among them
            && taken("health") >= 2.0
            && taken("sink/usage") == 1.0
            && metric(&text, "hub_processor_lag_records") == 0.0
            && metric(&text, "hub_outbox_shipped_records_total") >= 3.0
            && metric(&text, "hub_traces_exported_total") == 1.0;
        seen.then_some(text)
    });
    for (start, wanted) in [
        ("hub_calls_total{provider=\"vendor\",operation=\"chat\",outcome=\"completed\"}", 1.0),
        ("hub_calls_refused_total{code=\"invalid_api_key\"}", 1.0),
        ("hub_calls_refused_total", 1.0),
        ("hub_calls_in_flight", 0.0),
        ("hub_attempts_total{provider=\"vendor\",error=\"none\"}", 1.0),
        ("hub_attempts_total{provider=\"vendor\"", 2.0),
        ("hub_call_duration_seconds_count{provider=\"vendor\"", 1.0),
        ("hub_call_ttft_seconds_count{provider=\"vendor\"", 1.0),
        ("hub_attempt_duration_seconds_count{provider=\"vendor\"", 2.0),
        ("hub_processor_running{processor=\"billing\"", 4.0),
        ("hub_processor_takeovers_total{processor=\"billing\"", 4.0),
        ("hub_processor_dead_records_total", 0.0),
        ("hub_processor_missing_seqs", 0.0),
        ("hub_outbox_failing", 0.0),
        ("hub_clickhouse_up", 1.0),
        ("hub_clickhouse_restarts_total", 0.0),
        ("hub_traces_dropped_total", 0.0),
    ] {
        assert!(text.lines().any(|line| line.starts_with(start)), "{start}\n{text}");
        assert_eq!(metric(&text, start), wanted, "{start}\n{text}");
    }
    for start in [
        "hub_units_total{provider=\"vendor\",meter=\"input\"}",
        "hub_units_total{provider=\"vendor\",meter=\"output\"}",
        "hub_outbox_bytes",
        "hub_outbox_limit_bytes",
        "process_resident_memory_bytes",
    ] {
        assert!(metric(&text, start) > 0.0, "{start}\n{text}");
    }
    assert!(process.stop().unwrap().success());
}
