//! What callers see of rates, of calls at a time and of the cost of a call.

use std::sync::Arc;
use std::time::Duration;

use gateway::limits::{Measure, Rule, Scope};
use http_body_util::BodyExt as _;
use serde_json::json;
use tokio::sync::Semaphore;

use crate::rig::{Node, Provider, TOKENS, chat, log, stream, until};

async fn node(rules: Vec<Rule>) -> (Node, Provider, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let provider = Provider::start().await;
    let node = Node::start(folder.path(), &log(folder.path()), &provider, rules).await;
    (node, provider, folder)
}

fn of_team(id: &str, measure: Measure, most: i64) -> Rule {
    Rule::new(id, (Scope::Project, Some("team")), measure, most)
}

#[tokio::test]
async fn requests_beyond_the_limit_are_refused_and_told_whose_it_is_and_when_it_resets() {
    let each = Rule::new("per-key", (Scope::Key, None), Measure::Requests, 3);
    let team = of_team("team-rate", Measure::Requests, 30);
    let (node, provider, _folder) = node(vec![each, team]).await;
    for left in ["2", "1", "0"] {
        let answer = node.chat("one").await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.header("x-ratelimit-limit-requests"), "3", "the tightest, and ours");
        assert_eq!(answer.header("x-ratelimit-remaining-requests"), left);
        assert_eq!(answer.header("x-ratelimit-limit-tokens"), "");
    }
    let refused = node.chat("one").await;
    assert_eq!(refused.status, 429);
    let error = &refused.body["error"];
    assert_eq!(
        (&error["type"], &error["code"]),
        (&json!("rate_limit_error"), &json!("rate_limit_exceeded"))
    );
    let message = error["message"].as_str().unwrap();
    assert_eq!(
        message,
        "limit \"per-key\" of key \"one\": 3 requests per minute are used up; try again in 20s"
    );
    assert_eq!(refused.header("retry-after"), "20");
    assert_eq!(refused.header("x-ratelimit-remaining-requests"), "0");
    assert_eq!(refused.header("x-ratelimit-reset-requests"), "1m0s");
    let claude = json!({"model": "gpt-4o-mini", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]});
    let refused = node.ask("one", "/v1/messages", claude).await;
    assert_eq!(refused.body["error"]["type"], "rate_limit_error");
    assert_eq!(refused.header("anthropic-ratelimit-requests-limit"), "3");
    assert_eq!(refused.header("anthropic-ratelimit-requests-reset"), "2026-01-15T12:01:00Z");
    assert_eq!(refused.header("x-ratelimit-limit-requests"), "");
    assert_eq!(node.chat("two").await.status, 200, "each key by itself");
    node.clock.advance(Duration::from_secs(20));
    assert_eq!(node.chat("one").await.status, 200);
    assert_eq!(provider.asked(), 5);

    // what was used stays so under other numbers, which hold at once
    node.bound(vec![of_team("team-rate", Measure::Requests, 1)]);
    assert_eq!(node.chat("two").await.status, 429);
    node.bound(vec![of_team("team-rate", Measure::Requests, 50)]);
    assert_eq!(node.chat("two").await.status, 200);
    let scraped = node.gateway.metrics.encode();
    assert!(
        scraped.contains(r#"calls_limited_total{limit="requests_per_minute",scope="key"} 2"#),
        "{scraped}"
    );
    assert!(scraped.contains(r#"calls_refused_total{code="rate_limit_exceeded"} 3"#), "{scraped}");
}

#[tokio::test]
async fn tokens_are_taken_before_and_corrected_after_the_call() {
    let (node, provider, _folder) = node(vec![of_team("t", Measure::Tokens, 3_000)]).await;
    let used = || node.used("t", "project/team");
    let answer = node.chat("one").await;
    assert_eq!(answer.header("x-ratelimit-limit-tokens"), "3000");
    let reserved = 3_000 - answer.header("x-ratelimit-remaining-tokens").parse::<i64>().unwrap();
    assert_eq!(reserved, 200 + chat().to_string().len() as i64, "max_tokens and the body's bytes");
    assert_eq!(used(), TOKENS);

    // a stream holds its bound until it ends, and a client that leaves is charged an estimate
    provider.hold();
    let open = node.start_call("one", "/v1/chat/completions", stream()).await;
    let bound = 200 + stream().to_string().len() as i64;
    assert_eq!(used(), TOKENS + bound);
    let mut body = open.into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    let estimate = stream().to_string().len() as i64 / 4 + 5_i64.div_euclid(4) + 1;
    let left = used() - TOKENS;
    assert!((1..=estimate).contains(&left), "{left} of {estimate}");
    provider.permits.add_permits(10);

    let huge = json!({"model": "gpt-4o-mini", "max_tokens": 100_000, "messages": [{"role": "user", "content": "hi"}]});
    let refused = node.ask("one", "/v1/chat/completions", huge.clone()).await;
    assert_eq!(
        (refused.status, &refused.body["error"]["code"]),
        (429, &json!("rate_limit_exceeded"))
    );
    assert!(refused.body["error"]["message"].as_str().unwrap().contains("3000 tokens per minute"));
    node.clock.advance(Duration::from_secs(60));
    assert_eq!(
        node.ask("one", "/v1/chat/completions", huge).await.status,
        200,
        "larger than the limit"
    );
    assert_eq!(used(), TOKENS);
}

#[tokio::test]
async fn calls_at_a_time_are_counted_until_the_stream_ends_however_it_ends() {
    let (node, provider, _folder) = node(vec![of_team("c", Measure::Concurrent, 2)]).await;
    provider.hold();
    let node = Arc::new(node);
    let other = Arc::clone(&node);
    let whole = runtime::task::spawn("call", async move { other.chat("one").await });
    until(|| provider.asked() == 1).await;
    let open = node.start_call("two", "/v1/chat/completions", stream()).await;
    assert_eq!(open.status().as_u16(), 200);
    let refused = node.chat("one").await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, "1"));
    let message = refused.body["error"]["message"].as_str().unwrap();
    assert!(
        message.starts_with("limit \"c\" of project \"team\": 2 calls are in flight"),
        "{message}"
    );
    drop(open);
    assert_eq!(node.used("c", "project/team"), 1, "a client that left");
    let again = node.start_call("two", "/v1/chat/completions", stream()).await;
    provider.permits.add_permits(Semaphore::MAX_PERMITS / 2);
    let said = again.into_body().collect().await.unwrap().to_bytes();
    assert!(said.ends_with(b"data: [DONE]\n\n"));
    assert_eq!(whole.await.unwrap().status, 200);
    assert_eq!(node.used("c", "project/team"), 0);
}

#[tokio::test]
async fn a_call_that_may_cost_too_much_is_refused_before_money_is_spent() {
    let cheap = of_team("cheap", Measure::CallCost, 3_000_000);
    let (node, provider, _folder) = node(vec![cheap]).await;
    let ask = async |max: Option<i64>, model: &str| {
        let mut body = chat();
        body["model"] = json!(model);
        body["max_tokens"] = json!(max);
        node.ask("one", "/v1/chat/completions", body).await
    };
    assert_eq!(ask(Some(4_000), "gpt-4o-mini").await.status, 200);
    let refused = ask(Some(6_000), "gpt-4o-mini").await;
    assert_eq!((refused.status, &refused.body["error"]["param"]), (400, &json!("max_tokens")));
    assert_eq!(refused.body["error"]["code"], "cost_limit_exceeded");
    let message = refused.body["error"]["message"].as_str().unwrap();
    assert!(message.contains("0.003 USD at most, and this one may cost 0.0036"), "{message}");
    // without a maximum of its own it gets one, which the provider is told
    assert_eq!(ask(None, "gpt-4o-mini").await.status, 200);
    let last = provider.last.lock().unwrap().clone();
    assert_eq!(last["max_tokens"].as_i64().or(last["max_completion_tokens"].as_i64()), Some(4_096));
    let refused = ask(Some(1), "openai/unpriced").await;
    assert_eq!((refused.status, &refused.body["error"]["code"]), (403, &json!("no_price")));
    assert_eq!(provider.asked(), 2);
}
