//! The oracle must be right before it may judge others.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::time::Duration;

use e2e::fake_provider::record::read;
use e2e::fake_provider::{Behaviour, Ended, Entry, FakeProvider, Options, Script, Step};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

async fn ask(fake: &FakeProvider, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(fake.address()).await.unwrap();
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nx-client-request-id: c1\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

async fn all(mut stream: TcpStream) -> String {
    let mut out = Vec::new();
    drop(stream.read_to_end(&mut out).await);
    String::from_utf8(out).unwrap()
}

fn ends(entries: &[Entry]) -> Vec<(Ended, u32, u16)> {
    let end = |entry: &Entry| match entry {
        Entry::End(end) => Some((end.ended, end.completion, end.status)),
        Entry::Arrival(_) => None,
    };
    entries.iter().filter_map(end).collect()
}

/// Waits for the log to hold so many ends; the test's own time-out is the bound.
async fn ended(fake: &FakeProvider, count: u64) {
    loop {
        let (arrived, open) = fake.record().counts();
        if arrived - open >= count {
            return;
        }
        tokio::task::yield_now().await;
    }
}

const STREAM: &str = r#"{"model":"m","stream":true,"stream_options":{"include_usage":true},"messages":[],"metadata":{"fake":"FAKE"}}"#;

#[tokio::test]
async fn the_log_says_how_each_request_ended() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("log.jsonl");
    let options = Options { file: Some(file.clone()), ..Options::default() };
    let fake = FakeProvider::start(options).await.unwrap();

    let whole = all(ask(&fake, &STREAM.replace("FAKE", "tokens=3")).await).await;
    assert!(whole.contains("data: [DONE]"), "{whole}");
    let cut = all(ask(&fake, &STREAM.replace("FAKE", "tokens=9,cut_after=2")).await).await;
    assert!(!cut.contains("finish_reason\":\"stop"), "{cut}");
    let refused = all(ask(&fake, &STREAM.replace("FAKE", "rate_limit=7")).await).await;
    assert!(refused.contains("retry-after: 7\r\n"), "{refused}");
    let wrong = all(ask(&fake, &STREAM.replace("FAKE", "no_such_thing")).await).await;
    assert!(wrong.starts_with("HTTP/1.1 422"), "{wrong}");

    let mut leaving = ask(&fake, &STREAM.replace("FAKE", "tokens=9,stall_after=4")).await;
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("w3 ") {
        assert_ne!(leaving.read_buf(&mut seen).await.unwrap(), 0);
    }
    drop(leaving);
    ended(&fake, 5).await;

    let expected = [
        (Ended::Answered, 3, 200),
        (Ended::BrokenOff, 2, 200),
        (Ended::Answered, 0, 429),
        (Ended::Answered, 0, 422),
        (Ended::ClientClosed, 4, 200),
    ];
    assert_eq!(ends(&fake.record().entries()), expected);
    assert_eq!(read(&file).unwrap(), fake.record().entries());
}

#[tokio::test]
async fn a_raw_script_is_sent_to_the_byte_and_once() {
    let fake = FakeProvider::start(Options::default()).await.unwrap();
    let write = |bytes: &[u8]| Step::Write { bytes: bytes.to_vec(), tokens: 0 };
    fake.script(Script {
        status: 200,
        steps: vec![
            write(b"HTTP/1.1 200 "),
            Step::Pause(Duration::from_millis(1)),
            write(b"\xff\0"),
            Step::Close,
        ],
        ..Script::default()
    });
    let mut stream = ask(&fake, "{}").await;
    let mut out = Vec::new();
    stream.read_to_end(&mut out).await.unwrap();
    assert_eq!(out, b"HTTP/1.1 200 \xff\0");
    assert!(all(ask(&fake, STREAM).await).await.starts_with("HTTP/1.1 422"));
}

#[tokio::test]
async fn a_fault_marked_once_spares_the_second_try_of_a_call() {
    let fake = FakeProvider::start(Options {
        default: Behaviour::parse("503,once").unwrap(),
        ..Options::default()
    })
    .await
    .unwrap();
    let body = r#"{"model":"m","messages":[]}"#;
    assert!(all(ask(&fake, body).await).await.starts_with("HTTP/1.1 503"));
    assert!(all(ask(&fake, body).await).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_client_that_leaves_before_the_first_byte_is_billed_nothing() {
    let fake = FakeProvider::start(Options::default()).await.unwrap();
    let stream = ask(&fake, &STREAM.replace("FAKE", "stall_first")).await;
    while fake.record().counts().0 == 0 {
        tokio::task::yield_now().await;
    }
    drop(stream);
    ended(&fake, 1).await;
    assert_eq!(ends(&fake.record().entries()), [(Ended::ClientClosed, 0, 0)]);
}
