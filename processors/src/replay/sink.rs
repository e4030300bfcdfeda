//! Rebuilds the rows of a table from the log and compares them with ClickHouse's.

use clickhouse::{Client, Row};
use runtime::log::LogId;
use sha2::{Digest as _, Sha256};

use super::Error;
use super::read::Records;
use super::report::Report;
use crate::Deps;
use crate::pipeline::{Folding, Marks, Taken, output};
use crate::sink::{Kind, Sink, Store};

/// Recomputes the rows of one partition, up to the last that the table has, and compares them
/// with the table's, in the order of the log.
///
/// # Errors
/// [`Error`]: nothing could be compared.
pub async fn sink<K: Kind>(deps: &Deps, client: &Client, partition: u32) -> Result<Report, Error> {
    let log = &*deps.log;
    let name = format!("sink/{}", K::TABLE.name());
    let mut report = Report::new(&name, partition);
    let table = Store::<K>::resume(client, partition).await?;
    let log_id: LogId = log.id(K::TOPIC);
    let fold = Sink::<K>::new(partition, log_id, 0, usize::MAX);
    let out = output(deps, &name, partition);
    let mut folding = Folding::new(&name, partition, fold, Marks::default(), out);
    let mut live = Rows::<K>::open(client, partition, table.written)?;
    let mut replayed_hash = Sha256::new();
    let input = K::TOPIC.at(partition);
    let mut records = Records::whole(log, input).await?;
    while let Some(record) = records.before(table.written).await? {
        loop {
            match folding.take(input, &record).map_err(crate::pipeline::Error::from)? {
                Taken::Done => break,
                Taken::Cut => folding.fold_mut().landed(), // a month ends
                Taken::Wait(wait) => return Err(Error::Unknown(input, record.offset, wait)),
            }
        }
        folding.take_outputs();
        report.records += 1;
        let row = folding.fold().batch().rows().next().map(|row| format!("{row:?}"));
        let Some(row) = row else { continue };
        replayed_hash.update(&row);
        let found = live.next().await?;
        let key = || record.offset.to_string();
        report.compare("row", key, found.as_ref(), Some(&row), Clone::clone);
        folding.fold_mut().landed();
    }
    while let Some(row) = live.next().await? {
        report.compare("row", || "not in the log".to_owned(), Some(&row), None, Clone::clone);
    }
    report.live_hash = hex(live.hash.finalize().into());
    report.replayed_hash = hex(replayed_hash.finalize().into());
    Ok(report)
}

/// The rows of the table that come of records before an offset, in words: the sink goes on.
struct Rows<K: Kind> {
    cursor: clickhouse::query::RowCursor<K::Row>,
    hash: Sha256,
}

impl<K: Kind> Rows<K> {
    fn open(client: &Client, partition: u32, before: u64) -> Result<Self, Error> {
        let columns: Vec<_> =
            K::TABLE.columns().iter().map(|column| format!("`{column}`")).collect();
        let query = format!(
            "SELECT {} FROM {} WHERE log_partition = {{partition:UInt32}} AND log_offset < {{before:UInt64}} \
             ORDER BY log_offset",
            columns.join(", "),
            K::TABLE.name()
        );
        let query = client.query_raw(&query).param("partition", partition).param("before", before);
        Ok(Self { cursor: query.fetch().map_err(crate::sink::Fault::from)?, hash: Sha256::new() })
    }

    async fn next(&mut self) -> Result<Option<String>, Error> {
        let row = self.cursor.next().await.map_err(crate::sink::Fault::from)?;
        let row = row.map(|row: <K::Row as Row>::Value<'_>| format!("{row:?}"));
        if let Some(row) = &row {
            self.hash.update(row);
        }
        Ok(row)
    }
}

fn hex(hash: [u8; 32]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}
