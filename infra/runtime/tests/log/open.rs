//! Opening, refusing and being replaced.

use std::fs;
use std::time::Instant;

use runtime::clock::{Clock, Micros};
use runtime::log::local::{LocalLog, Options};
use runtime::log::{Error, Limit, Log, Step, WriterId};
use schemas::topics::Topic;

use super::{LONG, NOW, clock, open, read, record, texts};

#[tokio::test]
async fn refuses_another_partition_count() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    drop(open(&path, &clock()));
    let error = LocalLog::open(&path, Options::new(3, clock())).unwrap_err();
    assert!(matches!(error, Error::Partitions { found: 2, wanted: 3, .. }), "{error}");
    for none in [0, 1_000_000] {
        let error = LocalLog::open(&path, Options::new(none, clock())).unwrap_err();
        assert!(error.to_string().contains("1 to 1024"), "{error}");
    }
    assert_eq!(open(&path, &clock()).partitions(Topic::Usage), 2);
}

#[tokio::test]
async fn refuses_what_is_not_a_log() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    fs::write(&path, "plainly not a database, but long enough to have had a header".repeat(20))
        .unwrap();
    let error = LocalLog::open(&path, Options::new(2, clock())).unwrap_err();
    assert!(matches!(error, Error::Damaged(_)), "{error}");

    let path = folder.path().join("other.db");
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE mine (id INTEGER)").unwrap();
    let error = LocalLog::open(&path, Options::new(2, clock())).unwrap_err();
    assert!(error.to_string().contains("another application"), "{error}");

    let error = LocalLog::open(&folder.path().join("no/folder"), Options::new(2, clock()));
    assert!(matches!(error, Err(Error::Unavailable(_))));
}

#[tokio::test]
async fn refuses_what_is_too_large() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    let options = Options { record_bytes: 1000, step_bytes: 2500, ..Options::new(2, clock()) };
    let log = LocalLog::open(&path, options).unwrap();
    let at = Topic::Usage.at(0);
    let error = log.append(vec![record(at, "k", "v"), record(at, "k", &"v".repeat(1000))]).await;
    assert!(matches!(error, Err(Error::TooLarge { size: 1001, limit: 1000 })), "{error:?}");
    let mut writer = log.writer(WriterId("w".to_owned())).await.unwrap();
    let outputs = (0..3).map(|_| record(at, "k", &"v".repeat(900))).collect();
    let error = writer.commit(Step { outputs, inputs: Vec::new() }).await;
    assert!(matches!(error, Err(Error::TooLarge { size: 2703, limit: 2500 })), "{error:?}");
    assert!(read(&*log, at, 0).await.unwrap().is_empty());
    log.append(vec![record(at, "k", &"v".repeat(999))]).await.unwrap();
}

#[tokio::test]
async fn time_never_falls() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    let at = Topic::Usage.at(0);
    let mut times = Vec::new();
    // over a reopen, and with two handles whose clocks disagree
    for now in [50, 70, 60, 10, 80] {
        let log = open(&path, &Clock::manual(Micros(now)));
        log.append(vec![record(at, "k", "v")]).await.unwrap();
        times = read(&*log, at, 0).await.unwrap().iter().map(|record| record.at.0).collect();
    }
    assert_eq!(times, [50, 70, 70, 70, 80]);
}

#[tokio::test]
async fn sees_without_waiting_what_is_acknowledged_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    let (one, two) = (open(&path, &clock()), open(&path, &clock()));
    let at = Topic::Usage.at(0);
    let mut reader = two.reader(at, 0).await.unwrap();
    for n in 0..50 {
        one.append(vec![record(at, "k", &n.to_string())]).await.unwrap();
        let page = reader.next(NOW).await.unwrap();
        assert_eq!(texts(&page.records), [n.to_string()]);
    }
}

#[tokio::test]
async fn the_local_log_never_takes_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    let at = Topic::Usage.at(0);
    let old = open(&path, &clock());
    old.append(vec![record(at, "k", "before")]).await.unwrap();
    let mut reader = old.reader(at, 1).await.unwrap();
    for entry in fs::read_dir(folder.path()).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    let new = open(&path, &clock());
    assert_ne!(old.id(Topic::Usage), new.id(Topic::Usage));
    // what the old handle took would be lost with it, so it takes nothing
    for _ in 0..2 {
        let error = old.append(vec![record(at, "k", "after")]).await.unwrap_err();
        assert!(error.to_string().contains("was replaced"), "{error}");
    }
    let error = reader.next(NOW).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error}");
    old.ends(at).await.unwrap_err();
    // and the new one is not touched; a position of the old one is past its end
    assert!(read(&*new, at, 0).await.unwrap().is_empty());
    let limit = Limit { wait: LONG, ..NOW };
    let error = new.reader(at, 1).await.unwrap().next(limit).await.unwrap_err();
    assert!(matches!(error, Error::PastEnd { offset: 1, end: 0, .. }), "{error}");
}

#[tokio::test]
async fn a_reader_that_waits_notices_that_the_file_was_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    let log = open(&path, &clock());
    let mut reader = log.reader(Topic::Usage.at(0), 0).await.unwrap();
    let next = reader.next(Limit { wait: LONG, ..NOW });
    tokio::pin!(next);
    assert!(futures::poll!(&mut next).is_pending());
    for entry in fs::read_dir(folder.path()).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    let began = Instant::now();
    let error = next.await.unwrap_err();
    assert!(began.elapsed() < LONG);
    assert!(error.to_string().contains("removed or replaced"), "{error}");
}
