//! What a transaction will append: records get their places here and become blocks.

use std::collections::BTreeMap;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension as _};
use schemas::topics::TopicPartition;

use crate::clock::Micros;
use crate::log::{NewRecord, Offset, Result};

use super::block::{Block, Builder};
use super::file::{compacted, sqlite};
use super::rows::block_id;

/// A block is closed at this size; one record may be larger.
pub(super) const BLOCK_BYTES: usize = 256 << 10;
/// A block is closed at this many records, so that small ones do not make it slow to enter.
pub(super) const BLOCK_RECORDS: u32 = 4096;

/// Where a partition ends.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct End {
    pub(super) next: Offset,
    /// When its newest record was taken: time never falls behind it.
    pub(super) at: Micros,
}

/// The records of one group.
#[derive(Debug)]
pub(super) struct Staged<'a> {
    ends: &'a [End],
    now: Micros,
    parts: BTreeMap<u32, Stage>,
    newest: BTreeMap<(u32, Bytes), Newest>,
}

#[derive(Debug)]
struct Stage {
    end: End,
    full: Vec<Block>,
    open: Builder,
}

/// The newest record of a key; no body if that is a tombstone.
#[derive(Debug)]
struct Newest {
    place: Offset,
    body: Option<Bytes>,
}

/// What went into the transaction.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) parts: Vec<(u32, End, Vec<Block>)>,
    pub(super) bytes: usize,
}

impl<'a> Staged<'a> {
    /// Nothing yet, after `ends`.
    pub(super) fn new(ends: &'a [End], now: Micros) -> Self {
        Self { ends, now, parts: BTreeMap::new(), newest: BTreeMap::new() }
    }

    /// Gives the record its place.
    pub(super) fn push(&mut self, to: TopicPartition, part: u32, record: NewRecord) -> Offset {
        let stage = self.parts.entry(part).or_insert_with(|| {
            let before = self.ends.get(part as usize).copied().unwrap_or_default();
            let end = End { next: before.next, at: before.at.max(self.now) };
            Stage { end, full: Vec::new(), open: Builder::new(end.next) }
        });
        let (offset, at) = (stage.end.next, stage.end.at);
        let size = super::group::record_size(&record);
        let open = &mut stage.open;
        let full = open.bytes() + size > BLOCK_BYTES || open.records() >= BLOCK_RECORDS;
        if full && open.records() > 0 {
            let done = std::mem::replace(open, Builder::new(offset));
            stage.full.push(done.finish(part, offset));
        }
        let NewRecord { key, value, headers } = record;
        stage.open.push(offset, at, &key, value.as_deref(), &headers);
        stage.end.next = offset + 1;
        if compacted(to.topic) {
            let body = value.map(|value| {
                let mut single = Builder::new(offset);
                single.push(offset, at, &key, Some(&value), &headers);
                single.finish(part, offset + 1).body
            });
            self.newest.insert((part, key), Newest { place: offset, body });
        }
        offset
    }

    /// Writes blocks, ends and newest records.
    pub(super) fn write(self, conn: &Connection) -> Result<Written> {
        let mut written = Written { parts: Vec::with_capacity(self.parts.len()), bytes: 0 };
        for (part, stage) in self.parts {
            let Stage { end, mut full, open } = stage;
            full.push(open.finish(part, end.next));
            for block in &full {
                insert(conn, part, block)?;
                written.bytes += block.body.len();
            }
            conn.prepare_cached("UPDATE part SET next = ?2, at = ?3 WHERE id = ?1")
                .and_then(|mut update| update.execute((part, end.next, end.at.0)))
                .map_err(sqlite)?;
            written.parts.push((part, end, full));
        }
        for ((part, key), newest) in self.newest {
            written.bytes += newest.body.as_ref().map_or(0, Bytes::len);
            index(conn, part, &key, newest).map_err(sqlite)?;
        }
        Ok(written)
    }
}

/// Writes a block.
pub(super) fn insert(conn: &Connection, part: u32, block: &Block) -> Result<()> {
    let id = block_id(part, block.first)?;
    conn.prepare_cached("INSERT INTO block VALUES (?1, ?2, ?3, ?4, ?5)")
        .and_then(|mut insert| {
            insert.execute((id, block.next, block.newest.0, block.records, &*block.body))
        })
        .map_err(sqlite)?;
    Ok(())
}

fn index(conn: &Connection, part: u32, key: &[u8], newest: Newest) -> rusqlite::Result<()> {
    match newest.body {
        Some(body) => conn
            .prepare_cached(
                "INSERT INTO latest VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO UPDATE SET place = excluded.place, body = excluded.body",
            )?
            .execute((part, key, newest.place, &*body))?,
        None => conn
            .prepare_cached("DELETE FROM latest WHERE part = ?1 AND key = ?2")?
            .execute((part, key))?,
    };
    Ok(())
}

/// Where all partitions end, by row of `part`.
pub(super) fn read_ends(conn: &Connection) -> Result<Vec<End>> {
    let last: Option<u32> = conn
        .query_row("SELECT max(id) FROM part", (), |row| row.get(0))
        .optional()
        .map_err(sqlite)?;
    let mut ends = vec![End::default(); last.map_or(0, |last| last as usize + 1)];
    let mut query = conn.prepare_cached("SELECT id, next, at FROM part").map_err(sqlite)?;
    let mut rows = query.query(()).map_err(sqlite)?;
    while let Some(row) = rows.next().map_err(sqlite)? {
        let part: usize = row.get(0).map_err(sqlite)?;
        if let Some(end) = ends.get_mut(part) {
            let read = || Ok(End { next: row.get(1)?, at: Micros(row.get(2)?) });
            *end = read().map_err(sqlite)?;
        }
    }
    Ok(ends)
}
