//! Compacted topics: the newest record of each key.

use schemas::topics::Topic;

use super::{AWAIT, Fixture, drain, everything, record, text, texts};
use crate::log::{NewRecord, Outgoing, Step, WriterId};

fn tombstone(key: &str) -> Outgoing {
    let record = NewRecord { key: key.to_owned().into(), value: None, headers: Vec::new() };
    Outgoing { to: Topic::Balances.at(0), record }
}

/// The newest record of each key, whole, ordered by key.
pub async fn latest_is_the_newest_of_each_key(fixture: &dyn Fixture) {
    let log = fixture.open().await;
    let (at, beside) = (Topic::Balances.at(0), Topic::Balances.at(1));
    let empty = log.latest(at).await.unwrap();
    assert!(empty.records.is_empty());
    for round in 0..5 {
        let batch = (0..100).rev().map(|n| record(at, &format!("k{n:03}"), &round.to_string()));
        log.append(batch.collect()).await.unwrap();
        log.append(vec![record(beside, "k000", "beside")]).await.unwrap();
    }
    // twice in one batch: the last one counts
    log.append(vec![record(at, "k007", "a"), record(at, "k007", "b")]).await.unwrap();
    let latest = log.latest(at).await.unwrap();
    let keys: Vec<_> = (0..100).map(|n| format!("k{n:03}")).collect();
    assert!(latest.records.iter().map(|r| &r.key[..]).eq(keys.iter().map(|key| key.as_bytes())));
    for record in &latest.records {
        assert_eq!(text(record), if &record.key[..] == b"k007" { "b" } else { "4" });
    }
    // they are the very records that a reader gets
    let all = everything(&*fixture.open().await, at).await;
    assert!(latest.records.iter().all(|record| all.contains(record)));
    assert_eq!(texts(&log.latest(beside).await.unwrap().records), ["beside"]);
}

/// A tombstone removes its key until a newer record brings it back.
pub async fn latest_leaves_out_tombstones(fixture: &dyn Fixture) {
    let log = fixture.open().await;
    let at = Topic::Balances.at(0);
    log.append(vec![record(at, "a", "1"), record(at, "b", "1"), tombstone("a")]).await.unwrap();
    log.append(vec![tombstone("unknown"), tombstone("b"), record(at, "b", "2")]).await.unwrap();
    let latest = log.latest(at).await.unwrap();
    assert_eq!(texts(&latest.records), ["2"]);
    // an empty value is a value
    log.append(vec![record(at, "a", "")]).await.unwrap();
    assert_eq!(texts(&log.latest(at).await.unwrap().records), ["", "2"]);
}

/// Reading on from `next` gives what came after, and nothing is missed in between.
pub async fn latest_goes_on_with_a_reader(fixture: &dyn Fixture) {
    let log = fixture.open().await;
    let at = Topic::Health.at(0);
    log.append(vec![record(at, "a", "1"), record(at, "b", "1")]).await.unwrap();
    let latest = log.latest(at).await.unwrap();
    let mut reader = log.reader(at, latest.next).await.unwrap();
    log.append(vec![record(at, "a", "2")]).await.unwrap();
    assert_eq!(texts(&reader.next(AWAIT).await.unwrap().records), ["2"]);
    assert_eq!(texts(&drain(&*log, at, latest.next, super::ALL).await.0), ["2"]);
}

/// State that another handle's step committed is there at once, and what was refused is not.
pub async fn latest_sees_steps_of_other_handles(fixture: &dyn Fixture) {
    let (one, two) = (fixture.open().await, fixture.open().await);
    let at = Topic::State.at(1);
    let id = WriterId("w".to_owned());
    let step = |value: &str| Step { outputs: vec![record(at, "s", value)], inputs: Vec::new() };
    let mut old = one.writer(id.clone()).await.unwrap();
    old.commit(step("1")).await.unwrap();
    assert_eq!(texts(&two.latest(at).await.unwrap().records), ["1"]);
    let mut new = two.writer(id).await.unwrap();
    old.commit(step("zombie")).await.unwrap_err();
    assert_eq!(texts(&one.latest(at).await.unwrap().records), ["1"]);
    new.commit(step("2")).await.unwrap();
    assert_eq!(texts(&one.latest(at).await.unwrap().records), ["2"]);
}
