//! Answers that go well, slow clients, and clients that leave.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use gateway::config::UpstreamConfig;
use gateway::usage::{Durability, Shipper};
use runtime::task::{self, CancellationToken};
use schemas::event::{AttemptError, Outcome};
use tokio::sync::Notify;

use crate::log::MemoryLog;
use crate::rig::{CHAT, Rig, STREAM, next, plan, rest};
use crate::scripted::{
    ANSWER, DONE, FINISH, HELLO, Provider, ROLE, Seen, Step, USAGE, chunk, end, shown, stream_head,
    whole,
};

#[tokio::test(start_paused = true)]
async fn a_stream_is_relayed_in_the_providers_own_bytes() {
    let good = || {
        vec![
            stream_head(),
            chunk(": wait\r\n\r\n"),
            chunk(ROLE),
            chunk(HELLO),
            chunk(&[HELLO, FINISH, USAGE, DONE].concat()),
            end(),
        ]
    };
    let mut provider = Provider::start(vec![good(), good()]).await;
    let mut rig = Rig::new();
    let response = rig.start(STREAM, plan(&[&provider])).await.unwrap();
    let headers = response.headers().clone();
    assert_eq!(headers["content-type"], "text/event-stream");
    assert_eq!(headers["x-hub-upstream-request-id"], "req-1");
    assert_eq!(headers["x-hub-target"], "openai/gpt-4o-mini");
    assert_eq!(headers["x-hub-attempts"], "1");
    assert_eq!(headers["x-hub-route"], "only");
    assert_eq!(headers.len(), 6);
    let wanted =
        [": wait\r\n\r\n", &shown(ROLE), &shown(HELLO), &shown(HELLO), &shown(FINISH), DONE]
            .concat();
    assert_eq!(rest(response.into_body()).await, wanted);

    // asked for, usage is shown as it came
    let asked = STREAM
        .replace("\"stream\":true", "\"stream\":true,\"stream_options\":{\"include_usage\":true}");
    let response = rig.start(&asked, plan(&[&provider])).await.unwrap();
    let wanted = [": wait\r\n\r\n", ROLE, HELLO, HELLO, FINISH, USAGE, DONE].concat();
    assert_eq!(rest(response.into_body()).await, wanted);

    let Seen::Request { connection: 0, head, body } = provider.next().await else { panic!() };
    assert!(head.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{head}");
    for line in [
        format!("host: {}", provider.address),
        "authorization: Bearer secret".into(),
        "accept: text/event-stream".into(),
        "accept-encoding: identity".into(),
        format!("user-agent: hub/{}", env!("CARGO_PKG_VERSION")),
        format!("x-client-request-id: {}", headers["x-hub-call"].to_str().unwrap()),
    ] {
        assert!(head.contains(&format!("{line}\r\n")), "{line} in {head}");
    }
    assert_eq!(head.lines().count(), 2 + 8, "{head}");
    assert_eq!(body, asked);
    // the connection was kept
    let Seen::Request { connection: 0, body, .. } = provider.next().await else { panic!() };
    assert_eq!(body, asked);

    let (usages, attempts) = rig.events().await;
    for usage in &usages {
        assert_eq!((usage.outcome, usage.status, usage.attempts), (Outcome::Completed, 200, 1));
        let [charge] = usage.charges.as_slice() else { panic!() };
        assert!(!charge.estimated);
        let units: Vec<i64> = charge.quantities.iter().map(|quantity| quantity.units).collect();
        assert_eq!(units, [9, 5]);
        assert!(usage.ttft_us.is_some());
    }
    assert!(attempts.iter().all(|attempt| attempt.error == AttemptError::None
        && attempt.status == 200
        && attempt.ttft_us.is_some()));
}

#[tokio::test(start_paused = true)]
async fn a_whole_answer_is_settled_before_its_first_byte() {
    let provider = Provider::start(vec![vec![whole("200 OK", "", ANSWER)]]).await;
    let mut rig = Rig::new();
    let response = rig.start(CHAT, plan(&[&provider])).await.unwrap();
    assert_eq!(rig.outbox.stats().live, 0);
    assert_eq!(rest(response.into_body()).await, ANSWER);
    assert_eq!(rig.story().await, (Outcome::Completed, None, 200, vec![AttemptError::None]));
}

/// However many reads an answer takes, it is whole.
#[tokio::test(start_paused = true)]
async fn a_whole_answer_in_many_reads_is_all_of_it() {
    for reads in 1..8 {
        let Step::Write(answer) = whole("200 OK", "", ANSWER) else { panic!() };
        let size = answer.len().div_ceil(reads);
        let pieces = answer.as_bytes().chunks(size);
        let pieces = pieces.map(|piece| Step::Write(String::from_utf8(piece.to_vec()).unwrap()));
        let script =
            pieces.flat_map(|piece| [piece, Step::Pause(Duration::from_secs(1))]).collect();
        let provider = Provider::start(vec![script]).await;
        let mut rig = Rig::new();
        let response = rig.start(CHAT, plan(&[&provider])).await.unwrap();
        assert_eq!(rest(response.into_body()).await, ANSWER, "{reads} reads");
    }
}

#[tokio::test(start_paused = true)]
async fn the_terminal_frame_is_held_until_settled() {
    let gate = Arc::new(Notify::new());
    let script = vec![
        stream_head(),
        chunk(&[ROLE, HELLO, FINISH, USAGE].concat()),
        Step::Gate(Arc::clone(&gate)),
        chunk(DONE),
        end(),
    ];
    let provider = Provider::start(vec![script]).await;
    let mut rig = Rig::new();
    let mut body = rig.start(STREAM, plan(&[&provider])).await.unwrap().into_body();
    assert_eq!(next(&mut body).await.unwrap(), [shown(ROLE), shown(HELLO)].concat());
    // the finish reason is there, but the call is not settled
    assert_eq!(next(&mut body).now_or_never(), None);
    assert_eq!(rig.outbox.stats().live, 1);
    gate.notify_one();
    assert_eq!(next(&mut body).await.unwrap(), [&shown(FINISH), DONE].concat());
    assert_eq!(rig.outbox.stats().live, 0);
    assert_eq!(next(&mut body).await, None);
    assert_eq!(rig.story().await.0, Outcome::Completed);
}

#[tokio::test]
async fn with_durability_host_the_last_bytes_wait_for_the_disk() {
    let streamed = vec![stream_head(), chunk(&[HELLO, FINISH, DONE].concat()), end()];
    let provider = Provider::start(vec![vec![whole("200 OK", "", ANSWER)], streamed]).await;
    let mut rig = Rig::with(Durability::Host, UpstreamConfig::default());
    let mut fixed = rig.start(CHAT, plan(&[&provider])).await.unwrap().into_body();
    let mut stream = rig.start(STREAM, plan(&[&provider])).await.unwrap().into_body();
    assert_eq!(next(&mut fixed).now_or_never(), None);
    assert_eq!(next(&mut stream).now_or_never(), None);
    assert_eq!(rig.outbox.stats().live, 0);
    let token = CancellationToken::new();
    let shipper = Shipper::new(Arc::clone(&rig.outbox));
    let running =
        task::spawn("shipper", shipper.run(Arc::new(MemoryLog::default()), token.clone()));
    assert_eq!(rest(fixed).await, ANSWER);
    assert_eq!(rest(stream).await, [&shown(HELLO), &shown(FINISH), DONE].concat());
    token.cancel();
    running.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn back_pressure() {
    // three times what sockets and buffers between may hold
    let frame = HELLO.replace("hello wo", &"x".repeat(8 << 10));
    let provider = Provider::start(vec![vec![
        stream_head(),
        Step::Flood(format!("{:x}\r\n{frame}\r\n", frame.len())),
    ]])
    .await;
    let mut rig = Rig::new();
    let mut body = rig.start(STREAM, plan(&[&provider])).await.unwrap().into_body();
    next(&mut body).await.unwrap();
    // paused time moves when nothing else can: the flood has come to a stop
    tokio::time::sleep(Duration::from_secs(1)).await;
    let stopped = provider.flooded();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(provider.flooded(), stopped);
    assert!(stopped < 24 << 20, "{stopped}");
    // the client was slow, not the provider: the stream goes on
    for _ in 0..10_000 {
        assert!(!next(&mut body).await.unwrap().contains("error"));
        if provider.flooded() > stopped {
            return;
        }
    }
    panic!("the provider was not let go on");
}

#[tokio::test(start_paused = true)]
async fn hang_up_cancels() {
    for after_content in [false, true] {
        let script = match after_content {
            false => vec![stream_head(), chunk(ROLE), Step::UntilHangup],
            true => vec![stream_head(), chunk(ROLE), chunk(HELLO), Step::UntilHangup],
        };
        let mut provider = Provider::start(vec![script]).await;
        let mut rig = Rig::new();
        let call = rig.future(STREAM, plan(&[&provider]));
        if after_content {
            let mut body = call.await.unwrap().into_body();
            next(&mut body).await.unwrap();
            provider.body().await;
            drop(body);
        } else {
            let call = task::spawn("call", call);
            provider.body().await;
            call.abort();
            assert!(call.await.unwrap_err().is_cancelled());
        }
        assert_eq!(rig.outbox.stats().live, 0);
        assert_eq!(provider.next().await, Seen::HungUp { connection: 0 });
        let (usages, attempts) = rig.events().await;
        assert_eq!(usages[0].outcome, Outcome::Cancelled);
        assert_eq!(attempts[0].error, AttemptError::Cancelled);
        let charges: Vec<(bool, i64)> = usages[0]
            .charges
            .iter()
            .map(|charge| (charge.estimated, charge.quantities.last().unwrap().units))
            .collect();
        // eight bytes were delivered; nothing is owed for what was not
        let wanted: &[(bool, i64)] = if after_content { &[(true, 2)] } else { &[] };
        assert_eq!(charges, wanted);
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_was_closed_for_being_idle_is_no_failure() {
    let answer = || whole("200 OK", "", ANSWER);
    // the second is closed when the next request arrives on it, the first as soon as it is idle
    let scripts =
        vec![vec![answer(), Step::Close], vec![answer()], vec![Step::Close], vec![answer()]];
    let mut provider = Provider::start(scripts).await;
    let mut rig = Rig::new();
    for _ in 0..3 {
        let response = rig.start(CHAT, plan(&[&provider])).await.unwrap();
        assert_eq!(rest(response.into_body()).await, ANSWER);
        // lets the provider's close arrive
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let connections: Vec<usize> = provider
        .rest()
        .into_iter()
        .filter_map(|seen| match seen {
            Seen::Request { connection, .. } => Some(connection),
            Seen::HungUp { .. } => None,
        })
        .collect();
    assert_eq!(connections, [0, 1, 1, 2]);
    let (usages, attempts) = rig.events().await;
    assert!(usages.iter().all(|usage| usage.outcome == Outcome::Completed));
    let errors: Vec<_> = attempts.iter().map(|attempt| attempt.error).collect();
    assert_eq!(
        errors,
        [AttemptError::None, AttemptError::None, AttemptError::Broken, AttemptError::None]
    );
}
