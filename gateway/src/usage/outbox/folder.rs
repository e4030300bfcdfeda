//! The folder of an outbox: one process at a time, and what is in it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use super::error::Error;
use super::segment::{generation_of, name};
use super::store::Access;

/// The folder, held by an exclusive lock as long as this lives.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    folder: File,
    /// Dropping it lets go of the lock.
    _lock: File,
    pub(super) access: Access,
}

impl Folder {
    /// Makes the folder if it is not there, and locks it.
    pub(super) fn open(path: &Path, mapped: Option<bool>) -> Result<Self, Error> {
        let failed = |source| Error::Folder { path: path.into(), source };
        fs::create_dir_all(path).map_err(failed)?;
        let folder = File::open(path).map_err(failed)?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join("lock"))
            .map_err(failed)?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(Error::InUse { path: path.into() }),
            other => other.map_err(|errno| failed(errno.into()))?,
        }
        let access = match mapped {
            Some(true) => Access::Mapped,
            Some(false) => Access::Plain,
            None => Access::of(&folder).map_err(failed)?,
        };
        Ok(Self { path: path.into(), folder, _lock: lock, access })
    }

    /// The path of a file in it.
    pub(super) fn file(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }

    /// The path of a segment.
    pub(super) fn segment(&self, generation: u64) -> PathBuf {
        self.file(name(generation))
    }

    /// The segments in it, oldest first.
    pub(super) fn segments(&self) -> io::Result<Vec<(u64, PathBuf)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let path = entry?.path();
            if let Some(generation) = generation_of(&path) {
                found.push((generation, path));
            }
        }
        found.sort();
        Ok(found)
    }

    /// Waits until names made, changed or removed in it are on disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.folder.sync_all()
    }
}
