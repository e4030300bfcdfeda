//! Waking readers when another process has committed.
//!
//! SQLite makes a commit visible in shared memory, after the last write to the WAL file: whoever
//! wakes up by a change of the WAL may look too early, see nothing and sleep on. So a writer
//! *rings*: it writes one byte of a file beside the log after each commit, and everybody watches
//! that file (inotify). A writer that is killed between commit and ring rings too, because the
//! kernel closes the file for it, and closing a file that was open for writing is an event.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use rusqlite::Connection;
use rustix::fs::{FlockOperation, flock};

use crate::log::{Error, Result};

use super::ends::Ends;
use super::file::{Inode, LogFile, bell_path, inode, unavailable};

/// The side that rings.
#[derive(Debug)]
pub(super) struct Bell(File);

impl Bell {
    pub(super) fn open(log: &Path) -> Result<Self> {
        let path = bell_path(log);
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
        file.map(Self).map_err(|error| unavailable("cannot open", &path, &error))
    }

    /// Which file it is that is rung and watched.
    fn inode(&self, path: &Path) -> Result<Inode> {
        let meta = self.0.metadata().map_err(|error| unavailable("cannot read", path, &error))?;
        Ok(Inode::of(&meta))
    }

    /// Waits for this process's turn to write. SQLite alone would have writers try again after
    /// sleeps that grow to 0.1 s; the kernel wakes the next one at once. This is for speed only:
    /// SQLite's own lock is what keeps writers apart, so a turn that cannot be had is no error.
    pub(super) fn turn(&self) -> Turn<'_> {
        if let Err(error) = flock(&self.0, FlockOperation::LockExclusive) {
            tracing::debug!(%error, "no turns among the log's writers");
        }
        Turn(&self.0)
    }

    /// Tells everybody to look.
    pub(super) fn ring(&self) {
        if let Err(error) = self.0.write_at(b"!", 0) {
            tracing::warn!(%error, "readers in other processes are not woken");
        }
    }
}

/// One process's turn to write; ends when it is dropped.
#[derive(Debug)]
pub(super) struct Turn<'a>(&'a File);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Err(error) = flock(self.0, FlockOperation::Unlock) {
            tracing::debug!(%error, "no turns among the log's writers");
        }
    }
}

/// The side that listens: keeps [`Ends`] up to date with what other processes commit.
#[derive(Debug)]
pub(super) struct Listener {
    _watcher: RecommendedWatcher,
}

impl Listener {
    /// Listens from now on, and reads once what was committed before.
    pub(super) fn start(log: &Arc<LogFile>, bell: &Bell, ends: Arc<Ends>) -> Result<Self> {
        let first = log.connect()?;
        let path = bell_path(log.path());
        let mut ear = Ear {
            conn: log.connect()?,
            ends: Arc::clone(&ends),
            log: Arc::clone(log),
            inode: bell.inode(&path)?,
            path: path.clone(),
        };
        let mut watcher = notify::recommended_watcher(move |event| ear.hear(&event))
            .map_err(|error| refused(&error))?;
        watcher.watch(&path, RecursiveMode::NonRecursive).map_err(|error| refused(&error))?;
        ends.refresh(&first)?;
        Ok(Self { _watcher: watcher })
    }
}

/// What the watching thread has.
#[derive(Debug)]
struct Ear {
    conn: Connection,
    ends: Arc<Ends>,
    log: Arc<LogFile>,
    path: PathBuf,
    inode: Inode,
}

impl Ear {
    fn hear(&mut self, event: &notify::Result<notify::Event>) {
        let kind = event.as_ref().map_or(EventKind::Any, |event| event.kind);
        let closed = EventKind::Access(AccessKind::Close(AccessMode::Write));
        // that somebody opened the bell says nothing; what is not known counts as rung
        if kind.is_access() && kind != closed {
            return;
        }
        if self.log.check().is_err() || inode(&self.path).ok() != Some(self.inode) {
            self.ends.lose();
        } else if let Err(error) = self.ends.refresh(&self.conn) {
            tracing::warn!(%error, "what other processes appended is seen late");
        }
    }
}

fn refused(error: &notify::Error) -> Error {
    Error::Unavailable(format!(
        "cannot watch the log for other processes: {error} (on Linux see \
         fs.inotify.max_user_instances)"
    ))
}
