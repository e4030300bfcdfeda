//! Retention, compaction and the size of the file.

use std::fs;
use std::time::Duration;

use runtime::log::local::{LocalLog, Maintained, Options};
use runtime::log::{Ends, Error, Limit, Log};
use schemas::topics::Topic;

use super::{NOW, clock, open, read, record, texts, tombstone};

const HOUR: Duration = Duration::from_secs(60 * 60);
/// A sixth of the time that attempts are kept.
const SIXTH: Duration = Duration::from_secs(14 * 24 * 60 * 60 / 6);

#[tokio::test]
async fn retention_removes_whole_old_blocks_and_moves_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let clock = clock();
    let log = open(&folder.path().join("log.db"), &clock);
    let (at, kept) = (Topic::Attempts.at(1), Topic::Ledger.at(1));
    for round in 0..10 {
        let batch = |to| (0..5).map(move |n| record(to, "k", &format!("{round} {n}")));
        log.append(batch(at).chain(batch(kept)).collect()).await.unwrap();
        clock.advance(SIXTH);
    }
    // four are older than attempts are kept
    let done = log.maintain().await.unwrap();
    assert_eq!(done, Maintained { expired: 20, superseded: 0 });
    assert_eq!(log.ends(at).await.unwrap(), Ends { start: 20, end: 50 });
    assert_eq!(read(&*log, at, 20).await.unwrap().len(), 30);
    assert_eq!(read(&*log, kept, 0).await.unwrap().len(), 50);
    let other = open(&folder.path().join("log.db"), &clock);
    let error = read(&*other, at, 19).await.unwrap_err();
    assert!(matches!(error, Error::Removed { offset: 19, start: 20, .. }), "{error}");
    assert_eq!(log.maintain().await.unwrap(), Maintained::default());

    // all of it may go; the offsets go on
    clock.advance(SIXTH * 24);
    assert_eq!(log.maintain().await.unwrap().expired, 30);
    assert_eq!(log.ends(at).await.unwrap(), Ends { start: 50, end: 50 });
    assert_eq!(log.append(vec![record(at, "k", "new")]).await.unwrap(), [50]);
    assert_eq!(texts(&read(&*log, at, 50).await.unwrap()), ["new"]);
}

#[tokio::test]
async fn compaction_keeps_the_newest_of_each_key() {
    let folder = tempfile::tempdir().unwrap();
    let clock = clock();
    let path = folder.path().join("log.db");
    let log = open(&path, &clock);
    let at = Topic::Balances.at(1);
    for round in 0..50 {
        let batch = (0..20).map(|n| record(at, &format!("k{n:02}"), &format!("{round} {n}")));
        log.append(batch.collect()).await.unwrap();
    }
    log.append(vec![tombstone(at, "k03"), record(at, "once", "kept")]).await.unwrap();
    // younger than the grace: all of it stays
    assert_eq!(log.maintain().await.unwrap(), Maintained::default());
    assert_eq!(read(&*log, at, 0).await.unwrap().len(), 1002);

    clock.advance(HOUR * 2);
    log.append(vec![record(at, "k04", "young"), record(at, "k04", "younger")]).await.unwrap();
    let latest = log.latest(at).await.unwrap();
    let done = log.maintain().await.unwrap();
    // 18 of the last round, "once", and both young ones are left
    assert_eq!(done, Maintained { expired: 0, superseded: 1002 - 19 });
    let other = open(&path, &clock);
    let left = read(&*other, at, 0).await.unwrap();
    assert_eq!(left.len(), 21);
    assert_eq!(texts(&left[18..]), ["kept", "young", "younger"]);
    assert_eq!(other.ends(at).await.unwrap(), Ends { start: 0, end: 1004 });
    // who stands where something was removed skips it
    assert_eq!(read(&*other, at, 500).await.unwrap(), left);
    assert_eq!(read(&*other, at, left[5].offset + 1).await.unwrap(), left[6..]);
    // what counts is as it was, and where it is read
    let after = other.latest(at).await.unwrap();
    assert_eq!(after.records, latest.records);
    assert!(after.records.iter().all(|record| left.contains(record)));
    // nothing more to do, and in small pages it is the same
    assert_eq!(log.maintain().await.unwrap(), Maintained::default());
    let mut reader = other.reader(at, 0).await.unwrap();
    for wanted in &left {
        let page = reader.next(Limit { records: 1, ..NOW }).await.unwrap();
        assert_eq!(&page.records[..], std::slice::from_ref(wanted));
    }
}

#[tokio::test]
async fn a_reader_passes_over_an_end_that_was_compacted_away() {
    let folder = tempfile::tempdir().unwrap();
    let clock = clock();
    let path = folder.path().join("log.db");
    let log = open(&path, &clock);
    let at = Topic::Health.at(0);
    log.append(vec![record(at, "a", "1")]).await.unwrap();
    log.append(vec![record(at, "b", "1"), tombstone(at, "b")]).await.unwrap();
    clock.advance(HOUR * 2);
    assert_eq!(log.maintain().await.unwrap().superseded, 2);
    let log = open(&path, &clock);
    let mut reader = log.reader(at, 1).await.unwrap();
    let page = reader.next(NOW).await.unwrap();
    assert_eq!((page.records.len(), page.next, page.end), (0, 3, 3));
    log.append(vec![record(at, "c", "1")]).await.unwrap();
    assert_eq!(texts(&reader.next(NOW).await.unwrap().records), ["1"]);
}

#[tokio::test]
async fn files_do_not_grow_without_bound() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    let clock = clock();
    let options = Options { grace: Duration::ZERO, ..Options::new(2, clock.clone()) };
    let log = LocalLog::open(&path, options).unwrap();
    let value = "v".repeat(10_000);
    let sizes = || {
        ["log.db", "log.db-wal"]
            .map(|name| fs::metadata(folder.path().join(name)).map_or(0, |meta| meta.len()))
    };
    let mut peak = [0, 0];
    for round in 0..30 {
        for _ in 0..4 {
            let batch = |to| (0..40).map(move |n| (to, format!("{n}")));
            let batch = batch(Topic::Balances.at(0)).chain(batch(Topic::Attempts.at(0)));
            let batch = batch.map(|(to, key)| record(to, &key, &value)).collect();
            log.append(batch).await.unwrap();
        }
        clock.advance(SIXTH * 3);
        log.maintain().await.unwrap();
        if round < 5 {
            peak = sizes();
        }
    }
    let [file, wal] = sizes();
    // 144 MB were written; a few rounds of it are kept
    assert!(file <= peak[0] + (4 << 20), "{file} after {peak:?}");
    assert!(wal < 48 << 20, "{wal} after {peak:?}");
}
