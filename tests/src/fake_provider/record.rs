//! The request log: what the vendor saw and would bill. It is the oracle of the conservation
//! tests, so it is written outside of the system under test and only ever appended to.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::sync::Mutex;

use runtime::clock::Clock;
use serde::{Deserialize, Serialize};

/// How the vendor's side of a request ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// The whole answer was sent.
    Answered,
    /// The fake broke off, as it was told to.
    BrokenOff,
    /// The client left before the answer was sent.
    ClientClosed,
}

/// One request.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Arrival {
    /// Its number at this fake, from 1.
    pub number: u64,
    /// Microseconds since the epoch.
    pub at: i64,
    /// `x-client-request-id`.
    pub call: Option<String>,
    /// With its query.
    pub path: String,
    /// As asked for.
    pub model: String,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// Headers and body, where the fake keeps them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole: Option<Whole>,
}

/// A request as it stood on the wire.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Whole {
    /// Such as `POST`.
    pub method: String,
    /// In order, names as sent.
    pub headers: Vec<(String, String)>,
    /// As text.
    pub body: String,
}

/// The end of a request.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct End {
    /// Of the request.
    pub number: u64,
    /// Microseconds since the epoch.
    pub at: i64,
    /// How.
    pub ended: Ended,
    /// Status that was sent; 0 for none.
    pub status: u16,
    /// Input tokens billed.
    pub prompt: u32,
    /// Output tokens billed.
    pub completion: u32,
    /// Bytes sent.
    pub bytes: u64,
}

/// One line of the log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Entry {
    /// A request arrived.
    Arrival(Arrival),
    /// It ended.
    End(End),
}

/// The log.
#[derive(Debug)]
pub struct Record {
    clock: Clock,
    /// Whether headers and bodies are kept.
    pub whole: bool,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    file: Option<File>,
    entries: Vec<Entry>,
    arrived: u64,
    ended: u64,
}

impl Record {
    /// A log that appends to `file`, if given.
    ///
    /// # Errors
    /// The file can't be opened.
    pub fn open(file: Option<&Path>, whole: bool, clock: Clock) -> std::io::Result<Self> {
        let open = |path| OpenOptions::new().create(true).append(true).open(path);
        let inner =
            Inner { file: file.map(open).transpose()?, entries: Vec::new(), arrived: 0, ended: 0 };
        Ok(Self { clock, whole, inner: Mutex::new(inner) })
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Writes an arrival and gives it its number.
    ///
    /// # Errors
    /// The file can't be written: the oracle would lie, so the fake must not answer.
    pub fn arrival(&self, mut arrival: Arrival) -> std::io::Result<u64> {
        let mut inner = self.inner();
        inner.arrived += 1;
        arrival.number = inner.arrived;
        arrival.at = self.clock.now().0;
        let number = arrival.number;
        inner.push(Entry::Arrival(arrival))?;
        Ok(number)
    }

    /// Writes an end.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn end(&self, mut end: End) -> std::io::Result<()> {
        end.at = self.clock.now().0;
        let mut inner = self.inner();
        inner.ended += 1;
        inner.push(Entry::End(end))
    }

    /// All entries so far.
    pub fn entries(&self) -> Vec<Entry> {
        self.inner().entries.clone()
    }

    /// Forgets the entries in memory (never those of the file).
    pub fn clear(&self) {
        self.inner().entries.clear();
    }

    /// How many requests arrived, and how many of them have not ended.
    pub fn counts(&self) -> (u64, u64) {
        let inner = self.inner();
        (inner.arrived, inner.arrived - inner.ended)
    }
}

impl Inner {
    fn push(&mut self, entry: Entry) -> std::io::Result<()> {
        if let Some(file) = &mut self.file {
            let mut line = serde_json::to_vec(&entry)?;
            line.push(b'\n');
            file.write_all(&line)?;
        }
        self.entries.push(entry);
        Ok(())
    }
}

/// Reads a log file back.
///
/// # Errors
/// It can't be read, or a line is no entry.
pub fn read(path: &Path) -> std::io::Result<Vec<Entry>> {
    BufReader::new(File::open(path)?)
        .lines()
        .map(|line| Ok(serde_json::from_str(&line?)?))
        .collect()
}
