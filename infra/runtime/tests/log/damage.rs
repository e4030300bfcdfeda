//! Damage on the disk is noticed and named.

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
            log.append(batch.chain([record(beside, "k", "fine")]).collect())
                .await
                .unwrap();
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
    file.execute("UPDATE block SET body = ?2 WHERE id = ?1", (id, &body))
        .unwrap();
    drop(file);

    let log = open(&path, &clock());
    let error = read(&*log, at, 0).await.unwrap_err();
    assert!(matches!(error, Error::Damaged(_)), "{error}");
    assert!(
        error
            .to_string()
            .contains("hub.usage.v1/1: the block of offset 10"),
        "{error}"
    );
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
        log.append(vec![record(at, "k", "a"), record(at, "k", "b")])
            .await
            .unwrap();
        log.append(vec![record(at, "k", "c"), record(at, "k", "d")])
            .await
            .unwrap();
    }
    let file = rusqlite::Connection::open(&path).unwrap();
    let copied = file.execute(
        "UPDATE block SET body = (SELECT body FROM block ORDER BY id LIMIT 1)
         WHERE id = (SELECT max(id) FROM block)",
        (),
    );
    assert_eq!(copied.unwrap(), 1);
    file.execute("UPDATE latest SET place = place - 1", ())
        .unwrap();
    drop(file);

    let log = open(&path, &clock());
    let error = read(&*log, at, 0).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("hub.balances.v1/0: the block of offset 2"),
        "{error}"
    );
    let error = log.latest(at).await.unwrap_err();
    assert!(matches!(error, Error::Damaged(_)), "{error}");
}
