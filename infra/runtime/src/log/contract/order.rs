//! Order, pages and positions.

use bytes::Bytes;
use schemas::topics::Topic;

use super::{
    ALL, AWAIT, Fixture, LONG, drain, everything, read_error, record, records, texts, values,
};
use crate::log::{Error, Header, Limit, NewRecord, Offset, Outgoing};

/// Records of a partition come back in the order they were appended in, whatever went between.
pub async fn keeps_order_per_partition(fixture: &dyn Fixture) {
    let log = fixture.open().await;
    let (a, b) = (Topic::Usage.at(0), Topic::Usage.at(1));
    let mut wanted = Vec::new();
    for batch in 0..20 {
        let mixed = records(a, "a", batch * 10..batch * 10 + 10)
            .into_iter()
            .zip(records(b, "b", batch * 10..batch * 10 + 10))
            .flat_map(|(a, b)| [a, b])
            .collect();
        let offsets = log.append(mixed).await.unwrap();
        wanted.extend(offsets);
    }
    for (at, name, odd) in [(a, "a", 0), (b, "b", 1)] {
        let read = everything(&*log, at).await;
        let names: Vec<_> = (0..200).map(|n| format!("{name} {n}")).collect();
        assert_eq!(texts(&read), names);
        let offsets: Vec<Offset> = wanted.iter().copied().skip(odd).step_by(2).collect();
        assert_eq!(read.iter().map(|r| r.offset).collect::<Vec<_>>(), offsets);
    }
}

/// Key, value, headers and tombstones are as they were; empty is not the same as none.
pub async fn keeps_everything_of_a_record(fixture: &dyn Fixture) {
    let log = fixture.open().await;
    let at = Topic::Attempts.at(0);
    let header = |name, value: &'static [u8]| Header { name, value: Bytes::from_static(value) };
    let sent = [
        NewRecord::default(),
        NewRecord { key: Bytes::from_static(b"\0\xff"), value: None, headers: Vec::new() },
        NewRecord {
            key: Bytes::from_static(b"k"),
            value: Some(Bytes::new()),
            headers: vec![header("seq", b""), header("seq", b"\x01"), header("origin", b"\xff\0")],
        },
    ];
    let outgoing = sent.iter().cloned().map(|record| Outgoing { to: at, record }).collect();
    log.append(outgoing).await.unwrap();
    let read = everything(&*log, at).await;
    assert_eq!(read.len(), sent.len());
    for (read, sent) in read.iter().zip(&sent) {
        assert_eq!((&read.key, &read.value), (&sent.key, &sent.value));
        let headers = read.headers.iter().map(|(name, value)| (name.as_str(), value));
        assert!(headers.eq(sent.headers.iter().map(|h| (h.name, &h.value))));
    }
}

/// Appending nothing is fine.
pub async fn takes_nothing(fixture: &dyn Fixture) {
    let log = fixture.open().await;
    assert_eq!(log.append(Vec::new()).await.unwrap(), Vec::<Offset>::new());
    assert!(everything(&*log, Topic::Usage.at(0)).await.is_empty());
}

/// Two handles append at once: nothing is lost or doubled, and each keeps its own order.
pub async fn interleaves_two_writers(fixture: &dyn Fixture) {
    let (one, two) = (fixture.open().await, fixture.open().await);
    let at = Topic::Usage.at(1);
    let write = async |log: &dyn crate::log::Log, name: &str| {
        for batch in 0..50 {
            log.append(records(at, name, batch * 3..batch * 3 + 3)).await.unwrap();
        }
    };
    tokio::join!(write(&*one, "one"), write(&*two, "two"));
    let (seen, again) = (values(&*one, at).await, values(&*two, at).await);
    assert_eq!(seen, again);
    assert_eq!(seen.len(), 300);
    for name in ["one", "two"] {
        let own: Vec<_> = seen.iter().filter(|value| value.starts_with(name)).cloned().collect();
        assert_eq!(own, (0..150).map(|n| format!("{name} {n}")).collect::<Vec<_>>());
    }
}

/// Reading again, by another handle and in pages of another size, gives the same to the byte.
pub async fn replays_the_same(fixture: &dyn Fixture) {
    let log = fixture.open().await;
    let at = Topic::Ledger.at(0);
    for batch in 0..10 {
        log.append(records(at, "r", batch * 37..batch * 37 + 37)).await.unwrap();
    }
    let first = everything(&*log, at).await;
    let other = fixture.open().await;
    for page in [1, 7, 100] {
        let limit = Limit { records: page, ..ALL };
        assert_eq!(drain(&*other, at, 0, limit).await.0, first);
    }
}

/// A page stops at its limits, but has at least one record if there is one.
pub async fn pages_keep_to_their_limits(fixture: &dyn Fixture) {
    let log = fixture.open().await;
    let at = Topic::Usage.at(0);
    let value = "v".repeat(1000);
    log.append((0..50).map(|_| record(at, "k", &value)).collect()).await.unwrap();
    for (records, bytes, least, most) in
        [(1, 1 << 20, 1, 1), (7, 1 << 20, 7, 7), (100, 1, 1, 1), (100, 5000, 4, 5), (0, 0, 1, 1)]
    {
        let mut reader = log.reader(at, 0).await.unwrap();
        let limit = Limit { records, bytes, wait: LONG };
        let page = reader.next(limit).await.unwrap();
        let count = page.records.len();
        assert!((least..=most).contains(&count), "{limit:?} gave {count}");
        assert_eq!(page.next, page.records.last().unwrap().offset + 1);
    }
}

/// A reader starts at any offset, and goes on from `next`.
pub async fn starts_anywhere(fixture: &dyn Fixture) {
    let log = fixture.open().await;
    let at = Topic::Usage.at(0);
    for batch in 0..5 {
        log.append(records(at, "r", batch * 10..batch * 10 + 10)).await.unwrap();
    }
    let all = everything(&*log, at).await;
    for skip in [0, 1, 9, 10, 11, 25, 49] {
        let from = all.get(skip).unwrap().offset;
        let mut reader = log.reader(at, from).await.unwrap();
        let page = reader.next(Limit { records: 4, ..AWAIT }).await.unwrap();
        let got = page.records.len();
        assert!((1..=4).contains(&got), "{got} records");
        assert!(page.records.iter().eq(all.iter().skip(skip).take(got)), "from {from}");
        let (rest, _) = drain(&*log, at, page.next, ALL).await;
        assert!(rest.iter().eq(all.iter().skip(skip + got)), "on from {}", page.next);
    }
}

/// A partition that is not there is refused by everything that names one.
pub async fn refuses_a_wrong_partition(fixture: &dyn Fixture) {
    let log = fixture.open().await;
    let wrong = Topic::Usage.at(log.partitions(Topic::Usage));
    let refused = |error: Option<Error>| {
        assert!(matches!(error, Some(Error::NoPartition(at, _)) if at == wrong))
    };
    refused(log.append(vec![record(wrong, "k", "v")]).await.err());
    refused(log.ends(wrong).await.err());
    refused(Some(read_error(&*log, wrong, 0).await));
    // the good record beside it must not be taken alone by a step
    let mut writer = log.writer(crate::log::WriterId("w".to_owned())).await.unwrap();
    let good = Topic::Usage.at(0);
    let outputs = vec![record(good, "k", "v"), record(wrong, "k", "v")];
    let step = crate::log::Step { outputs, inputs: Vec::new() };
    refused(writer.commit(step).await.err());
    assert!(values(&*log, good).await.is_empty());
    // topics that are not partitioned have one
    assert_eq!(log.partitions(Topic::Control), 1);
    assert!(log.ends(Topic::Control.at(1)).await.is_err());
}

/// The ends move with what is appended; the lag of a page is the way to the end.
pub async fn knows_its_ends(fixture: &dyn Fixture) {
    let log = fixture.open().await;
    let at = Topic::Credits.at(1);
    let empty = log.ends(at).await.unwrap();
    assert_eq!(empty.start, empty.end);
    let offsets = log.append(records(at, "r", 0..10)).await.unwrap();
    let ends = fixture.open().await.ends(at).await.unwrap();
    assert_eq!(ends.start, empty.start);
    assert!(ends.end > *offsets.last().unwrap());
    let mut reader = log.reader(at, ends.start).await.unwrap();
    let page = reader.next(Limit { records: 4, ..AWAIT }).await.unwrap();
    assert_eq!(page.records.len(), 4);
    assert!(page.end - page.next >= 6);
}
