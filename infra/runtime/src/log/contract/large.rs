//! Large records.

use bytes::Bytes;
use schemas::topics::Topic;

use super::{ALL, Fixture, drain, everything, record};
use crate::log::{Limit, NewRecord, Outgoing};

/// A value of 1 MB goes through whole, between small ones.
pub async fn takes_a_megabyte(fixture: &dyn Fixture) {
    let log = fixture.open().await;
    let at = Topic::Dead.at(0);
    let value: Bytes = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
    let large = NewRecord { key: "k".into(), value: Some(value.clone()), headers: Vec::new() };
    let large = Outgoing { to: at, record: large };
    log.append(vec![record(at, "k", "before"), large, record(at, "k", "after")]).await.unwrap();
    let read = everything(&*fixture.open().await, at).await;
    assert_eq!(read.len(), 3);
    assert_eq!(read.get(1).unwrap().value.as_ref(), Some(&value));
    assert_eq!(super::text(read.get(2).unwrap()), "after");
}

/// More than one page or block holds, read in small pages.
pub async fn takes_many_megabytes(fixture: &dyn Fixture) {
    let log = fixture.open().await;
    let at = Topic::Usage.at(1);
    let value = "x".repeat(10_000);
    for _ in 0..10 {
        log.append((0..80).map(|_| record(at, "k", &value)).collect()).await.unwrap();
    }
    let limit = Limit { bytes: 100_000, ..ALL };
    let (read, _) = drain(&*log, at, 0, limit).await;
    assert_eq!(read.len(), 800);
    assert!(read.iter().all(|record| record.value.as_deref() == Some(value.as_bytes())));
}
