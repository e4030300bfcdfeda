//! The holder of a writer id.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _};
use schemas::topics::TopicPartition;

use crate::log::{Error, Offset, Result, Step, Writer, WriterId};

use super::Shared;
use super::file::sqlite;
use super::group::Job;

/// A writer id as of an epoch; a higher epoch in the file fences it.
#[derive(Debug)]
pub(super) struct LocalWriter {
    pub(super) shared: Arc<Shared>,
    pub(super) id: WriterId,
    pub(super) epoch: u64,
}

#[async_trait]
impl Writer for LocalWriter {
    async fn committed(&mut self) -> Result<BTreeMap<TopicPartition, Offset>> {
        let (id, epoch) = (self.id.0.clone(), self.epoch);
        let inputs = self.shared.pool.run(move |conn| inputs(conn, &id, epoch)).await?;
        let known = |(part, next)| Some((self.shared.file.partition(part)?, next));
        Ok(inputs.into_iter().filter_map(known).collect())
    }

    async fn commit(&mut self, step: Step) -> Result<Vec<Offset>> {
        self.shared.check(&step.outputs)?;
        for (partition, _) in &step.inputs {
            self.shared.file.part(*partition)?;
        }
        let (id, epoch) = (self.id.0.clone(), self.epoch);
        self.shared.order(|reply| Job::Commit { id, epoch, step, reply }).await
    }
}

fn inputs(conn: &mut Connection, id: &str, epoch: u64) -> Result<Vec<(u32, Offset)>> {
    let tx = conn.transaction().map_err(sqlite)?;
    owned(&tx, id, epoch)?;
    let mut query =
        tx.prepare_cached("SELECT part, next FROM input WHERE writer = ?1").map_err(sqlite)?;
    let rows = query.query_map([id], |row| Ok((row.get(0)?, row.get(1)?))).map_err(sqlite)?;
    rows.collect::<rusqlite::Result<_>>().map_err(sqlite)
}

/// Refuses an epoch that is not the newest of the id.
pub(super) fn owned(conn: &Connection, id: &str, epoch: u64) -> Result<()> {
    let newest: Option<u64> = conn
        .prepare_cached("SELECT epoch FROM writer WHERE id = ?1")
        .and_then(|mut query| query.query_row([id], |row| row.get(0)).optional())
        .map_err(sqlite)?;
    if newest == Some(epoch) { Ok(()) } else { Err(Error::Fenced(id.to_owned())) }
}

/// Begins a new epoch of the id, and says which.
pub(super) fn take(conn: &Connection, id: &str) -> Result<u64> {
    conn.prepare_cached(
        "INSERT INTO writer VALUES (?1, 1)
         ON CONFLICT DO UPDATE SET epoch = epoch + 1 RETURNING epoch",
    )
    .and_then(|mut insert| insert.query_row([id], |row| row.get(0)))
    .map_err(sqlite)
}

/// Keeps the next offset to read of an input.
pub(super) fn keep(conn: &Connection, id: &str, part: u32, next: Offset) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO input VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET next = excluded.next",
    )
    .and_then(|mut insert| insert.execute((id, part, next)))
    .map_err(sqlite)?;
    Ok(())
}
