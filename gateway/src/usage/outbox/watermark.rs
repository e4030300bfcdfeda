//! How far the outbox is shipped, and to which log.
//!
//! Two slots in one file, written in turn, each with its own CRC and a counter: whatever happens
//! during a write, the other slot stands. A slot lies within one disk sector.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::error::Error;
use super::record::Position;

const SLOT: usize = 512;
/// Slots are a page apart, so that they are never written together.
const APART: u64 = 4096;
const MAGIC: [u8; 8] = *b"HUBMARK1";
/// Bytes before the ids of the logs.
const FIXED: usize = 40;

/// What is remembered.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Mark {
    /// Segments of a lower generation are done with, should they show up again.
    pub(super) first: u64,
    /// Everything before is in the log.
    pub(super) shipped: Position,
    /// The logs of the usage and the attempts topic, once something was shipped.
    pub(super) logs: Option<[String; 2]>,
}

/// The file.
#[derive(Debug)]
pub(super) struct Watermark {
    pub(super) path: PathBuf,
    file: File,
    counter: u64,
    mark: Mark,
}

impl Watermark {
    /// Opens or makes the file. A damaged one is read as new, with an alarm: all that the outbox
    /// holds is then shipped again, and readers drop what they have seen.
    pub(super) fn open(path: PathBuf) -> Result<Self, Error> {
        let failed = |source| Error::File { path: path.clone(), source };
        let file = File::options().read(true).write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(failed)?;
        let len = file.metadata().map_err(failed)?.len();
        let slots = [0, 1].map(|slot| read(&file, slot * APART));
        let newest = slots.into_iter().flatten().max_by_key(|(counter, _)| *counter);
        if newest.is_none() && len != 0 {
            tracing::error!(path = %path.display(), "outbox watermark is damaged; all that the outbox holds is shipped again");
        }
        let (counter, mark) = newest.unwrap_or_default();
        Ok(Self { path, file, counter, mark })
    }

    pub(super) const fn mark(&self) -> &Mark {
        &self.mark
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Remembers; `durable` waits for the disk.
    pub(super) fn store(&mut self, mark: Mark, durable: bool) -> Result<(), Error> {
        if mark != self.mark {
            let counter = self.counter + 1;
            let slot = compose(counter, &mark);
            let written = self.file.write_all_at(&slot, (counter % 2) * APART);
            written.map_err(|source| Error::File { path: self.path.clone(), source })?;
            self.counter = counter;
            self.mark = mark;
        }
        if durable {
            let synced = self.file.sync_data();
            synced.map_err(|source| Error::File { path: self.path.clone(), source })?;
        }
        Ok(())
    }
}

fn compose(counter: u64, mark: &Mark) -> Vec<u8> {
    let mut slot = Vec::with_capacity(SLOT);
    slot.extend_from_slice(&MAGIC);
    slot.extend_from_slice(&counter.to_le_bytes());
    slot.extend_from_slice(&mark.first.to_le_bytes());
    slot.extend_from_slice(&mark.shipped.generation.to_le_bytes());
    slot.extend_from_slice(&mark.shipped.offset.to_le_bytes());
    slot.extend_from_slice(&u32::from(mark.logs.is_some()).to_le_bytes());
    for id in mark.logs.iter().flatten() {
        let len = id.len().min((SLOT - FIXED - 8) / 2);
        slot.extend_from_slice(&u16::try_from(len).unwrap_or(0).to_le_bytes());
        slot.extend_from_slice(id.as_bytes().get(..len).unwrap_or_default());
    }
    slot.resize(SLOT - 4, 0);
    let crc = crc32fast::hash(&slot);
    slot.extend_from_slice(&crc.to_le_bytes());
    slot
}

fn read(file: &File, at: u64) -> Option<(u64, Mark)> {
    let mut slot = [0; SLOT];
    let read: io::Result<()> = file.read_exact_at(&mut slot, at);
    read.ok()?;
    let (body, crc) = slot.split_last_chunk::<4>()?;
    if u32::from_le_bytes(*crc) != crc32fast::hash(body) || !body.starts_with(&MAGIC) {
        return None;
    }
    let long = |at: usize| Some(u64::from_le_bytes(*body.get(at..)?.first_chunk()?));
    let short = |at: usize| Some(u32::from_le_bytes(*body.get(at..)?.first_chunk()?));
    let mut rest = body.get(FIXED..)?;
    let mut id = || {
        let (len, after) = rest.split_first_chunk::<2>()?;
        let (id, after) = after.split_at_checked(usize::from(u16::from_le_bytes(*len)))?;
        rest = after;
        Some(String::from_utf8_lossy(id).into_owned())
    };
    let logs = if short(36)? == 1 { Some([id()?, id()?]) } else { None };
    let shipped = Position { generation: long(24)?, offset: short(32)? };
    Some((long(8)?, Mark { first: long(16)?, shipped, logs }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(generation: u64) -> Mark {
        Mark {
            first: generation - 1,
            shipped: Position { generation, offset: 72 },
            logs: Some(["usage-log".into(), "attempts-log".into()]),
        }
    }

    #[test]
    fn a_write_that_fails_leaves_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("watermark");
        let mut watermark = Watermark::open(path.clone()).unwrap();
        assert_eq!(watermark.mark(), &Mark::default());
        for generation in 2..9 {
            watermark.store(mark(generation), generation % 2 == 0).unwrap();
            assert_eq!(Watermark::open(path.clone()).unwrap().mark(), &mark(generation));
        }
        let whole = std::fs::read(&path).unwrap();
        let slot = (watermark.counter % 2) as usize * APART as usize;
        for at in slot..slot + SLOT {
            let mut torn = whole.clone();
            torn[at] ^= 0x5a;
            std::fs::write(&path, &torn).unwrap();
            assert_eq!(Watermark::open(path.clone()).unwrap().mark(), &mark(7), "byte {at}");
        }
        std::fs::write(&path, vec![1; whole.len()]).unwrap();
        assert_eq!(Watermark::open(path).unwrap().mark(), &Mark::default());
    }
}
