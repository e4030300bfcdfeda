//! Maintenance in small pieces: what retention and compaction remove.

use rusqlite::{Connection, OptionalExtension as _};
use schemas::topics::TopicPartition;

use crate::clock::Micros;
use crate::log::{Offset, Record, Result};

use super::block::{Block, Builder, Cursor};
use super::file::sqlite;
use super::rows::{block, block_id, block_ids, damaged};
use super::staged::{BLOCK_BYTES, BLOCK_RECORDS, insert};

/// Blocks that one piece of retention removes.
const RETAIN_BLOCKS: usize = 64;
/// Bytes of blocks that one piece of compaction reads: the lock is held for a few milliseconds.
const COMPACT_BYTES: usize = 1 << 20;

/// A piece of maintenance of one partition. Only what was taken before `before` is touched.
#[derive(Clone, Copy, Debug)]
pub(super) enum Task {
    /// Remove the oldest blocks.
    Retain { before: Micros },
    /// Remove superseded records from the blocks from this offset on; `kept` were left so far.
    Compact { from: Offset, before: Micros, kept: u64 },
}

/// What a piece did.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tidied {
    /// Records removed.
    pub(super) removed: u64,
    /// Records looked at and left.
    pub(super) kept: u64,
    /// Where to go on; none when there is nothing more to do.
    pub(super) next: Option<Offset>,
    /// Whether the transaction has to be committed.
    pub(super) changed: bool,
}

/// Does one piece, in the transaction of `conn`.
pub(super) fn run(conn: &Connection, at: TopicPartition, part: u32, task: Task) -> Result<Tidied> {
    match task {
        Task::Retain { before } => retain(conn, part, before),
        Task::Compact { from, before, kept } => compact(conn, at, part, from, before, kept),
    }
}

fn retain(conn: &Connection, part: u32, before: Micros) -> Result<Tidied> {
    let ids = block_ids(part)?;
    let mut query = conn
        .prepare_cached(
            "SELECT id, next, newest, records FROM block
             WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT ?3",
        )
        .map_err(sqlite)?;
    let old: Vec<(i64, Offset, u64)> = query
        .query_map((ids.start(), ids.end(), RETAIN_BLOCKS), |row| {
            let newest: i64 = row.get(2)?;
            Ok((newest < before.0).then_some((row.get(0)?, row.get(1)?, row.get(3)?)))
        })
        .and_then(|rows| rows.map_while(rusqlite::Result::transpose).collect())
        .map_err(sqlite)?;
    let Some((last, start, _)) = old.last().copied() else {
        return Ok(Tidied::default());
    };
    conn.prepare_cached("DELETE FROM block WHERE id BETWEEN ?1 AND ?2")
        .and_then(|mut delete| delete.execute((ids.start(), last)))
        .map_err(sqlite)?;
    conn.prepare_cached("UPDATE part SET start = ?2 WHERE id = ?1")
        .and_then(|mut update| update.execute((part, start)))
        .map_err(sqlite)?;
    Ok(Tidied {
        removed: old.iter().map(|(_, _, records)| records).sum(),
        kept: 0,
        next: (old.len() == RETAIN_BLOCKS).then_some(start),
        changed: true,
    })
}

/// Whether at least as many records wait for compaction as the last one left: so the work stays
/// proportional to what is appended. A reader's question; needs no lock.
pub(super) fn due(conn: &Connection, part: u32, before: Micros) -> Result<bool> {
    let (cleaned, kept): (Offset, u64) = conn
        .prepare_cached("SELECT cleaned, kept FROM part WHERE id = ?1")
        .and_then(|mut query| query.query_row([part], |row| Ok((row.get(0)?, row.get(1)?))))
        .map_err(sqlite)?;
    let waiting: u64 = conn
        .prepare_cached(
            "SELECT coalesce(sum(records), 0) FROM block
             WHERE id BETWEEN ?1 AND ?2 AND newest < ?3",
        )
        .and_then(|mut query| {
            let ids = (block_id(part, cleaned), block_ids(part));
            let (Ok(from), Ok(all)) = ids else {
                return Ok(0);
            };
            query.query_row((from, all.end(), before.0), |row| row.get(0))
        })
        .map_err(sqlite)?;
    Ok(waiting > 0 && waiting >= kept)
}

fn compact(
    conn: &Connection,
    at: TopicPartition,
    part: u32,
    from: Offset,
    before: Micros,
    kept: u64,
) -> Result<Tidied> {
    let (old, more) = old_blocks(conn, part, from, before)?;
    let (Some(first), Some(last)) = (old.first(), old.last()) else {
        return finish(conn, part, from, kept);
    };
    let (first, next) = (first.first, last.next);
    let mut survivors = Vec::new();
    for block in &old {
        collect(conn, at, part, block, &mut survivors)?;
    }
    let records: u64 = old.iter().map(|block| u64::from(block.records)).sum();
    let left = survivors.len() as u64;
    let new = pack(part, first, next, &survivors);
    let mut tidied =
        Tidied { removed: records - left, kept: left, next: Some(next), changed: false };
    // small blocks are merged on the way
    if tidied.removed > 0 || new.len() * 2 <= old.len() {
        replace(conn, part, &old, &new)?;
        tidied.changed = true;
    }
    if !more {
        finish(conn, part, next, kept + left)?;
        tidied.next = None;
        tidied.changed = true;
    }
    Ok(tidied)
}

/// Remembers how far compaction has come.
fn finish(conn: &Connection, part: u32, cleaned: Offset, kept: u64) -> Result<Tidied> {
    conn.prepare_cached("UPDATE part SET cleaned = ?2, kept = ?3 WHERE id = ?1")
        .and_then(|mut update| update.execute((part, cleaned, kept)))
        .map_err(sqlite)?;
    Ok(Tidied { changed: true, ..Tidied::default() })
}

/// Old blocks from an offset on, and whether there are more.
fn old_blocks(
    conn: &Connection,
    part: u32,
    from: Offset,
    before: Micros,
) -> Result<(Vec<Block>, bool)> {
    let mut query = conn
        .prepare_cached(
            "SELECT id, next, newest, records, body FROM block
             WHERE id BETWEEN ?1 AND ?2 ORDER BY id",
        )
        .map_err(sqlite)?;
    let mut rows = query.query((block_id(part, from)?, block_ids(part)?.end())).map_err(sqlite)?;
    let mut blocks = Vec::new();
    let mut bytes = 0;
    while let Some(row) = rows.next().map_err(sqlite)? {
        let block = block(row).map_err(sqlite)?;
        if block.newest >= before {
            break;
        }
        if bytes >= COMPACT_BYTES {
            return Ok((blocks, true));
        }
        bytes += block.body.len();
        blocks.push(block);
    }
    Ok((blocks, false))
}

/// The records of a block that are still the newest of their key. A tombstone never is: it goes
/// when it is old.
fn collect(
    conn: &Connection,
    at: TopicPartition,
    part: u32,
    block: &Block,
    survivors: &mut Vec<Record>,
) -> Result<()> {
    if !block.intact(part) {
        return Err(damaged(at, block.first));
    }
    let mut query = conn
        .prepare_cached("SELECT place FROM latest WHERE part = ?1 AND key = ?2")
        .map_err(sqlite)?;
    let mut cursor = Cursor::new(block);
    while let Some(record) = cursor.next(0).map_err(|torn| damaged(at, torn.offset))? {
        let newest: Option<Offset> =
            query.query_row((part, &*record.key), |row| row.get(0)).optional().map_err(sqlite)?;
        if newest == Some(record.offset) {
            survivors.push(record);
        }
    }
    Ok(())
}

/// The records as few blocks, which together cover the offsets from `first` to before `next`.
fn pack(part: u32, first: Offset, next: Offset, records: &[Record]) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open = Builder::new(first);
    for record in records {
        let full = open.bytes() >= BLOCK_BYTES || open.records() >= BLOCK_RECORDS;
        if full {
            let done = std::mem::replace(&mut open, Builder::new(record.offset));
            blocks.push(done.finish(part, record.offset));
        }
        open.copy(record);
    }
    if open.records() > 0 {
        blocks.push(open.finish(part, next));
    }
    blocks
}

fn replace(conn: &Connection, part: u32, old: &[Block], new: &[Block]) -> Result<()> {
    let mut delete = conn.prepare_cached("DELETE FROM block WHERE id = ?1").map_err(sqlite)?;
    for block in old {
        delete.execute([block_id(part, block.first)?]).map_err(sqlite)?;
    }
    new.iter().try_for_each(|block| insert(conn, part, block))
}
