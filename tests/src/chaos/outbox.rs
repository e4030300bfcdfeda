//! A dead gateway's outbox, read from outside by the layout that its source states. It knows
//! only what a judge needs: which calls were admitted and settled, and what was shipped.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const HEADER: usize = 4096;
const MAGIC: u16 = 0x4842;
/// How far the two slots of the watermark are apart.
const APART: usize = 4096;

/// A place: generation of the segment, byte in it.
pub type Position = (u64, u64);

/// What lies in an outbox.
#[derive(Clone, Debug, Default)]
pub struct Outbox {
    /// Where each record of a call lies, with its length, by the call's id.
    pub calls: BTreeMap<String, Vec<Entry>>,
    /// Everything before is in the log.
    pub shipped: Position,
    /// The segments by generation.
    pub segments: BTreeMap<u64, PathBuf>,
}

/// A record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Where.
    pub at: Position,
    /// Its length.
    pub len: u64,
    /// What it says.
    pub kind: Kind,
}

/// What a record says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A call may go upstream.
    Admitted,
    /// The call's event.
    Settled,
    /// Anything else.
    Other,
}

impl Outbox {
    /// Reads the outbox in `folder`; its gateway must be dead.
    ///
    /// # Errors
    /// A file can't be read.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        let mut outbox = Self { shipped: watermark(&folder.join("watermark")), ..Self::default() };
        for file in std::fs::read_dir(folder)? {
            let path = file?.path();
            let generation = path
                .file_name()
                .and_then(|name| name.to_str()?.strip_suffix(".seg"))
                .and_then(|digits| u64::from_str_radix(digits, 16).ok());
            if let Some(generation) = generation {
                outbox.scan(&std::fs::read(&path)?, generation);
                outbox.segments.insert(generation, path);
            }
        }
        Ok(outbox)
    }

    fn scan(&mut self, bytes: &[u8], generation: u64) {
        let mut at = HEADER;
        while let Some((kind, len, call)) =
            bytes.get(at..).and_then(|rest| record(rest, generation))
        {
            let entry = Entry { at: (generation, long(at)), len: long(len), kind };
            self.calls.entry(call).or_default().push(entry);
            at += len;
        }
    }

    /// Calls that were admitted and not settled.
    pub fn open(&self) -> BTreeSet<&str> {
        let says = |entries: &[Entry], kind| entries.iter().any(|entry| entry.kind == kind);
        self.calls
            .iter()
            .filter(|(_, entries)| says(entries, Kind::Admitted) && !says(entries, Kind::Settled))
            .map(|(call, _)| call.as_str())
            .collect()
    }

    /// Calls whose event is not in the log yet, as far as the gateway knows.
    pub fn unshipped(&self) -> usize {
        let waits = |entry: &&Entry| entry.kind == Kind::Settled && entry.at >= self.shipped;
        self.calls.values().flatten().filter(waits).count()
    }

    /// The end of the last record that settles one of these calls.
    pub fn synced(&self, logged: &BTreeSet<String>) -> Position {
        let of = |(call, entries): (&String, &Vec<Entry>)| {
            let settles = entries.iter().filter(|entry| entry.kind == Kind::Settled);
            let ends = settles.map(|entry| (entry.at.0, entry.at.1 + entry.len));
            ends.max().filter(|_| logged.contains(call))
        };
        self.calls.iter().filter_map(of).max().unwrap_or_default()
    }

    /// The bytes of the segment of `generation` that may not be on disk: those from the shipped
    /// place on. What lies before was synced before it was shipped.
    pub fn doubtful(&self, generation: u64, length: usize) -> std::ops::Range<usize> {
        let from = match generation.cmp(&self.shipped.0) {
            std::cmp::Ordering::Less => length,
            std::cmp::Ordering::Equal => usize::try_from(self.shipped.1).unwrap_or(length),
            std::cmp::Ordering::Greater => HEADER,
        };
        from.min(length)..length
    }
}

/// Kind, length and call of the record that starts here.
fn record(bytes: &[u8], generation: u64) -> Option<(Kind, usize, String)> {
    let magic = u16::from_le_bytes(*bytes.first_chunk()?);
    let len = usize::try_from(u32::from_le_bytes(*bytes.get(4..)?.first_chunk()?)).ok()?;
    let of = u64::from_le_bytes(*bytes.get(8..)?.first_chunk()?);
    let call: [u8; 16] = *bytes.get(16..)?.first_chunk()?;
    let trailer: [u8; 4] = *bytes.get(len.checked_sub(4)?..)?.first_chunk()?;
    let whole = magic == MAGIC
        && of == generation
        && u32::from_le_bytes(trailer) == u32::try_from(len).ok()?;
    let kind = match *bytes.get(2)? {
        2 => Kind::Admitted,
        4 => Kind::Settled,
        _ => Kind::Other,
    };
    whole.then(|| (kind, len, uuid::Uuid::from_bytes(call).to_string()))
}

/// The newest of the two slots; their checksums are left to the hub.
fn watermark(path: &Path) -> Position {
    let bytes = std::fs::read(path).unwrap_or_default();
    let slot = |at: usize| {
        let slot = bytes.get(at..)?;
        slot.starts_with(b"HUBMARK1").then_some(())?;
        let long = |at: usize| Some(u64::from_le_bytes(*slot.get(at..)?.first_chunk()?));
        let offset = u32::from_le_bytes(*slot.get(32..)?.first_chunk()?);
        Some((long(8)?, (long(24)?, u64::from(offset))))
    };
    let newest = [slot(0), slot(APART)].into_iter().flatten().max();
    newest.map_or((0, 0), |(_, position)| position)
}

fn long(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
