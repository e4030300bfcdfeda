//! The `clickhouse` crate with its defaults: RowBinaryWithNamesAndTypes in LZ4 blocks, the schema fetched before an insert.

use clickhouse::Row;
use hub::embedded::clickhouse::Role;
use serde::{Deserialize, Serialize};

use crate::harness::Hub;

#[derive(Row, Serialize, Deserialize, PartialEq, Debug, Clone)]
struct Call {
    id: u64,
    model: String,
    cost: i128,
    cached: Option<u32>,
    tags: Vec<String>,
}

fn call(id: u64) -> Call {
    let cached = id.is_multiple_of(3).then_some(7);
    Call {
        id,
        model: format!("model-{}", id % 10),
        cost: -i128::from(id),
        cached,
        tags: vec!["a\n\n".into(), String::new()],
    }
}

async fn table(hub: &Hub) -> clickhouse::Client {
    let client = hub.client(Role::Writer);
    let ddl = "CREATE TABLE calls (id UInt64, model LowCardinality(String), cost Int128, cached Nullable(UInt32), \
               tags Array(String)) ENGINE = MergeTree ORDER BY id";
    client.query(ddl).execute().await.unwrap();
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_and_reads_rows() {
    let hub = Hub::start().await;
    let client = table(&hub).await;
    let count = 250_000;
    let mut insert = client.insert::<Call>("calls").await.unwrap();
    for id in 0..count {
        insert.write(&call(id)).await.unwrap();
    }
    insert.end().await.unwrap();
    // More than one of the engine's blocks, so that their joints are seen.
    let mut rows = hub
        .client(Role::Reader)
        .query("SELECT ?fields FROM calls ORDER BY id")
        .fetch::<Call>()
        .unwrap();
    let mut id = 0;
    while let Some(row) = rows.next().await.unwrap() {
        assert_eq!(row, call(id));
        id += 1;
    }
    assert_eq!(id, count);
    let bound: Vec<u64> = client
        .query("SELECT id FROM calls WHERE id < ? AND model = ?")
        .bind(20)
        .bind("model-3")
        .fetch_all()
        .await
        .unwrap();
    assert_eq!(bound, [3, 13]);
    let named: u64 = client
        .query("SELECT count() FROM calls WHERE id < {most:UInt64}")
        .param("most", 42)
        .with_setting("max_threads", "1")
        .fetch_one()
        .await
        .unwrap();
    assert_eq!(named, 42);
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_keep_their_code() {
    let hub = Hub::start().await;
    let client = table(&hub).await;
    let missing = client.query("SELECT id FROM nowhere").fetch_all::<u64>().await.unwrap_err();
    assert!(missing.to_string().contains("Code: 60"), "{missing}");
    let sql = "SELECT number + throwIf(number = 3000000) FROM system.numbers LIMIT 4000000";
    let mut rows = client.query(sql).fetch::<u64>().unwrap();
    let mut read = 0_u32;
    let broken = loop {
        match rows.next().await {
            Ok(Some(_)) => read += 1,
            Ok(None) => panic!("the error was not seen"),
            Err(error) => break error,
        }
    };
    assert!(read > 0, "the error came before the first row");
    assert!(broken.to_string().contains("Code: 395"), "{broken}");
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_insert_leaves_nothing() {
    let hub = Hub::start().await;
    let client = table(&hub).await;
    let mut insert = client.insert::<Call>("calls").await.unwrap();
    for id in 0..100_000 {
        insert.write(&call(id)).await.unwrap();
    }
    drop(insert);
    // The table's lock is not needed to see it: a query that starts later runs after the cancelled statement or beside it.
    let rows: u64 = client.query("SELECT count() FROM calls").fetch_one().await.unwrap();
    assert_eq!(rows, 0);
    hub.stop().await;
}

/// What the sink builds on: an insert into one partition is one part, so it is there or not.
#[tokio::test(flavor = "multi_thread")]
async fn one_insert_is_one_block() {
    let hub = Hub::start().await;
    let client = table(&hub).await;
    client.query("SYSTEM STOP MERGES hub.calls").execute().await.unwrap();
    for inserts in 1..=3_u64 {
        let mut insert = client.insert::<Call>("calls").await.unwrap();
        for id in 0..150_000 {
            insert.write(&call(id)).await.unwrap();
        }
        insert.end().await.unwrap();
        let parts = client.query("SELECT uniqExact(_part) FROM calls").fetch_one::<u64>().await;
        assert_eq!(parts.unwrap(), inserts);
    }
    hub.stop().await;
}
