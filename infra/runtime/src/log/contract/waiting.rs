//! Readers that wait, are woken, are dropped or are slow.

use std::time::{Duration, Instant};

use futures::poll;
use schemas::topics::Topic;

use super::{ALL, AWAIT, Fixture, LONG, drain, record, records, text, texts};
use crate::log::Limit;

/// A reader that waits at the end gets what is appended then.
pub async fn wakes_a_waiting_reader(fixture: &dyn Fixture) {
    let log = fixture.open().await;
    let at = Topic::Usage.at(0);
    let mut reader = log.reader(at, 0).await.unwrap();
    for n in 0..20 {
        let mut next = reader.next(AWAIT);
        assert!(poll!(&mut next).is_pending());
        let (page, _) = tokio::join!(next, async {
            log.append(vec![record(at, "k", &n.to_string())]).await.unwrap()
        });
        assert_eq!(texts(&page.unwrap().records), [n.to_string()]);
    }
}

/// So does a reader of another handle.
pub async fn wakes_a_reader_of_another_handle(fixture: &dyn Fixture) {
    let (one, two) = (fixture.open().await, fixture.open().await);
    let at = Topic::Usage.at(0);
    let mut reader = two.reader(at, 0).await.unwrap();
    let began = Instant::now();
    for n in 0..20 {
        let mut next = reader.next(AWAIT);
        assert!(poll!(&mut next).is_pending());
        let (page, _) = tokio::join!(next, async {
            one.append(vec![record(at, "k", &n.to_string())]).await.unwrap()
        });
        assert_eq!(texts(&page.unwrap().records), [n.to_string()]);
    }
    // none of them by waiting for the time to be up
    assert!(began.elapsed() < LONG);
}

/// What comes to another partition does not end a wait.
pub async fn wakes_only_that_partition(fixture: &dyn Fixture) {
    let log = fixture.open().await;
    let (at, other) = (Topic::Usage.at(0), Topic::Usage.at(1));
    let mut reader = log.reader(at, 0).await.unwrap();
    let mut next = reader.next(AWAIT);
    for n in 0..5 {
        assert!(poll!(&mut next).is_pending());
        log.append(vec![record(other, "k", &n.to_string())]).await.unwrap();
    }
    assert!(poll!(&mut next).is_pending());
    log.append(vec![record(at, "k", "mine")]).await.unwrap();
    assert_eq!(texts(&next.await.unwrap().records), ["mine"]);
}

/// A wait ends when its time is up, with an empty page.
pub async fn waits_no_longer_than_told(fixture: &dyn Fixture) {
    let log = fixture.open().await;
    let at = Topic::Usage.at(0);
    log.append(records(at, "r", 0..3)).await.unwrap();
    let (_, end) = drain(&*log, at, 0, ALL).await;
    let mut reader = log.reader(at, end).await.unwrap();
    let began = Instant::now();
    let wait = Duration::from_millis(100);
    let page = reader.next(Limit { wait, ..ALL }).await.unwrap();
    assert!(page.records.is_empty());
    assert_eq!((page.next, page.end), (end, end));
    assert!((wait..LONG).contains(&began.elapsed()));
}

/// A read that is dropped, at whatever point, takes nothing away.
pub async fn survives_a_dropped_read(fixture: &dyn Fixture) {
    let log = fixture.open().await;
    let at = Topic::Usage.at(0);
    let mut reader = log.reader(at, 0).await.unwrap();
    let one = Limit { records: 1, ..AWAIT };
    let mut seen = Vec::new();
    for n in 0..30 {
        // dropped while it waits
        assert!(poll!(reader.next(one)).is_pending());
        log.append(records(at, "r", n * 2..n * 2 + 2)).await.unwrap();
        // dropped while it reads, if it has not read yet
        for polls in 0..3 {
            let mut next = reader.next(one);
            for _ in 0..polls {
                if let std::task::Poll::Ready(page) = poll!(&mut next) {
                    seen.extend(page.unwrap().records.iter().map(text));
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        while seen.len() < n * 2 + 2 {
            seen.extend(reader.next(one).await.unwrap().records.iter().map(text));
        }
    }
    assert_eq!(seen, (0..60).map(|n| format!("r {n}")).collect::<Vec<_>>());
}

/// A reader that lags holds nobody up and misses nothing.
pub async fn serves_a_slow_reader(fixture: &dyn Fixture) {
    let log = fixture.open().await;
    let at = Topic::Usage.at(0);
    let mut slow = log.reader(at, 0).await.unwrap();
    let mut fast = log.reader(at, 0).await.unwrap();
    let (mut slowly, mut quickly) = (Vec::new(), Vec::new());
    for batch in 0..40 {
        log.append(records(at, "r", batch * 25..batch * 25 + 25)).await.unwrap();
        let page = slow.next(Limit { records: 1, ..AWAIT }).await.unwrap();
        slowly.extend(texts(&page.records));
        while quickly.len() < (batch + 1) * 25 {
            quickly.extend(texts(&fast.next(AWAIT).await.unwrap().records));
        }
    }
    assert_eq!(slowly.len(), 40);
    while slowly.len() < 1000 {
        slowly.extend(texts(&slow.next(AWAIT).await.unwrap().records));
    }
    assert_eq!(slowly, quickly);
    assert_eq!(slowly, (0..1000).map(|n| format!("r {n}")).collect::<Vec<_>>());
}

/// What is acknowledged to one handle is read by another without waiting.
pub async fn sees_at_once_what_another_handle_appended(fixture: &dyn Fixture) {
    let (one, two) = (fixture.open().await, fixture.open().await);
    let at = Topic::Credits.at(0);
    let mut reader = two.reader(at, 0).await.unwrap();
    for n in 0..20 {
        let offsets = one.append(vec![record(at, "k", &n.to_string())]).await.unwrap();
        assert!(two.ends(at).await.unwrap().end > *offsets.first().unwrap());
        assert_eq!(texts(&reader.next(AWAIT).await.unwrap().records), [n.to_string()]);
    }
}
