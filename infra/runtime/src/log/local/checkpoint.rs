//! Moving the WAL into the file, so that neither grows without bound.

use std::time::Duration;

use rusqlite::Connection;

use crate::log::Result;

use super::file::sqlite;

/// A WAL of more frames than this (8 KiB each) is cut even if that means waiting for readers.
const MAX_FRAMES: i64 = 16 * 1024;
/// How long: reads are short, so this is only met when somebody holds one open.
const PATIENCE: Duration = Duration::from_millis(200);

/// Checkpoints what readers allow. The next writer starts the WAL from its beginning when all of
/// it was moved and nobody reads it any more; a WAL that grew anyway is cut.
pub(super) fn run(conn: &Connection) -> Result<()> {
    let (frames, moved) = pass(conn, "PRAGMA wal_checkpoint(PASSIVE)")?;
    if frames < MAX_FRAMES {
        return Ok(());
    }
    let patience: i64 =
        conn.query_row("PRAGMA busy_timeout", (), |row| row.get(0)).map_err(sqlite)?;
    conn.busy_timeout(PATIENCE).map_err(sqlite)?;
    let cut = pass(conn, "PRAGMA wal_checkpoint(TRUNCATE)");
    conn.busy_timeout(Duration::from_millis(patience.unsigned_abs())).map_err(sqlite)?;
    if cut? != (0, 0) {
        tracing::warn!(frames, moved, "a long read keeps the log's WAL from being cut");
    }
    Ok(())
}

/// Frames in the WAL, and how many of them were moved.
fn pass(conn: &Connection, pragma: &str) -> Result<(i64, i64)> {
    conn.query_row(pragma, (), |row| Ok((row.get(1)?, row.get(2)?))).map_err(sqlite)
}
