//! Each part of an attempt has its time.

use std::time::Duration;

use gateway::error::Kind;
use gateway::providers::Deadlines;
use gateway::routing::Plan;
use schemas::event::{AttemptError, Outcome};
use tokio::time::Instant;

use crate::rig::{CHAT, Rig, STREAM, deadlines, next, rest, target_at};
use crate::scripted::{HELLO, Provider, ROLE, Step, chunk, stream_head};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn only(provider: &Provider, scheme: &str, deadlines: Deadlines) -> Plan {
    let base = format!("{scheme}://{}/v1", provider.address);
    Plan::of(vec![target_at("openai", &base, deadlines)])
}

#[tokio::test(start_paused = true)]
async fn every_wait_has_an_end() {
    let silent = || vec![Step::UntilHangup];
    let queued = || {
        let mut script = vec![stream_head(), chunk(ROLE)];
        script.extend((0..40).flat_map(|_| [Step::Pause(seconds(1)), chunk(": keep-alive\n\n")]));
        script
    };
    let half = || {
        vec![Step::Write("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{".into()), Step::UntilHangup]
    };
    let all = deadlines();
    for (name, body, script, scheme, limits, after, error) in [
        // the other end takes the connection and never speaks TLS
        ("connect", STREAM, silent(), "https", all, 5, AttemptError::Connect),
        ("first byte", STREAM, silent(), "http", all, 30, AttemptError::FirstByteTimeout),
        // signs of life are no content
        ("queued", STREAM, queued(), "http", all, 30, AttemptError::FirstByteTimeout),
        ("whole", CHAT, silent(), "http", all, 300, AttemptError::TotalTimeout),
        ("half", CHAT, half(), "http", all, 20, AttemptError::IdleTimeout),
        (
            "total",
            STREAM,
            silent(),
            "http",
            Deadlines { total: seconds(10), ..all },
            10,
            AttemptError::TotalTimeout,
        ),
    ] {
        let provider = Provider::start(vec![script]).await;
        let mut rig = Rig::new();
        let start = Instant::now();
        let failed = rig.start(body, only(&provider, scheme, limits)).await.unwrap_err();
        assert_eq!(start.elapsed().as_secs(), after, "{name}");
        let kind = if error == AttemptError::Connect {
            Kind::ProviderFailed
        } else {
            Kind::ProviderTimeout
        };
        assert_eq!(failed.kind, kind, "{name}");
        let (outcome, _, _, errors) = rig.story().await;
        assert_eq!((outcome, errors), (Outcome::Failed, vec![error]), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_falls_silent_or_takes_too_long_is_truncated() {
    let mut slow = vec![stream_head()];
    slow.extend((0..100).flat_map(|_| [chunk(HELLO), Step::Pause(seconds(19))]));
    let silent = vec![stream_head(), chunk(HELLO), Step::UntilHangup];
    for (script, after, error) in
        [(silent, 20, AttemptError::IdleTimeout), (slow, 300, AttemptError::TotalTimeout)]
    {
        let provider = Provider::start(vec![script]).await;
        let mut rig = Rig::new();
        let start = Instant::now();
        let response = rig.start(STREAM, only(&provider, "http", deadlines())).await.unwrap();
        let body = rest(response.into_body()).await;
        assert!(body.contains("\"code\":\"truncated\""), "{body}");
        assert_eq!(start.elapsed().as_secs(), after);
        assert_eq!(rig.story().await.3, [error]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_client_is_not_the_providers_silence() {
    let script =
        vec![stream_head(), chunk(HELLO), Step::Pause(seconds(5)), chunk(HELLO), Step::UntilHangup];
    let provider = Provider::start(vec![script]).await;
    let mut rig = Rig::new();
    let mut body =
        rig.start(STREAM, only(&provider, "http", deadlines())).await.unwrap().into_body();
    for _ in 0..2 {
        assert!(next(&mut body).await.unwrap().contains("hello"));
        tokio::time::sleep(seconds(60)).await;
    }
    let start = Instant::now();
    // a client that waits is told that the stream lives
    assert_eq!(next(&mut body).await.unwrap(), ": keep-alive\n\n");
    assert_eq!(start.elapsed().as_secs(), 15);
    assert!(next(&mut body).await.unwrap().contains("fell silent"));
    assert_eq!(start.elapsed().as_secs(), 20);
}
