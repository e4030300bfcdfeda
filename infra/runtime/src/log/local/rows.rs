//! Rows in and out: the statements on blocks, ends and newest records.

use bytes::Bytes;
use rusqlite::{Connection, Row};
use schemas::topics::TopicPartition;

use crate::clock::Micros;
use crate::log::{Ends, Error, Latest, Limit, Offset, Record, Result};

use super::block::{Block, Cursor};
use super::file::sqlite;
use super::tail::Room;

/// Offsets have this many bits of a block's row id, the partition has the others.
const OFFSET_BITS: u32 = 47;

/// The row id of the block of `part` that begins with `first`: blocks of a partition lie together,
/// in order.
pub(super) fn block_id(part: u32, first: Offset) -> Result<i64> {
    let id = (u64::from(part) << OFFSET_BITS) | first;
    match i64::try_from(id) {
        Ok(id) if first >> OFFSET_BITS == 0 => Ok(id),
        _ => {
            Err(Error::Unavailable(format!("offset {first} is more than the local log can count")))
        }
    }
}

/// The row ids of all blocks of `part`.
pub(super) fn block_ids(part: u32) -> Result<std::ops::RangeInclusive<i64>> {
    Ok(block_id(part, 0)?..=block_id(part, (1 << OFFSET_BITS) - 1)?)
}

/// A row of `SELECT id, next, newest, records, body FROM block`.
pub(super) fn block(row: &Row<'_>) -> rusqlite::Result<Block> {
    let id: i64 = row.get(0)?;
    Ok(Block {
        first: (id as u64) & ((1 << OFFSET_BITS) - 1),
        next: row.get(1)?,
        newest: Micros(row.get(2)?),
        records: row.get(3)?,
        body: Bytes::copy_from_slice(row.get_ref(4)?.as_blob()?),
    })
}

/// The ends of a partition.
pub(super) fn ends(conn: &Connection, part: u32) -> Result<Ends> {
    conn.prepare_cached("SELECT start, next FROM part WHERE id = ?1")
        .and_then(|mut query| {
            query.query_row([part], |row| Ok(Ends { start: row.get(0)?, end: row.get(1)? }))
        })
        .map_err(sqlite)
}

/// What one read transaction found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) ends: Ends,
    /// From the block that holds the position; none when nothing is left up to the end.
    pub(super) blocks: Vec<Block>,
}

/// Reads the blocks from position `from` on: as many as fill the limit.
pub(super) fn read(
    conn: &mut Connection,
    at: TopicPartition,
    part: u32,
    from: Offset,
    limit: Limit,
) -> Result<Found> {
    let tx = conn.transaction().map_err(sqlite)?;
    let ends = ends(&tx, part)?;
    let mut found = Found { ends, blocks: Vec::new() };
    if from >= ends.end || from < ends.start {
        return Ok(found);
    }
    let ids = block_ids(part)?;
    let place = block_id(part, from)?;
    let mut query = tx
        .prepare_cached(
            "SELECT id, next, newest, records, body FROM block
             WHERE id >= coalesce((SELECT max(id) FROM block WHERE id BETWEEN ?1 AND ?2), ?2)
               AND id <= ?3 AND next > ?4 ORDER BY id",
        )
        .map_err(sqlite)?;
    let mut rows = query.query((ids.start(), place, ids.end(), from)).map_err(sqlite)?;
    let mut room = Room::new(limit);
    while room.left() {
        let Some(row) = rows.next().map_err(sqlite)? else {
            break;
        };
        let block = block(row).map_err(sqlite)?;
        if !block.intact(part) {
            return Err(damaged(at, block.first));
        }
        room.take(&block);
        found.blocks.push(block);
    }
    Ok(found)
}

/// Reads the newest records of all keys, in one read transaction.
pub(super) fn latest(conn: &mut Connection, at: TopicPartition, part: u32) -> Result<Latest> {
    let tx = conn.transaction().map_err(sqlite)?;
    let next = ends(&tx, part)?.end;
    let mut query = tx
        .prepare_cached("SELECT place, body FROM latest WHERE part = ?1 ORDER BY key")
        .map_err(sqlite)?;
    let mut rows = query.query([part]).map_err(sqlite)?;
    let mut records = Vec::new();
    while let Some(row) = rows.next().map_err(sqlite)? {
        let place: Offset = row.get(0).map_err(sqlite)?;
        let body = row.get_ref(1).and_then(|body| Ok(body.as_blob()?.to_vec())).map_err(sqlite)?;
        records.push(single(at, part, place, body.into())?);
    }
    Ok(Latest { records, next })
}

/// The record of a block that holds just one.
fn single(at: TopicPartition, part: u32, offset: Offset, body: Bytes) -> Result<Record> {
    let block = Block { first: offset, next: offset + 1, newest: Micros(0), records: 1, body };
    if !block.intact(part) {
        return Err(damaged(at, offset));
    }
    match Cursor::new(&block).next(offset) {
        Ok(Some(record)) => Ok(record),
        Ok(None) | Err(_) => Err(damaged(at, offset)),
    }
}

/// What is stored there is not what was written.
pub(super) fn damaged(at: TopicPartition, offset: Offset) -> Error {
    Error::Damaged(format!("{at}: the block of offset {offset} does not match its checksum"))
}
