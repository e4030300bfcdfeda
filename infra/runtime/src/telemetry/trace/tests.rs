use std::collections::HashMap;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn call() -> Call {
    Call {
        call: CallId([7; 16]),
        operation: Operation::Chat,
        provider: Some("gemini".into()),
        request_model: "fast".into(),
        streamed: true,
        tokens: Tokens { input: 120, cache_read: 100, cache_write: 0, output: 30 },
        outcome: Outcome::Completed,
        error: None,
        status: 200,
        started: Micros(1_000_000),
        ended: Micros(3_000_000),
        ttft: Some(Duration::from_millis(250)),
        attempts: vec![
            Attempt {
                number: 1,
                provider: "openai".into(),
                model: "gpt-x".into(),
                server_address: "api.openai.example".into(),
                server_port: 443,
                status: 429,
                error: AttemptError::RateLimit,
                started: Micros(1_000_100),
                ended: Micros(1_200_000),
                ttft: None,
            },
            Attempt {
                number: 2,
                provider: "gemini".into(),
                model: "gemini-2.5-flash".into(),
                server_address: "gemini.example".into(),
                server_port: 443,
                status: 200,
                error: AttemptError::None,
                started: Micros(1_200_100),
                ended: Micros(2_900_000),
                ttft: Some(Duration::from_millis(50)),
            },
        ],
    }
}

/// Takes one request per status, answers with it, and gives head and body back.
async fn collector(
    statuses: &'static [&'static str],
) -> (String, tokio::sync::mpsc::Receiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (seen, requests) = tokio::sync::mpsc::channel(16);
    crate::task::spawn("collector", async move {
        for status in statuses {
            let (mut peer, _) = listener.accept().await.unwrap();
            let mut bytes = Vec::new();
            let (head, body) = loop {
                assert!(peer.read_buf(&mut bytes).await.unwrap() > 0);
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let Some((head, _)) = text.split_once("\r\n\r\n") else {
                    continue;
                };
                let head = head.to_lowercase();
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                let length: usize = length.unwrap().parse().unwrap();
                if bytes.len() >= head.len() + 4 + length {
                    break (head.clone(), bytes.split_off(head.len() + 4));
                }
            };
            let answer =
                format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            peer.write_all(answer.as_bytes()).await.unwrap();
            seen.send((head, body)).await.unwrap();
        }
    });
    (address, requests)
}

fn settings(endpoint: &str) -> Settings {
    let env = |name: &str| match name {
        "OTEL_EXPORTER_OTLP_HEADERS" => Some("x-key=s%20k".into()),
        "OTEL_BSP_SCHEDULE_DELAY" => Some("1".into()),
        "OTEL_RESOURCE_ATTRIBUTES" => Some("deployment.environment.name=test".into()),
        _ => None,
    };
    Settings::read(Some(endpoint), "1.2.3", env).unwrap().unwrap()
}

fn counts() -> metrics::Traces {
    metrics::Traces::default()
}

fn texts(attributes: &[KeyValue]) -> HashMap<String, String> {
    let show = |value: &Value| match value {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        Value::DoubleValue(number) => number.to_string(),
        Value::BoolValue(flag) => flag.to_string(),
        other => panic!("{other:?}"),
    };
    let pair = |pair: &KeyValue| {
        (pair.key.clone(), show(pair.value.as_ref().unwrap().value.as_ref().unwrap()))
    };
    attributes.iter().map(pair).collect()
}

fn spans_of(body: &[u8]) -> (HashMap<String, String>, Vec<Span>) {
    let mut request = ExportTraceServiceRequest::decode(body).unwrap();
    let mut resource = request.resource_spans.remove(0);
    (texts(&resource.resource.unwrap().attributes), resource.scope_spans.remove(0).spans)
}

#[tokio::test]
async fn a_call_arrives_as_a_server_span_with_its_attempts_below() {
    let (address, mut requests) = collector(&["200 OK"]).await;
    let (tasks, counts) = (Tasks::new(), counts());
    let traces = Traces::start(settings(&address), &tasks, counts.clone()).unwrap();
    let context = traces.begin(CallId([7; 16]), Some(CALLER)).unwrap();
    traces.finish(&context, call);

    let (head, body) = requests.recv().await.unwrap();
    assert!(head.starts_with("post /v1/traces http/1.1"), "{head}");
    assert!(head.contains("content-type: application/x-protobuf"), "{head}");
    assert!(head.contains("x-key: s k"), "{head}");
    let (resource, spans) = spans_of(&body);
    assert_eq!(resource["service.name"], "hub");
    assert_eq!(resource["service.version"], "1.2.3");
    assert_eq!(resource["deployment.environment.name"], "test");

    let [root, first, second] = spans.as_slice() else { panic!("{spans:?}") };
    assert_eq!((root.name.as_str(), root.kind), ("chat fast", 2), "a server span");
    assert_eq!((first.name.as_str(), first.kind), ("chat gpt-x", 3), "a client span");
    assert_eq!(second.name, "chat gemini-2.5-flash");
    let parent = TraceParent::parse(CALLER).unwrap();
    assert_eq!(root.parent_span_id, parent.span);
    for attempt in [first, second] {
        assert_eq!(attempt.parent_span_id, root.span_id);
    }
    assert!(spans.iter().all(|span| span.trace_id == parent.trace));
    assert_eq!(second.span_id, context.upstream(2).span, "as it was told upstream");
    assert_eq!(root.start_time_unix_nano, 1_000_000_000);
    assert_eq!(root.end_time_unix_nano, 3_000_000_000);
    assert_eq!(root.status.as_ref().unwrap().code, 0);
    assert_eq!(first.status.as_ref().unwrap().code, 2, "an error");

    let said = texts(&root.attributes);
    for (name, value) in [
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.provider.name", "gcp.gemini"),
        ("gen_ai.request.model", "fast"),
        ("gen_ai.usage.input_tokens", "120"),
        ("gen_ai.usage.cache_read.input_tokens", "100"),
        ("gen_ai.usage.output_tokens", "30"),
        ("http.response.status_code", "200"),
        ("hub.call.id", "07070707-0707-0707-0707-070707070707"),
        ("hub.outcome", "completed"),
        ("hub.time_to_first_token", "0.25"),
    ] {
        assert_eq!(said.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert!(!said.contains_key("error.type"));
    let said = texts(&first.attributes);
    assert_eq!(said["error.type"], "rate_limit");
    assert_eq!(said["server.address"], "api.openai.example");
    assert_eq!(texts(&second.attributes)["http.request.resend_count"], "1");

    tasks.stop();
    assert!(tasks.drained(Duration::from_secs(10)).await);
    assert_eq!((counts.exported.get(), counts.dropped.get()), (1, 0));
}

#[tokio::test]
async fn what_is_queued_is_sent_when_it_stops() {
    let (address, mut requests) = collector(&["200 OK"]).await;
    let (tasks, counts) = (Tasks::new(), counts());
    let long = Settings { delay: Duration::from_secs(600), ..settings(&address) };
    let traces = Traces::start(long, &tasks, counts.clone()).unwrap();
    for id in 0..20 {
        let context = traces.begin(CallId([id; 16]), None).unwrap();
        traces.finish(&context, || Call { attempts: vec![], ..call() });
    }
    tasks.stop();
    assert!(tasks.drained(Duration::from_secs(10)).await);
    let (_, spans) = spans_of(&requests.recv().await.unwrap().1);
    assert_eq!((spans.len(), counts.exported.get()), (20, 20));
    traces.finish(&traces.begin(CallId([1; 16]), None).unwrap(), call);
    assert_eq!(counts.dropped.get(), 1, "too late, and counted");
}

#[tokio::test]
async fn a_busy_collector_is_asked_again_and_a_refusal_is_counted() {
    let (address, mut requests) =
        collector(&["503 Busy\r\nretry-after: 0", "200 OK", "400 Bad Request"]).await;
    let (tasks, counts) = (Tasks::new(), counts());
    let traces = Traces::start(settings(&address), &tasks, counts.clone()).unwrap();
    let context = traces.begin(CallId([7; 16]), None).unwrap();
    traces.finish(&context, call);
    let (_, first) = requests.recv().await.unwrap();
    let (_, again) = requests.recv().await.unwrap();
    assert_eq!(first, again);
    traces.finish(&context, call);
    requests.recv().await.unwrap();
    tasks.stop();
    assert!(tasks.drained(Duration::from_secs(10)).await);
    assert_eq!((counts.exported.get(), counts.dropped.get()), (1, 1));
}

#[tokio::test]
async fn a_full_queue_drops_and_counts() {
    let (tasks, counts) = (Tasks::new(), counts());
    // a single-threaded runtime: the exporter does not run before the first await
    let traces = Traces::start(settings("http://127.0.0.1:9"), &tasks, counts.clone()).unwrap();
    let context = traces.begin(CallId([7; 16]), None).unwrap();
    for _ in 0..QUEUE + 3 {
        traces.finish(&context, || Call { attempts: vec![], ..call() });
    }
    assert_eq!(counts.dropped.get(), 3);
    tasks.stop();
}

#[test]
fn off_is_off() {
    let traces = Traces::off();
    assert!(!traces.is_on());
    assert_eq!(traces.begin(CallId([7; 16]), Some(CALLER)), None);
}

#[test]
fn traceparent() {
    let parent = TraceParent::parse(CALLER).unwrap();
    assert!(parent.sampled);
    assert_eq!(parent.to_string(), CALLER);
    for (header, valid) in [
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", true),
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", false),
        ("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", true),
        ("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false),
        ("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", false),
        ("00-00000000000000000000000000000000-b7ad6b7169203331-01", false),
        ("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", false),
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331", false),
        ("00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01", false),
        ("ä", false),
        ("", false),
    ] {
        assert_eq!(TraceParent::parse(header).is_some(), valid, "{header}");
    }
}

#[test]
fn the_caller_decides_and_else_the_share() {
    let call = CallId([9; 16]);
    let unsampled = CALLER.replace("-01", "-00");
    assert!(!Context::new(call, TraceParent::parse(&unsampled), 1.0).is_sampled());
    assert!(Context::new(call, TraceParent::parse(CALLER), 0.0).is_sampled());
    let ids = (0..10_000_u64).map(|n| {
        let mut id = [0x80; 16];
        id[8..].copy_from_slice(&n.to_be_bytes());
        CallId(id)
    });
    let ids: Vec<CallId> = ids.collect();
    for (ratio, wanted) in [(0.0, 0..=0), (0.1, 900..=1100), (1.0, 10_000..=10_000)] {
        let taken = ids.iter().filter(|id| Context::new(**id, None, ratio).is_sampled()).count();
        assert!(wanted.contains(&taken), "{ratio}: {taken}");
    }
    let root = Context::new(call, None, 1.0);
    assert!(!root.has_caller());
    assert!(Context::new(call, TraceParent::parse(CALLER), 0.0).has_caller());
    assert_eq!(root.trace(), call.0, "a call without a caller is its own trace");
    assert_ne!(root.upstream(1).span, root.upstream(2).span);
}

#[test]
fn settings_come_from_opentelemetrys_variables() {
    let read = |env: &[(&str, &str)]| {
        let env: HashMap<String, String> =
            env.iter().map(|(name, value)| (String::from(*name), String::from(*value))).collect();
        Settings::read(None, "1", |name| env.get(name).cloned())
            .map(|settings| settings.map(|settings| settings.endpoint))
            .map_err(|error| error.to_string())
    };
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/");
    for (env, wanted) in [
        (&[][..], Ok(None)),
        (&[endpoint], Ok(Some("http://c:4318/v1/traces"))),
        (&[endpoint, ("OTEL_SDK_DISABLED", "true")], Ok(None)),
        (
            &[endpoint, ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://t/x")],
            Ok(Some("https://t/x")),
        ),
        (
            &[("OTEL_EXPORTER_OTLP_ENDPOINT", "c:4318")],
            Err(
                "OTEL_EXPORTER_OTLP_ENDPOINT: \"c:4318/v1/traces\" is not an address such as http://127.0.0.1:4318",
            ),
        ),
        (
            &[endpoint, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")],
            Err("OTEL_EXPORTER_OTLP_PROTOCOL: \"grpc\" is not http/protobuf"),
        ),
        (
            &[endpoint, ("OTEL_EXPORTER_OTLP_HEADERS", "sk-secret")],
            Err("OTEL_EXPORTER_OTLP_HEADERS is not a list such as name=value,name=value"),
        ),
        (
            &[endpoint, ("OTEL_TRACES_SAMPLER_ARG", "2")],
            Err("OTEL_TRACES_SAMPLER_ARG: \"2\" is not a share from 0 to 1"),
        ),
        (
            &[endpoint, ("OTEL_EXPORTER_OTLP_TIMEOUT", "1s")],
            Err("OTEL_EXPORTER_OTLP_TIMEOUT: \"1s\" is not a number of milliseconds"),
        ),
    ] {
        let wanted = wanted.map(|found| found.map(String::from)).map_err(String::from);
        assert_eq!(read(env), wanted, "{env:?}");
    }
}

#[test]
fn tokens_are_sums_of_disjoint_meters() {
    let quantity = |meter, units| Quantity { meter, units };
    let tokens = Tokens::of(&[
        quantity(Meter::Input, 10),
        quantity(Meter::InputCached, 20),
        quantity(Meter::CacheWrite, 5),
        quantity(Meter::Output, 7),
        quantity(Meter::OutputReasoning, 3),
        quantity(Meter::Request, 1),
    ]);
    assert_eq!(tokens, Tokens { input: 35, cache_read: 20, cache_write: 5, output: 10 });
}
