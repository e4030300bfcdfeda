//! Failures before and after the first content.

use std::time::Duration;

use gateway::error::Kind;
use gateway::routing::Plan;
use schemas::event::{AttemptError, Outcome};
use tokio::time::Instant;

use crate::rig::{CHAT, Rig, STREAM, deadlines, next, plan, rest, target, target_at};
use crate::scripted::{
    ANSWER, DONE, FINISH, HELLO, Provider, ROLE, Step, chunk, end, shown, stream_head, whole,
};

const IN_STREAM: &str = "data: {\"error\":{\"message\":\"boom\",\"type\":\"server_error\",\"code\":null,\"param\":null}}\n\n";

fn good() -> Vec<Step> {
    vec![stream_head(), chunk(&[ROLE, HELLO, FINISH, DONE].concat()), end()]
}

#[tokio::test(start_paused = true)]
async fn failover_until_the_first_content() {
    let json = |body: &str| vec![whole("200 OK", "", body)];
    for (script, error) in [
        (vec![Step::Close], AttemptError::Broken),
        (vec![stream_head(), chunk(": wait\n\n"), chunk(ROLE), Step::Close], AttemptError::Broken),
        (vec![stream_head(), chunk(ROLE), end()], AttemptError::Broken),
        (vec![stream_head(), chunk(ROLE), chunk(IN_STREAM), end()], AttemptError::Server),
        (vec![stream_head(), chunk("data: {not json\n\n"), end()], AttemptError::Malformed),
        (vec![stream_head(), chunk("<html></html>"), end()], AttemptError::Broken),
        (vec![whole("502 Bad Gateway", "", "<html></html>")], AttemptError::Server),
        (
            vec![whole("429 Too Many Requests", "retry-after: 60\r\n", "{}")],
            AttemptError::RateLimit,
        ),
        (
            vec![whole(
                "429 Too Many Requests",
                "retry-after: 0\r\n",
                r#"{"error":{"type":"insufficient_quota"}}"#,
            )],
            AttemptError::Credit,
        ),
        (vec![whole("401 Unauthorized", "", "{}")], AttemptError::Auth),
        (vec![whole("404 Not Found", "", "{}")], AttemptError::NotFound),
        // a request for a stream that is answered with a document
        (
            json(r#"{"code":"The service is currently unavailable","error":"later"}"#),
            AttemptError::Server,
        ),
        (json(ANSWER), AttemptError::Malformed),
        (vec![Step::Write("garbage\r\n\r\n".into()), Step::Close], AttemptError::Broken),
    ] {
        let first = Provider::start(vec![script.clone()]).await;
        let second = Provider::start(vec![good()]).await;
        let mut rig = Rig::new();
        let response = rig.start(STREAM, plan(&[&first, &second])).await.unwrap();
        assert_eq!(response.headers()["x-hub-attempts"], "2", "{script:?}");
        let route = format!("only; openai={}", error.as_str());
        assert_eq!(response.headers()["x-hub-route"], route, "{script:?}");
        let wanted = [&shown(ROLE), &shown(HELLO), &shown(FINISH), DONE].concat();
        assert_eq!(rest(response.into_body()).await, wanted, "{script:?}");
        let story = rig.story().await;
        assert_eq!(
            story,
            (Outcome::Completed, None, 200, vec![error, AttemptError::None]),
            "{script:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn whole_answers_that_are_none_go_to_the_next_target() {
    for (body, error) in [
        ("", AttemptError::Malformed),
        ("{", AttemptError::Malformed),
        ("{}", AttemptError::Malformed),
        ("[]", AttemptError::Malformed),
        (r#"{"error":{"code":503,"message":"down"}}"#, AttemptError::Overload),
        (
            r#"{"choices":[{"index":0,"message":{"role":"assistant","content":""},"finish_reason":null,"error":{"code":502}}]}"#,
            AttemptError::Server,
        ),
    ] {
        let first = Provider::start(vec![vec![whole("200 OK", "", body)]]).await;
        let second = Provider::start(vec![vec![whole("200 OK", "", ANSWER)]]).await;
        let mut rig = Rig::new();
        let response = rig.start(CHAT, plan(&[&first, &second])).await.unwrap();
        assert_eq!(rest(response.into_body()).await, ANSWER, "{body}");
        assert_eq!(rig.story().await.3, [error, AttemptError::None], "{body}");
    }
    // larger than the limit of the rig, and cut off
    let large = format!("{{\"x\":\"{}\"}}", "x".repeat(2 << 20));
    let cut = Step::Write("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"choices\"".into());
    for (script, error) in [
        (vec![whole("200 OK", "", &large)], AttemptError::Malformed),
        (vec![cut, Step::Close], AttemptError::Broken),
    ] {
        let first = Provider::start(vec![script]).await;
        let second = Provider::start(vec![vec![whole("200 OK", "", ANSWER)]]).await;
        let mut rig = Rig::new();
        rig.start(CHAT, plan(&[&first, &second])).await.unwrap();
        assert_eq!(rig.story().await.3, [error, AttemptError::None]);
    }
}

#[tokio::test(start_paused = true)]
async fn no_retry_after_content() {
    for (tail, error, last) in [
        (vec![Step::Close], AttemptError::Broken, "broke the stream off"),
        (vec![end()], AttemptError::Broken, "broke the stream off"),
        (vec![chunk(FINISH), end()], AttemptError::Broken, "broke the stream off"),
        (vec![chunk("data: {not json\n\n")], AttemptError::Malformed, "can't be read"),
        (vec![chunk(IN_STREAM), end()], AttemptError::Server, "boom"),
        (vec![chunk(&[HELLO, IN_STREAM].concat()), end()], AttemptError::Server, "boom"),
    ] {
        // once with the failure in a later read, once in the read of the content
        for together in [false, true] {
            let mut script = vec![stream_head(), chunk(&[ROLE, HELLO].concat())];
            script.extend(tail.clone());
            if together {
                let texts = script.iter().map(|step| match step {
                    Step::Write(text) => text.as_str(),
                    _ => "",
                });
                let closes = matches!(script.last(), Some(Step::Close));
                script = vec![Step::Write(texts.collect())];
                script.extend(closes.then_some(Step::Close));
            }
            let first = Provider::start(vec![script.clone()]).await;
            let mut second = Provider::start(vec![good()]).await;
            let mut rig = Rig::new();
            let response = rig.start(STREAM, plan(&[&first, &second])).await.unwrap();
            let body = rest(response.into_body()).await;
            assert!(body.starts_with(&[shown(ROLE), shown(HELLO)].concat()), "{script:?}: {body}");
            let frame =
                body.trim_end().rsplit("\n\n").next().unwrap().strip_prefix("data: ").unwrap();
            let frame: serde_json::Value = serde_json::from_str(frame).unwrap();
            assert!(
                frame["error"]["message"].as_str().unwrap().contains(last),
                "{script:?}: {frame}"
            );
            assert!(!body.contains("[DONE]") && !body.contains("\"stop\""), "{script:?}: {body}");
            assert_eq!(second.rest(), [], "{script:?}");
            let (usages, attempts) = rig.events().await;
            assert_eq!(usages[0].outcome, Outcome::Truncated, "{script:?}");
            assert_eq!(usages[0].error.as_deref(), Some("truncated"));
            assert_eq!(attempts.len(), 1);
            assert_eq!(attempts[0].error, error, "{script:?}");
            let [charge] = usages[0].charges.as_slice() else { panic!() };
            assert!(charge.estimated);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_honoured() {
    let busy = |wait: &str| {
        vec![whole("429 Too Many Requests", &format!("retry-after: {wait}\r\n"), "{}")]
    };
    // soon: the same target, even where there is another
    let first = Provider::start(vec![busy("0.8"), vec![whole("200 OK", "", ANSWER)]]).await;
    let mut second = Provider::start(vec![]).await;
    let mut rig = Rig::new();
    let start = Instant::now();
    rig.start(CHAT, plan(&[&first, &second])).await.unwrap();
    assert_eq!(start.elapsed().as_millis(), 800);
    assert_eq!(second.rest(), []);
    assert_eq!(rig.story().await.3, [AttemptError::RateLimit, AttemptError::None]);

    // twice only
    let script = vec![busy("0.5"), busy("0.5"), busy("0.5"), vec![whole("200 OK", "", ANSWER)]];
    let first = Provider::start(script).await;
    let mut rig = Rig::new();
    let error = rig.start(CHAT, plan(&[&first])).await.unwrap_err();
    assert_eq!(error.kind, Kind::ProviderBusy);
    assert_eq!(error.retry_after, Some(Duration::from_millis(500)));
    let story = rig.story().await;
    assert_eq!(
        story,
        (Outcome::Failed, Some("provider_busy".into()), 429, vec![AttemptError::RateLimit; 3])
    );

    // too long: told to the caller, not waited for
    let first = Provider::start(vec![busy("40")]).await;
    let mut rig = Rig::new();
    let start = Instant::now();
    let error = rig.start(CHAT, plan(&[&first])).await.unwrap_err();
    assert_eq!(
        (error.kind, error.retry_after),
        (Kind::ProviderBusy, Some(Duration::from_secs(40)))
    );
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_is_the_callers_fault_is_passed_on() {
    let body = r#"{"error":{"message":"no such parameter","type":"invalid_request_error","param":"x","code":"unsupported_parameter"}}"#;
    let first = Provider::start(vec![vec![whole("422 Unprocessable Entity", "", body)]]).await;
    let mut second = Provider::start(vec![]).await;
    let mut rig = Rig::new();
    let error = rig.start(STREAM, plan(&[&first, &second])).await.unwrap_err();
    assert_eq!(error.kind, Kind::ProviderRefused);
    let passed = error.passed.unwrap();
    assert_eq!((passed.status, &passed.body[..]), (422, body.as_bytes()));
    assert_eq!(second.rest(), []);
    let story = rig.story().await;
    assert_eq!(
        story,
        (Outcome::Failed, Some("provider_refused".into()), 422, vec![AttemptError::Caller])
    );
}

#[tokio::test(start_paused = true)]
async fn a_target_that_cannot_do_it_is_passed_over() {
    let first = Provider::start(vec![]).await;
    let second = Provider::start(vec![vec![whole("200 OK", "", ANSWER)]]).await;
    let body = CHAT.replace("{\"model\"", "{\"search_parameters\":{},\"model\"");
    let mut rig = Rig::new();
    let targets = vec![target("xai", &first), target("openai", &second)];
    let response = rig.start(&body, Plan::of(targets)).await.unwrap();
    assert_eq!(response.headers()["x-hub-attempts"], "1");
    rig.story().await;

    let mut rig = Rig::new();
    let error = rig.start(&body, Plan::of(vec![target("xai", &first)])).await.unwrap_err();
    assert_eq!(
        (error.kind, error.field.as_deref()),
        (Kind::UnsupportedField, Some("search_parameters"))
    );
    assert_eq!(rig.story().await, (Outcome::Failed, Some("unsupported_field".into()), 400, vec![]));
}

#[tokio::test(start_paused = true)]
async fn nothing_there_is_a_failed_connection() {
    let closed = Provider::start(vec![]).await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let second = Provider::start(vec![good()]).await;
    let mut rig = Rig::new();
    let nowhere = target_at("openai", &format!("http://{address}/v1"), deadlines());
    let targets = vec![nowhere, target("openai", &closed), target("openai", &second)];
    let mut body = rig.start(STREAM, Plan::of(targets)).await.unwrap().into_body();
    while next(&mut body).await.is_some() {}
    let errors = rig.story().await.3;
    assert_eq!(errors, [AttemptError::Connect, AttemptError::Broken, AttemptError::None]);
}

/// Of Ollama's models only itself knows which can call tools.
#[tokio::test(start_paused = true)]
async fn what_a_model_lacks_another_may_have() {
    let tools = r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":"f"}}],"stream":true}"#;
    let script = || vec![whole("400 Bad Request", "", r#"{"error":"m does not support tools"}"#)];
    let first = Provider::start(vec![script()]).await;
    let second = Provider::start(vec![good()]).await;
    let targets = vec![target("ollama", &first), target("openai", &second)];
    let mut rig = Rig::new();
    let response = rig.start(tools, Plan { targets }).await.unwrap();
    assert!(rest(response.into_body()).await.ends_with(DONE));
    let attempts = vec![AttemptError::Caller, AttemptError::None];
    assert_eq!(rig.story().await, (Outcome::Completed, None, 200, attempts));
    // where there is no other, the caller is told what it said
    let alone = Provider::start(vec![script()]).await;
    let mut rig = Rig::new();
    let error =
        rig.start(tools, Plan { targets: vec![target("ollama", &alone)] }).await.unwrap_err();
    assert_eq!(error.kind, Kind::ProviderRefused);
    assert!(error.told().contains("does not support tools"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_input_that_is_too_long_goes_to_a_larger_model_and_hurts_nobody() {
    let too_long = r#"{"error":{"message":"This model's maximum context length is 8192 tokens.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#;
    let refused = || vec![whole("400 Bad Request", "", too_long)];
    let small = Provider::start(vec![refused()]).await;
    let mut same = Provider::start(vec![]).await;
    let large = Provider::start(vec![vec![whole("200 OK", "", ANSWER)]]).await;
    let mut sized = plan(&[&small, &same, &large]);
    for (planned, context) in sized.targets.iter_mut().zip([8_192, 8_192, 128_000]) {
        planned.context = Some(context);
    }
    let mut rig = Rig::new();
    let response = rig.start(CHAT, sized).await.unwrap();
    assert_eq!(response.headers()["x-hub-attempts"], "2");
    assert_eq!(same.rest(), [], "one that is no larger is not asked");
    assert_eq!(rig.story().await.3, [AttemptError::Caller, AttemptError::None]);

    // nobody takes more: the provider's own words
    let small = Provider::start(vec![refused()]).await;
    let mut rig = Rig::new();
    let error = rig.start(CHAT, plan(&[&small])).await.unwrap_err();
    assert_eq!(error.kind, Kind::ProviderRefused);
    assert!(error.told().contains("maximum context length"), "{error}");
}
