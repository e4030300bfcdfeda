//! What can be wrong with an outbox.

use std::io;
use std::path::PathBuf;

use schemas::topics::Topic;

/// Why an outbox can't be opened or shipped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A size makes no sense.
    #[error("outbox.{field} is {found} bytes; it must be {wanted}")]
    Size {
        /// Which option.
        field: &'static str,
        /// Its value.
        found: u64,
        /// What would be right.
        wanted: &'static str,
    },
    /// The folder can't be used.
    #[error("outbox folder {}: {source}", path.display())]
    Folder {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process holds the folder.
    #[error(
        "outbox folder {} is in use by another process; stop it, or give this one another data folder",
        path.display()
    )]
    InUse {
        /// Where.
        path: PathBuf,
    },
    /// A file of the outbox can't be made, read or written.
    #[error("outbox file {}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no room on the disk for a segment.
    #[error("no disk space for an outbox file of {size} bytes in {}: {source}", path.display())]
    Allocate {
        /// Which.
        path: PathBuf,
        /// How large it is.
        size: u64,
        /// Why.
        source: io::Error,
    },
    /// A newer version of the hub wrote it.
    #[error("{} was written by a newer version of the hub ({found}); start that version", path.display())]
    Newer {
        /// Which file.
        path: PathBuf,
        /// What was found.
        found: String,
    },
    /// What was shipped went to another log.
    #[error(
        "the outbox was shipped to log {known} of topic {topic}, but the log is now {found}; bring the \
         old log back, or remove {} to ship what the outbox still holds to the new one",
        watermark.display()
    )]
    OtherLog {
        /// Which topic.
        topic: Topic,
        /// As remembered.
        known: String,
        /// As met.
        found: String,
        /// The file that remembers.
        watermark: PathBuf,
    },
}

/// Why a call can't be admitted: it could not be accounted for.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Full {
    /// The outbox is at its size limit, and the log does not take what it holds.
    #[error("the outbox is full: {held} bytes are held, outbox.limit is {limit}")]
    Limit {
        /// Bytes of its files.
        held: u64,
        /// The limit.
        limit: u64,
    },
    /// The disk is full.
    #[error("no disk space for another outbox file: {0}")]
    Disk(String),
    /// The names in the call are longer than a record.
    #[error("the call's names and tags take {found} bytes in the outbox; the most is {most}")]
    TooLarge {
        /// What they would take.
        found: usize,
        /// What there is room for.
        most: usize,
    },
    /// The outbox could not be written.
    #[error("the outbox can't be written: {0}")]
    Broken(String),
}
