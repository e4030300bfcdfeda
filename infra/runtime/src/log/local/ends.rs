//! What this process knows of where each partition ends, and who waits for more.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rusqlite::Connection;
use tokio::sync::watch;

use crate::log::{Error, Offset, Result};

use super::file::sqlite;

/// The ends as of a generation. They only rise, so news may come in any order.
#[derive(Debug)]
pub(super) struct Ends {
    generation: AtomicU64,
    lost: AtomicBool,
    parts: Vec<watch::Sender<Offset>>,
}

impl Ends {
    /// Room for the partitions with rows below `parts`.
    pub(super) fn new(parts: u32) -> Self {
        Self {
            generation: AtomicU64::new(0),
            lost: AtomicBool::new(false),
            parts: (0..parts).map(|_| watch::Sender::new(0)).collect(),
        }
    }

    /// Sees the end of `part` rise.
    pub(super) fn watch(&self, part: u32) -> Option<watch::Receiver<Offset>> {
        self.parts.get(part as usize).map(watch::Sender::subscribe)
    }

    /// Records an end that is committed, and wakes who waits for it.
    pub(super) fn rise(&self, part: u32, end: Offset) {
        if let Some(sender) = self.parts.get(part as usize) {
            sender.send_if_modified(|known| {
                let rises = end > *known;
                *known = end.max(*known);
                rises
            });
        }
    }

    /// The file is no longer there for others: nobody should wait for it.
    pub(super) fn lose(&self) {
        self.lost.store(true, Ordering::Release);
        self.parts.iter().for_each(|part| part.send_modify(|_| {}));
    }

    pub(super) fn lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }

    /// Refuses when the file is lost.
    pub(super) fn check(&self) -> Result<()> {
        if self.lost() {
            let what = "the log was removed or replaced while it was open; open it again";
            return Err(Error::Unavailable(what.to_owned()));
        }
        Ok(())
    }

    /// Everything up to this generation has been recorded.
    pub(super) fn seen(&self, generation: u64) {
        self.generation.fetch_max(generation, Ordering::AcqRel);
    }

    /// Reads what other processes committed.
    pub(super) fn refresh(&self, conn: &Connection) -> Result<()> {
        let tx = conn.unchecked_transaction().map_err(sqlite)?;
        let generation = read_generation(&tx)?;
        if generation == self.generation.load(Ordering::Acquire) {
            return Ok(());
        }
        for (part, end) in read_ends(&tx)? {
            self.rise(part, end);
        }
        self.seen(generation);
        Ok(())
    }
}

/// How many transactions all processes have committed.
pub(super) fn read_generation(conn: &Connection) -> Result<u64> {
    conn.prepare_cached("SELECT next FROM part WHERE id = 0")
        .and_then(|mut query| query.query_row((), |row| row.get(0)))
        .map_err(sqlite)
}

fn read_ends(conn: &Connection) -> Result<Vec<(u32, Offset)>> {
    let mut query =
        conn.prepare_cached("SELECT id, next FROM part WHERE id > 0").map_err(sqlite)?;
    let rows = query.query_map((), |row| Ok((row.get(0)?, row.get(1)?))).map_err(sqlite)?;
    rows.collect::<rusqlite::Result<_>>().map_err(sqlite)
}
