//! Memory of the child while large things pass through it.

use bytes::Bytes;
use futures::StreamExt as _;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hub::embedded::clickhouse::{Role, State};
use hyper::body::Frame;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use crate::harness::Hub;

/// A figure of /proc/PID/status, in MiB.
fn memory(hub: &Hub, name: &str) -> u64 {
    let State::Serving(pid) = *hub.supervisor.state().borrow() else { panic!("not serving") };
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_matches(|c: char| !c.is_ascii_digit()).parse::<u64>().unwrap() / 1024
}

fn request(hub: &Hub, query: &str) -> http::request::Builder {
    let uri = format!("{}/?query={query}", hub.supervisor.url());
    Request::builder()
        .method(Method::POST)
        .uri(uri)
        .header("x-clickhouse-user", "hub")
        .header("x-clickhouse-key", hub.password(Role::Writer))
}

/// 1.2 GB out and 400 MB in: the peak must stay far below either.
#[tokio::test(flavor = "multi_thread")]
async fn large_answers_and_bodies_pass_in_bounded_memory() {
    let hub = Hub::start().await;
    hub.good(Role::Writer, "CREATE TABLE hub.t (a UInt64, b String) ENGINE = Null").await;
    let idle = memory(&hub, "VmRSS:");
    let query = "SELECT+repeat('x',100),number+FROM+numbers(10000000)+FORMAT+RowBinary";
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let response =
        client.request(request(&hub, query).body(Full::default()).unwrap()).await.unwrap();
    let mut body = response.into_body();
    let mut read = 0;
    while let Some(frame) = body.frame().await {
        read += frame.unwrap().data_ref().map_or(0, Bytes::len);
    }
    assert_eq!(read, 10_000_000 * (101 + 8));
    let after_out = memory(&hub, "VmHWM:");

    let piece: Bytes = b"7,\"0123456789012345678901234567\"\n".repeat(32_768).into();
    let pieces = 380_u64;
    let sent = futures::stream::iter(0..pieces)
        .map(move |_| Ok::<_, std::io::Error>(Frame::data(piece.clone())));
    let client = Client::builder(TokioExecutor::new()).build_http();
    let insert = request(&hub, "INSERT+INTO+hub.t+FORMAT+CSV").body(StreamBody::new(sent)).unwrap();
    let response = client.request(insert).await.unwrap();
    let summary =
        response.headers().get("x-clickhouse-summary").unwrap().to_str().unwrap().to_owned();
    assert!(summary.contains(&format!("\"written_rows\":\"{}\"", pieces * 32_768)), "{summary}");
    let after_in = memory(&hub, "VmHWM:");
    println!(
        "child: {idle} MiB idle, peak {after_out} MiB after 1.1 GB out, {after_in} MiB after 0.4 GB in"
    );
    assert!(after_out < idle + 300, "{idle} MiB idle, {after_out} MiB at the peak of an answer");
    assert!(after_in < idle + 700, "{idle} MiB idle, {after_in} MiB at the peak of an insert");
    hub.stop().await;
}

/// A client that goes away frees its place and its query ends.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_stops_its_query() {
    let hub = Hub::start().await;
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    for _ in 0..20 {
        let query = "SELECT+number+FROM+system.numbers+FORMAT+RowBinary";
        let response =
            client.request(request(&hub, query).body(Full::default()).unwrap()).await.unwrap();
        let mut body = response.into_body();
        assert!(body.frame().await.unwrap().is_ok());
    }
    // Silent ones too: nothing is read from them before they are dropped.
    for _ in 0..3 {
        let query = "SELECT+count()+FROM+system.numbers";
        let silent = client.request(request(&hub, query).body(Full::default()).unwrap());
        let seen = async { while hub.good(Role::Writer, RUNNING).await == "0" {} };
        tokio::select! {
            answer = silent => panic!("an endless query answered: {answer:?}"),
            () = seen => {}
        }
    }
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(120);
    while hub.good(Role::Writer, RUNNING).await != "0" {
        assert!(std::time::Instant::now() < deadline, "queries without a client still run");
    }
    hub.stop().await;
}

/// Endless queries that the engine still runs.
const RUNNING: &str = "SELECT count() FROM system.processes WHERE query LIKE '%system.numbers%' AND query NOT LIKE '%processes%'";

/// More requests than threads wait for their turn, and none is lost.
#[tokio::test(flavor = "multi_thread")]
async fn many_requests_at_once() {
    let hub = Hub::start().await;
    let all = (0..100).map(|number| {
        let hub = &hub;
        async move { (number, hub.good(Role::Reader, &format!("SELECT {number}")).await) }
    });
    for (number, answer) in futures::future::join_all(all).await {
        assert_eq!(answer, number.to_string());
    }
    hub.stop().await;
}
