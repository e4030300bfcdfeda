//! Damage on the disk is noticed and named.

use std::fs;

use runtime::log::{Error, Log};
use schemas::topics::Topic;

use super::{clock, open, read, record, texts};

#[tokio::test]
async fn names_the_damaged_block() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    let (at, beside) = (Topic::Usage.at(1), Topic::Usage.at(0));
    {
        let log = open(&path, &clock());
        for n in 0..3 {
            let batch = (0..10).map(|m| record(at, "k", &format!("{n} {m}")));
            log.append(batch.chain([record(beside, "k", "fine")]).collect()).await.unwrap();
        }
    }
    let file = rusqlite::Connection::open(&path).unwrap();
    // one bit in the middle of the second block
    let (id, mut body): (i64, Vec<u8>) = file
        .query_row(
            "SELECT id, body FROM block WHERE records = 10 ORDER BY id LIMIT 1 OFFSET 1",
            (),
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .unwrap();
    let middle = body.len() / 2;
    body[middle] ^= 4;
    file.execute("UPDATE block SET body = ?2 WHERE id = ?1", (id, &body)).unwrap();
    drop(file);

    let log = open(&path, &clock());
    let error = read(&*log, at, 0).await.unwrap_err();
    assert!(matches!(error, Error::Damaged(_)), "{error}");
    assert!(error.to_string().contains("hub.usage.v1/1: the block of offset 10"), "{error}");
    assert_eq!(read(&*log, at, 20).await.unwrap().len(), 10);
    assert_eq!(texts(&read(&*log, beside, 0).await.unwrap()), ["fine"; 3]);
}

#[tokio::test]
async fn a_block_in_the_wrong_place_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    let at = Topic::Balances.at(0);
    {
        let log = open(&path, &clock());
        log.append(vec![record(at, "k", "a"), record(at, "k", "b")]).await.unwrap();
        log.append(vec![record(at, "k", "c"), record(at, "k", "d")]).await.unwrap();
    }
    let file = rusqlite::Connection::open(&path).unwrap();
    let copied = file.execute(
        "UPDATE block SET body = (SELECT body FROM block ORDER BY id LIMIT 1)
         WHERE id = (SELECT max(id) FROM block)",
        (),
    );
    assert_eq!(copied.unwrap(), 1);
    file.execute("UPDATE latest SET place = place - 1", ()).unwrap();
    drop(file);

    let log = open(&path, &clock());
    let error = read(&*log, at, 0).await.unwrap_err();
    assert!(error.to_string().contains("hub.balances.v1/0: the block of offset 2"), "{error}");
    let error = log.latest(at).await.unwrap_err();
    assert!(matches!(error, Error::Damaged(_)), "{error}");
}

/// What a power loss can leave of the WAL: any part of its end missing or never written. Groups
/// are there wholly or not at all, in order, and all of them when nothing is missing.
#[tokio::test]
async fn a_torn_wal_loses_whole_groups_from_its_end_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    let (at, beside) = (Topic::Usage.at(1), Topic::Balances.at(0));
    let log = open(&path, &clock());
    let groups = 20;
    let mut synced = Vec::new();
    let wal = folder.path().join("log.db-wal");
    for group in 0..groups {
        let batch = (0..7).map(|n| record(at, "k", &format!("{group} {n}")));
        log.append(batch.chain([record(beside, "k", &group.to_string())]).collect()).await.unwrap();
        synced.push(fs::metadata(&wal).unwrap().len());
    }
    let (file, wal) = (fs::read(&path).unwrap(), fs::read(&wal).unwrap());
    let step = wal.len() / 40;
    for cut in (0..=wal.len()).step_by(step).chain(synced.iter().map(|end| *end as usize)) {
        for zeroed in [false, true] {
            let copy = tempfile::tempdir().unwrap();
            let path = copy.path().join("log.db");
            let mut left = wal[..cut].to_vec();
            if zeroed {
                left.resize(wal.len(), 0);
            }
            fs::write(&path, &file).unwrap();
            fs::write(copy.path().join("log.db-wal"), left).unwrap();
            let log = open(&path, &clock());
            let read = texts(&read(&*log, at, 0).await.unwrap());
            assert_eq!(read.len() % 7, 0, "a torn group at {cut}");
            let whole = read.len() / 7;
            let wanted: Vec<_> =
                (0..whole).flat_map(|group| (0..7).map(move |n| format!("{group} {n}"))).collect();
            assert_eq!(read, wanted);
            let acknowledged = synced.iter().filter(|end| **end <= cut as u64).count();
            assert!(whole >= acknowledged, "{whole} of {acknowledged} at {cut}");
            let latest = texts(&log.latest(beside).await.unwrap().records);
            assert_eq!(
                latest,
                whole.checked_sub(1).map(|n| n.to_string()).into_iter().collect::<Vec<_>>()
            );
        }
    }
}
