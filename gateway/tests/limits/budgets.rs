//! What callers see of budgets, and what a restart leaves of them.

use std::time::Duration;

use gateway::limits::{Measure, Period, Rule, Scope};
use serde_json::json;

use crate::rig::{COST, Node, Provider, chat, log, until};

/// The most that the small chat can cost: its bytes as tokens, and 200 tokens of output.
fn most() -> i64 {
    chat().to_string().len() as i64 * 150 + 200 * 600
}

fn budget(id: &str, period: Period, amount: i64) -> Rule {
    Rule::new(id, (Scope::Account, Some("acme")), Measure::Spend(period), amount)
}

#[tokio::test]
async fn a_hard_budget_refuses_what_does_not_fit_and_a_soft_one_counts() {
    let folder = tempfile::tempdir().unwrap();
    let (log, provider) = (log(folder.path()), Provider::start().await);
    let (day, soft) =
        (budget("day", Period::Day, 2 * COST + most()), budget("soft", Period::Month, 1));
    let node = Node::start(folder.path(), &log, &provider, vec![day, soft.hard(false)]).await;
    for served in 1..=3 {
        let answer = node.chat("one").await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(node.used("day", "account/acme"), served * COST);
    }
    let refused = node.chat("two").await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, "43200"));
    let error = &refused.body["error"];
    assert_eq!(
        (&error["code"], &error["type"]),
        (&json!("insufficient_quota"), &json!("insufficient_quota"))
    );
    assert_eq!(refused.header("x-should-retry"), "false");
    let message = error["message"].as_str().unwrap();
    assert!(message.starts_with("budget \"day\" of account \"acme\": of "), "{message}");
    assert!(message.ends_with("it resets at 2026-01-16T00:00:00Z"), "{message}");
    assert_eq!(node.used("soft", "account/acme"), 3 * COST);
    assert_eq!(provider.asked(), 3);
    node.clock.advance(Duration::from_secs(12 * 60 * 60));
    assert_eq!(node.chat("one").await.status, 200);
    assert_eq!(node.used("day", "account/acme"), COST);
    assert_eq!(node.used("soft", "account/acme"), 4 * COST);
}

#[tokio::test]
async fn a_budget_survives_a_restart_and_what_a_dead_gateway_held_counts() {
    let folder = tempfile::tempdir().unwrap();
    let (log, provider) = (log(folder.path()), Provider::start().await);
    let rules = || vec![budget("month", Period::Month, 3 * COST + most())];
    let mut node = Node::start(folder.path(), &log, &provider, rules()).await;
    assert_eq!(node.chat("one").await.status, 200);
    node.publisher.publish(false).await;
    // the same again, and what is in flight
    provider.hold();
    let open = node.start_call("one", "/v1/chat/completions", crate::rig::stream()).await;
    node.publisher.publish(false).await;
    let held = node.used("month", "account/acme") - COST;
    assert!(held > 0);

    // killed: nothing more is said; a new process reads what was
    let next = Node::start(folder.path(), &log, &provider, rules()).await;
    assert_eq!(next.used("month", "account/acme"), COST + held);
    provider.permits.add_permits(100);
    assert_eq!(next.chat("one").await.status, 200);
    assert_eq!(next.used("month", "account/acme"), 2 * COST + held);

    // the old one ends properly after all
    drop(open);
    node.publisher.publish(false).await;
    until(|| next.used("month", "account/acme") < 2 * COST + held).await;
    let refused = loop {
        let answer = next.chat("one").await;
        if answer.status != 200 {
            break answer;
        }
    };
    assert_eq!(refused.body["error"]["code"], "insufficient_quota");
    node.stop().await;
    next.stop().await;
}
