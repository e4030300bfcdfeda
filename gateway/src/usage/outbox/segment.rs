//! One file of the outbox: a header page, then records.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use schemas::ids::Origin;

use super::record::{Position, WORD_AT};
use super::store::{Access, Store, allocate};

/// Bytes before the first record: one page, so that the header is never written with a record.
pub(super) const HEADER: usize = 4096;
const MAGIC: [u8; 8] = *b"HUBOUTBX";
const VERSION: u32 = 1;
/// Bytes that the header's CRC covers.
const COVERED: usize = 48;

/// What a segment's header says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Header {
    /// Whose records follow.
    Valid(Origin),
    /// Written by a newer version.
    Newer(u32),
    /// Damaged.
    Corrupt,
}

/// An open segment.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) generation: u64,
    /// Who wrote it; `None` when its header is damaged.
    pub(super) origin: Option<Origin>,
    pub(super) path: PathBuf,
    /// Bytes of the file, a multiple of eight.
    pub(super) size: usize,
    store: Store,
    /// Up to where records are whole and may be shipped.
    end: AtomicUsize,
}

/// The name of a segment's file.
pub(super) fn name(generation: u64) -> String {
    format!("{generation:016x}.seg")
}

/// The generation that a file's name says, if it is a segment's.
pub(super) fn generation_of(path: &Path) -> Option<u64> {
    let digits = path.file_name()?.to_str()?.strip_suffix(".seg")?;
    (digits.len() == 16).then(|| u64::from_str_radix(digits, 16).ok())?
}

impl Segment {
    /// Makes the file at `path` a segment, new or used before. On return its blocks are allocated
    /// and its header is on disk; its name is not (see `Folder::sync`).
    pub(super) fn create(
        path: PathBuf,
        generation: u64,
        origin: Origin,
        size: usize,
        access: Access,
    ) -> io::Result<Self> {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
        allocate(&file, size as u64)?;
        let store = Store::new(file, size, access)?;
        let mut header = Vec::with_capacity(COVERED + 8);
        header.extend_from_slice(&MAGIC);
        header.extend_from_slice(&VERSION.to_le_bytes());
        header.extend_from_slice(&[0; 4]);
        header.extend_from_slice(&(size as u64).to_le_bytes());
        header.extend_from_slice(&generation.to_le_bytes());
        header.extend_from_slice(&origin.0);
        let crc = crc32fast::hash(&header);
        header.extend_from_slice(&u64::from(crc).to_le_bytes());
        store.write(0, &header)?;
        store.sync(0, HEADER)?;
        let end = AtomicUsize::new(HEADER);
        Ok(Self { generation, origin: Some(origin), path, size, store, end })
    }

    /// Opens a segment that an earlier process left. Its end is its start until it is scanned.
    pub(super) fn open(
        path: PathBuf,
        generation: u64,
        access: Access,
    ) -> io::Result<(Self, Header)> {
        let file = File::options().read(true).write(true).open(&path)?;
        let len = usize::try_from(file.metadata()?.len()).unwrap_or(0);
        let size = len - len % 8;
        if size == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file is empty"));
        }
        let store = Store::new(file, size, access)?;
        let mut bytes = Vec::new();
        let header = match store.read(0, COVERED + 8, &mut bytes) {
            Ok(()) => parse(&bytes, generation),
            Err(_) => Header::Corrupt,
        };
        let origin = match header {
            Header::Valid(origin) => Some(origin),
            Header::Newer(_) | Header::Corrupt => None,
        };
        let end = AtomicUsize::new(HEADER.min(size));
        Ok((Self { generation, origin, path, size, store, end }, header))
    }

    /// The place of a byte of this segment.
    pub(super) fn at(&self, offset: usize) -> Position {
        Position { generation: self.generation, offset: u32::try_from(offset).unwrap_or(u32::MAX) }
    }

    /// Up to where records may be read.
    pub(super) fn end(&self) -> usize {
        self.end.load(Ordering::Acquire)
    }

    /// Lets readers see records up to `end`.
    pub(super) fn publish(&self, end: usize) {
        self.end.store(end, Ordering::Release);
    }

    /// Writes a record.
    pub(super) fn write(&self, offset: usize, record: &[u8]) -> io::Result<()> {
        self.store.write(offset, record)
    }

    /// Appends bytes of the file to `out`.
    pub(super) fn read(&self, offset: usize, len: usize, out: &mut Vec<u8>) -> io::Result<()> {
        self.store.read(offset, len, out)
    }

    /// Overwrites what the record at `offset` counts.
    pub(super) fn set_count(&self, offset: usize, count: u64) -> io::Result<()> {
        self.store.store(offset + WORD_AT, count)
    }

    /// Lets go of the memory of bytes that will hardly be read again.
    pub(super) fn forget(&self, from: usize, to: usize) {
        if let Err(error) = self.store.forget(from.min(self.size), to.min(self.size)) {
            tracing::debug!(%error, "outbox memory not let go");
        }
    }

    /// Waits until the bytes are on disk. After an error the same range is written again by the
    /// next call: the system itself may think that it did.
    pub(super) fn sync(&self, from: usize, to: usize) -> io::Result<()> {
        let len = to.saturating_sub(from);
        self.store.sync(from, len).inspect_err(|_| {
            if let Err(error) = self.store.redirty(from - from % 8, len.next_multiple_of(8)) {
                tracing::error!(%error, "outbox segment can't be written again after a failed sync");
            }
        })
    }
}

fn parse(bytes: &[u8], generation: u64) -> Header {
    let Some((covered, [c0, c1, c2, c3, ..])) = bytes.split_at_checked(COVERED) else {
        return Header::Corrupt;
    };
    let field = |at: usize| covered.get(at..)?.first_chunk::<8>().copied();
    let crc = u32::from_le_bytes([*c0, *c1, *c2, *c3]);
    let own = field(24).map(u64::from_le_bytes) == Some(generation);
    if field(0) != Some(MAGIC) || crc != crc32fast::hash(covered) || !own {
        return Header::Corrupt;
    }
    let version = covered.get(8..).and_then(|rest| rest.first_chunk::<4>());
    let version = version.map_or(0, |version| u32::from_le_bytes(*version));
    let origin = covered.get(32..).and_then(|rest| rest.first_chunk::<16>());
    match (version, origin) {
        (VERSION, Some(origin)) => Header::Valid(Origin(*origin)),
        (version, _) if version > VERSION => Header::Newer(version),
        _ => Header::Corrupt,
    }
}
