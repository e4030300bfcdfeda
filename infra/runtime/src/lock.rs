//! One process owns a folder.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// The exclusive lock on a folder, held until it is dropped or the process dies, however it dies.
#[derive(Debug)]
pub struct Lock {
    file: File,
    path: PathBuf,
}

/// Why a folder can't be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process has it.
    #[error("the folder {} is in use by {}: stop it, or set HUB_DATA to another folder to run beside it", folder.display(), holder(*.pid))]
    Held {
        /// The folder.
        folder: PathBuf,
        /// Who has it, when it said so.
        pid: Option<u32>,
    },
    /// The folder or its lock file can't be made, opened or written.
    #[error("lock file {}: {source}", path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or("another process".into(), |pid| format!("process {pid}"))
}

impl Lock {
    /// Takes the lock on a folder, which is made if there is none. Does not wait.
    ///
    /// # Errors
    /// [`Error::Held`] when another process, or another part of this one, has it; [`Error::Io`].
    pub fn take(folder: &Path) -> Result<Self, Error> {
        let path = folder.join("lock");
        let failed = |source| Error::Io { path: path.clone(), source };
        fs::create_dir_all(folder).map_err(failed)?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false) // it may be another's
            .open(&path)
            .map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut text = String::new();
                let read = file.read_to_string(&mut text);
                let pid = read.ok().and_then(|_| text.trim().parse().ok());
                return Err(Error::Held { folder: folder.to_path_buf(), pid });
            }
            Err(errno) => return Err(failed(errno.into())),
        }
        let mut name = || {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())
        };
        name().map_err(failed)?;
        Ok(Self { file, path })
    }

    /// The file that is locked. It stays when the lock is dropped: to remove it would let two
    /// processes hold two files of one name.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // the name of a holder that is gone would mislead
        if let Err(error) = self.file.set_len(0) {
            tracing::debug!(path = %self.path.display(), %error, "lock file not emptied");
        }
        // closing the file would do, but for a child process that is being made: it has the file for a moment too
        if let Err(error) = flock(&self.file, FlockOperation::Unlock) {
            tracing::debug!(path = %self.path.display(), %error, "not unlocked");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_second_taker_is_told_who_has_it() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("deep/data");
        let lock = Lock::take(&folder).unwrap();
        let error = Lock::take(&folder).unwrap_err();
        let wanted =
            format!("is in use by process {}: stop it, or set HUB_DATA", std::process::id());
        assert!(error.to_string().contains(&wanted), "{error}");
        drop(lock);
        Lock::take(&folder).unwrap();
    }

    #[test]
    fn another_process_is_named_and_holds_until_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        // the shell locks, writes a pid that is not ours, says so, and ends when told
        let mut child = Command::new("flock")
            .arg(&path)
            .args(["sh", "-c", "echo 4711 > \"$0\"; echo held; exec cat"])
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = [0; 5];
        child.stdout.as_mut().unwrap().read_exact(&mut said).unwrap();
        let error = Lock::take(folder.path()).unwrap_err();
        assert!(matches!(error, Error::Held { pid: Some(4711), .. }), "{error}");
        drop(child.stdin.take()); // cat ends, and flock with it
        child.wait().unwrap();
        Lock::take(folder.path()).unwrap();
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(matches!(Lock::take(&file.join("data")), Err(Error::Io { .. })));
    }
}
