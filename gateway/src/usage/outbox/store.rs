//! The bytes of one segment file: mapped, or written with `pwrite` where the file system copies
//! on write (a full disk would there show as SIGBUS at any store into a map).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::Ordering;

use rustix::fs::FallocateFlags;

use super::map::Map;

/// How segments are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Access {
    /// Stores into a map.
    Mapped,
    /// `pwrite` and `pread`.
    Plain,
}

/// File systems that copy on write, by the number that `statfs` gives: btrfs, ZFS, bcachefs.
const COPY_ON_WRITE: [i64; 3] = [0x9123_683e, 0x2fc1_2fc1, 0xca45_1a4e];

impl Access {
    /// What suits the file system of an open file or folder.
    pub(super) fn of(file: &File) -> io::Result<Self> {
        let kind = rustix::fs::fstatfs(file)?.f_type;
        #[expect(clippy::useless_conversion, reason = "the type differs by platform")]
        let kind = i64::try_from(kind).unwrap_or(-1) & 0xffff_ffff;
        Ok(if COPY_ON_WRITE.contains(&kind) { Self::Plain } else { Self::Mapped })
    }
}

/// Gives `file` a length of `len` bytes that are really there.
pub(super) fn allocate(file: &File, len: u64) -> io::Result<()> {
    match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, len) {
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => fill(file, len),
        other => Ok(other?),
    }
}

/// Writes zeros, where the file system can't allocate.
fn fill(file: &File, len: u64) -> io::Result<()> {
    let zeros = vec![0; 1 << 20];
    let mut at = 0;
    while at < len {
        let part = usize::try_from(len - at).map_or(zeros.len(), |rest| rest.min(zeros.len()));
        file.write_all_at(zeros.get(..part).unwrap_or_default(), at)?;
        at += part as u64;
    }
    Ok(())
}

/// The bytes of one segment file.
#[derive(Debug)]
pub(super) enum Store {
    /// Mapped.
    Mapped(Map),
    /// Read and written by calls.
    Plain(File),
}

impl Store {
    pub(super) fn new(file: File, len: usize, access: Access) -> io::Result<Self> {
        Ok(match access {
            Access::Mapped => Self::Mapped(Map::new(&file, len)?),
            Access::Plain => Self::Plain(file),
        })
    }

    /// Writes whole words at a multiple of eight.
    pub(super) fn write(&self, at: usize, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Mapped(map) => map.write(at, bytes),
            Self::Plain(file) => file.write_all_at(bytes, at as u64),
        }
    }

    /// Appends `len` bytes from `at`, both multiples of eight, to `out`.
    pub(super) fn read(&self, at: usize, len: usize, out: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::Mapped(map) => map.read(at, len, out),
            Self::Plain(file) => {
                let start = out.len();
                out.resize(start + len, 0);
                let target = out.get_mut(start..).unwrap_or_default();
                file.read_exact_at(target, at as u64)
            }
        }
    }

    /// Overwrites one word.
    pub(super) fn store(&self, at: usize, value: u64) -> io::Result<()> {
        match self {
            Self::Mapped(map) => {
                let word = map.word(at).ok_or(io::ErrorKind::InvalidInput)?;
                word.store(value.to_le(), Ordering::Relaxed);
                Ok(())
            }
            Self::Plain(file) => file.write_all_at(&value.to_le_bytes(), at as u64),
        }
    }

    /// Waits until the range is on disk.
    pub(super) fn sync(&self, at: usize, len: usize) -> io::Result<()> {
        match self {
            Self::Mapped(map) => map.sync(at, len),
            Self::Plain(file) => file.sync_data(),
        }
    }

    /// Lets go of the memory of a range that will hardly be read again.
    pub(super) fn forget(&self, from: usize, to: usize) -> io::Result<()> {
        match self {
            Self::Mapped(map) => map.forget(from, to),
            Self::Plain(_) => Ok(()),
        }
    }

    /// Makes the next sync write the range again, after one has failed.
    pub(super) fn redirty(&self, at: usize, len: usize) -> io::Result<()> {
        match self {
            Self::Mapped(map) => {
                map.redirty(at, len);
                Ok(())
            }
            Self::Plain(file) => {
                let mut bytes = vec![0; len];
                file.read_exact_at(&mut bytes, at as u64)?;
                file.write_all_at(&bytes, at as u64)
            }
        }
    }
}
