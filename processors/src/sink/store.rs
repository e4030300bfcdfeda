//! Where rows go: ClickHouse, or a recorder in tests.

use std::time::Duration;

use analytics::table::Table;
use async_trait::async_trait;
use clickhouse::{Client, Row};
use schemas::ids::Origin;
use serde::Deserialize;
use uuid::Uuid;

use super::fault::Fault;
use super::fold::Batch;
use super::rows::Kind;
use crate::pipeline::{Mark, Marks};

/// What the table knows of one partition of the log.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Resume {
    /// The offset behind the last row; 0 when there is none.
    pub written: u64,
    /// Which makings of the topic the rows come from.
    pub log_ids: Vec<String>,
    /// Which seqs of each origin have rows.
    pub marks: Marks,
}

/// A table that takes rows.
#[async_trait]
pub trait Store<K: Kind>: Send + Sync + 'static {
    /// Whether it is there.
    async fn ping(&self) -> Result<(), Fault>;

    /// What it holds of a partition.
    async fn resume(&self, partition: u32) -> Result<Resume, Fault>;

    /// Inserts a batch that is not empty: all of its rows or, after an error, perhaps all of them.
    /// A batch whose token was taken before is dropped.
    async fn insert(&self, batch: &Batch<K>) -> Result<(), Fault>;
}

/// The longest wait for a chunk to be taken, and for the insert to end.
const SEND: Duration = Duration::from_secs(30);
const END: Duration = Duration::from_secs(120);

/// One insert is one block in one partition: the whole batch is one block (no limit of rows or
/// bytes cuts it), it is not joined with others' (no asynchronous insert), and a block of two
/// partitions is refused.
const ONE_BLOCK: [(&str, &str); 8] = [
    ("max_insert_block_size", "10000000"),
    ("min_insert_block_size_rows", "10000000"),
    ("min_insert_block_size_bytes", "0"),
    ("max_insert_threads", "1"),
    ("input_format_parallel_parsing", "0"),
    ("async_insert", "0"),
    ("insert_deduplicate", "1"),
    ("max_partitions_per_insert_block", "1"),
];

#[derive(Row, Deserialize)]
struct End {
    written: u64,
    log_ids: Vec<String>,
}

#[derive(Row, Deserialize)]
struct OriginRows {
    #[serde(with = "clickhouse::serde::uuid")]
    origin: Uuid,
    greatest: u64,
    rows: u64,
}

#[derive(Row, Deserialize)]
struct SeqRow {
    seq: u64,
}

#[async_trait]
impl<K: Kind> Store<K> for Client {
    async fn ping(&self) -> Result<(), Fault> {
        self.query_raw("SELECT 1").fetch_one::<u8>().await?;
        Ok(())
    }

    async fn resume(&self, partition: u32) -> Result<Resume, Fault> {
        let table = K::TABLE.name();
        catch_up(self, table).await?;
        let end = format!(
            "SELECT if(count() = 0, 0, max(log_offset) + 1) AS written, \
             groupUniqArray(toString(log_id)) AS log_ids \
             FROM {table} WHERE log_partition = {{partition:UInt32}}"
        );
        let end = self.query_raw(&end).param("partition", partition).fetch_one::<End>().await?;
        let mut resume = Resume { written: end.written, log_ids: end.log_ids, ..Resume::default() };
        if K::TABLE.counts_origins() {
            let origins = format!(
                "SELECT origin, max(seq) AS greatest, count() AS rows \
                 FROM {table} WHERE log_partition = {{partition:UInt32}} GROUP BY origin"
            );
            let origins = self.query_raw(&origins).param("partition", partition);
            for row in origins.fetch_all::<OriginRows>().await? {
                let mark = if row.rows == row.greatest {
                    Mark::stored(row.greatest, &[]).unwrap_or_default()
                } else {
                    seen(self, K::TABLE, partition, row.origin).await?
                };
                resume.marks.restore(K::TOPIC, Origin(row.origin.into_bytes()), mark);
            }
        }
        Ok(resume)
    }

    async fn insert(&self, batch: &Batch<K>) -> Result<(), Fault> {
        let result = async {
            let mut insert = self
                .insert::<K::Row>(K::TABLE.name())
                .await?
                .with_timeouts(Some(SEND), Some(END))
                .with_setting("insert_deduplication_token", batch.token());
            for (name, value) in ONE_BLOCK {
                insert = insert.with_setting(name, value);
            }
            for (count, row) in batch.rows().enumerate() {
                insert.write(&row).await?;
                if count % 256 == 255 {
                    tokio::task::yield_now().await;
                }
            }
            insert.end().await
        };
        let done: clickhouse::error::Result<()> = result.await;
        if done.is_err() {
            // the columns may have changed; they are asked for anew
            self.clear_cached_metadata().await;
        }
        Ok(done?)
    }
}

/// A replica may lag behind what another has taken: it first fetches what there is.
async fn catch_up(client: &Client, table: &str) -> Result<(), Fault> {
    let engine = "SELECT engine FROM system.tables \
                  WHERE database = currentDatabase() AND name = {table:String}";
    let engine = client.query_raw(engine).param("table", table).fetch_optional::<String>().await?;
    if engine.is_some_and(|engine| engine.starts_with("Replicated")) {
        let sync = format!("SYSTEM SYNC REPLICA {table} LIGHTWEIGHT");
        client.query_raw(&sync).execute().await?;
    }
    Ok(())
}

/// The mark of an origin whose rows have gaps.
async fn seen(client: &Client, table: Table, partition: u32, origin: Uuid) -> Result<Mark, Fault> {
    let query = format!(
        "SELECT seq FROM {} WHERE log_partition = {{partition:UInt32}} \
         AND origin = {{origin:UUID}} ORDER BY seq",
        table.name()
    );
    let query =
        client.query_raw(&query).param("partition", partition).param("origin", origin.to_string());
    let mut rows = query.fetch::<SeqRow>()?;
    let mut mark = Mark::default();
    while let Some(SeqRow { seq }) = rows.next().await? {
        mark = mark.with(seq).unwrap_or(mark);
    }
    Ok(mark)
}
