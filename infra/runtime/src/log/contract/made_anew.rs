//! A log that was made anew is another log.

use std::collections::HashSet;

use schemas::topics::Topic;

use super::{Fixture, read_error, records, values};
use crate::log::{Error, Log};

fn ids(log: &dyn Log) -> Vec<String> {
    Topic::ALL.into_iter().map(|topic| log.id(topic).to_string()).collect()
}

/// Topics have the same id for every handle and after a reopen, and another one when made anew.
pub async fn has_one_id_per_making(fixture: &dyn Fixture) {
    let first = ids(&*fixture.open().await);
    let again = ids(&*fixture.open().await);
    assert_eq!(first, again);
    fixture.remake().await;
    let second = ids(&*fixture.open().await);
    let all: HashSet<_> = first.iter().chain(&second).collect();
    assert_eq!(all.len(), Topic::ALL.len() * 2, "{first:?} {second:?}");
}

/// A position past the end says so instead of waiting for ever: the log was cut or made anew.
pub async fn stops_past_the_end(fixture: &dyn Fixture) {
    let at = Topic::Usage.at(0);
    let next = {
        let log = fixture.open().await;
        log.append(records(at, "r", 0..10)).await.unwrap();
        log.ends(at).await.unwrap().end
    };
    fixture.remake().await;
    let log = fixture.open().await;
    assert!(values(&*log, at).await.is_empty());
    log.append(records(at, "new", 0..2)).await.unwrap();
    let error = read_error(&*log, at, next).await;
    assert!(
        matches!(error, Error::PastEnd { partition, offset, end }
            if partition == at && offset == next && end < next),
        "{error}"
    );
    assert_eq!(values(&*log, at).await, ["new 0", "new 1"]);
}
