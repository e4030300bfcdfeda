//! Several gateways and one log.

use std::time::Duration;

use gateway::limits::{Measure, Period, Rule, Scope};

use crate::rig::{COST, Node, Provider, TOKENS, log, stream, until};

fn of_team(id: &str, measure: Measure, most: i64) -> Rule {
    Rule::new(id, (Scope::Project, Some("team")), measure, most)
}

/// What is let through beyond a limit is at most what the others let through that was not known
/// yet: here, as many calls as each takes between two publications.
#[tokio::test]
async fn gateways_share_a_limit_up_to_what_is_not_published_yet() {
    const BATCH: i64 = 3;
    let most = 24;
    for rule in [
        of_team("r", Measure::Requests, most),
        of_team("t", Measure::Tokens, most * TOKENS),
        of_team("b", Measure::Spend(Period::Month), most * COST),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (log, provider) = (log(folder.path()), Provider::start().await);
        let mut nodes = Vec::new();
        for _ in 0..2 {
            nodes.push(Node::start(folder.path(), &log, &provider, vec![rule.clone()]).await);
        }
        let (mut served, mut refused) = (0, [false; 2]);
        while refused != [true; 2] {
            for (node, refused) in nodes.iter_mut().zip(&mut refused) {
                for _ in 0..BATCH {
                    match node.chat("one").await.status {
                        200 => served += 1,
                        429 => *refused = true,
                        other => panic!("{other}"),
                    }
                }
            }
            for node in &mut nodes {
                node.publisher.publish(true).await;
            }
            // each has heard the other
            let per_call = match rule.measure {
                Measure::Tokens => TOKENS,
                Measure::Spend(_) => COST,
                _ => 1,
            };
            let all = (served * per_call).min(rule.most);
            until(|| nodes.iter().all(|node| node.used(rule.id(), "project/team") >= all)).await;
        }
        assert!(served <= most + BATCH, "{:?}: {served}", rule.measure);
        // of tokens and money the bound of a call must fit, not what it uses
        assert!(served >= most - 2, "{:?}: {served}", rule.measure);
    }
}

#[tokio::test]
async fn calls_in_flight_elsewhere_count_until_that_gateway_is_silent_for_long() {
    let folder = tempfile::tempdir().unwrap();
    let (log, provider) = (log(folder.path()), Provider::start().await);
    provider.hold();
    let rules = || vec![of_team("c", Measure::Concurrent, 1)];
    let mut one = Node::start(folder.path(), &log, &provider, rules()).await;
    let two = Node::start(folder.path(), &log, &provider, rules()).await;
    let open = one.start_call("one", "/v1/chat/completions", stream()).await;
    one.publisher.publish(false).await;
    let used = || two.used("c", "project/team");
    // a counter is there from the first record on, and known by name from the first call on
    until(|| used() == 1).await;
    assert_eq!(two.chat("one").await.status, 429);
    drop(open);
    one.publisher.publish(false).await;
    until(|| used() == 0).await;
    let again = one.start_call("one", "/v1/chat/completions", stream()).await;
    one.publisher.publish(false).await;
    until(|| used() == 1).await;
    two.clock.advance(Duration::from_secs(11));
    provider.permits.add_permits(100);
    let mut two = two;
    two.publisher.publish(false).await;
    assert_eq!(two.chat("one").await.status, 200, "who is silent is dead");
    drop(again);
}

/// What says nothing any more is taken back, so that the topic holds no more than what is in use.
#[tokio::test]
async fn what_is_over_is_taken_out_of_the_topic() {
    let folder = tempfile::tempdir().unwrap();
    let (log, provider) = (log(folder.path()), Provider::start().await);
    let rules = || {
        vec![
            of_team("r", Measure::Requests, 10),
            of_team("d", Measure::Spend(Period::Day), 1_000 * COST),
        ]
    };
    let mut dead = Node::start(folder.path(), &log, &provider, rules()).await;
    dead.chat("one").await;
    dead.publisher.publish(true).await;
    let mut node = Node::start(folder.path(), &log, &provider, rules()).await;
    node.chat("one").await;
    node.publisher.publish(true).await;
    let records = async || {
        let mut keys = Vec::new();
        for partition in 0..2 {
            let latest = log.latest(schemas::topics::Topic::Limits.at(partition)).await.unwrap();
            let key =
                |record: &runtime::log::Record| String::from_utf8(record.key.to_vec()).unwrap();
            keys.extend(latest.records.iter().map(key));
        }
        keys
    };
    // of each: requests, spent, held, and that it is there
    assert_eq!(records().await.len(), 8);
    dead.stop().await;
    node.clock.advance(Duration::from_secs(32 * 24 * 60 * 60));
    node.publisher.sweep();
    node.publisher.publish(false).await;
    let left = records().await;
    assert!(left.iter().all(|key| key.starts_with("gateway\nalive")), "{left:?}");
    assert_eq!(node.used("r", "project/team"), 0);
}
