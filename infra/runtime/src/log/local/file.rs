//! The file: its tables, how it is made, and connections to it.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _, TransactionBehavior};
use schemas::topics::{Kept, Topic, TopicPartition};

use crate::log::{Error, LogId, Result};

/// Marks the file as a log of ours ("hubl").
const APPLICATION: i32 = 0x6875_626c;
/// The layout of the tables and blocks.
const LAYOUT: i32 = 1;
/// More than anyone needs, and few enough that partition numbers and offsets share 63 bits.
const MAX_PARTITIONS: u32 = 1024;

/// `part` 0 is the generation: `next` counts the transactions of all processes. It lives in the
/// table that every transaction writes anyway. `cleaned` is how far compaction has come, `kept` how
/// many records it left there.
const TABLES: &str = "
CREATE TABLE topic (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, log TEXT NOT NULL,
    base INTEGER NOT NULL, partitions INTEGER NOT NULL
) STRICT;
CREATE TABLE part (
    id INTEGER PRIMARY KEY, start INTEGER NOT NULL, next INTEGER NOT NULL, at INTEGER NOT NULL,
    cleaned INTEGER NOT NULL, kept INTEGER NOT NULL
) STRICT;
CREATE TABLE block (
    id INTEGER PRIMARY KEY, next INTEGER NOT NULL, newest INTEGER NOT NULL,
    records INTEGER NOT NULL, body BLOB NOT NULL
) STRICT;
CREATE TABLE latest (
    part INTEGER NOT NULL, key BLOB NOT NULL, place INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (part, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE writer (id TEXT PRIMARY KEY, epoch INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE input (
    writer TEXT NOT NULL, part INTEGER NOT NULL, next INTEGER NOT NULL,
    PRIMARY KEY (writer, part)
) STRICT, WITHOUT ROWID;
INSERT INTO part VALUES (0, 0, 0, 0, 0, 0);
";

/// A topic as the file has it.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) topic: Topic,
    pub(super) log: LogId,
    /// The row in `part` of its partition 0; the others follow.
    pub(super) base: u32,
    pub(super) partitions: u32,
}

/// Device and number of a file. It stays the same as long as the file is open somewhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Inode(u64, u64);

impl Inode {
    pub(super) fn of(meta: &fs::Metadata) -> Self {
        Self(meta.dev(), meta.ino())
    }
}

/// The file of a log: what it is called, which file that was, and which topics it has.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    inode: Inode,
    busy: Duration,
    topics: Vec<Made>,
}

impl LogFile {
    /// Opens the file, or makes it, with every topic of `Topic::ALL`.
    pub(super) fn open(path: &Path, partitions: u32, busy: Duration) -> Result<Self> {
        if partitions == 0 || partitions > MAX_PARTITIONS {
            return Err(Error::Unavailable(format!(
                "{partitions} partitions are configured; give 1 to {MAX_PARTITIONS}"
            )));
        }
        // one maker at a time: switching to WAL and making topics must not race
        let _lock = lock(path)?;
        let fresh = !path.exists();
        let mut conn = connect(path, busy, OpenFlags::SQLITE_OPEN_CREATE)?;
        let topics = make(&mut conn, partitions)?;
        if fresh {
            sync_folder(path)?;
        }
        Ok(Self { inode: inode(path)?, path: path.to_owned(), busy, topics })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn made(&self, topic: Topic) -> Option<&Made> {
        self.topics.get(topic as usize).filter(|made| made.topic == topic)
    }

    /// The row in `part` of a partition.
    pub(super) fn part(&self, at: TopicPartition) -> Result<u32> {
        let made = self.made(at.topic);
        match made.filter(|made| at.partition < made.partitions) {
            Some(made) => Ok(made.base + at.partition),
            None => Err(Error::NoPartition(at, made.map_or(0, |made| made.partitions))),
        }
    }

    /// Every partition with its row in `part`.
    pub(super) fn parts(&self) -> impl Iterator<Item = (u32, TopicPartition)> + '_ {
        self.topics
            .iter()
            .flat_map(|made| (0..made.partitions).map(|n| (made.base + n, made.topic.at(n))))
    }

    /// The partition of a row in `part`.
    pub(super) fn partition(&self, part: u32) -> Option<TopicPartition> {
        let made = self
            .topics
            .iter()
            .find(|made| (made.base..made.base + made.partitions).contains(&part))?;
        Some(made.topic.at(part - made.base))
    }

    /// Another connection to the same file.
    pub(super) fn connect(&self) -> Result<Connection> {
        self.check()?;
        let conn = connect(&self.path, self.busy, OpenFlags::empty())?;
        // the name may have passed to another file in between
        self.check()?;
        Ok(conn)
    }

    /// Says so when another file, or none, has the name now: what is written here would be lost
    /// with the last handle.
    pub(super) fn check(&self) -> Result<()> {
        if inode(&self.path)? == self.inode {
            return Ok(());
        }
        Err(Error::Unavailable(format!(
            "{} was replaced while it was open; open it again",
            self.path.display()
        )))
    }
}

/// Whether only the newest record of a key counts.
pub(super) fn compacted(topic: Topic) -> bool {
    matches!(topic.spec().kept, Kept::Compacted)
}

/// The file that is beside the log for waking other processes and for locking.
pub(super) fn bell_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-bell");
    name.into()
}

fn lock(path: &Path) -> Result<File> {
    let bell = bell_path(path);
    let open = || {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&bell)?;
        rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive)?;
        Ok::<_, std::io::Error>(file)
    };
    open().map_err(|error| unavailable("cannot open", &bell, &error))
}

fn connect(path: &Path, busy: Duration, extra: OpenFlags) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | extra;
    let conn = Connection::open_with_flags(path, flags)
        .map_err(|error| Error::Unavailable(format!("cannot open {}: {error}", path.display())))?;
    conn.busy_timeout(busy).map_err(sqlite)?;
    conn.set_prepared_statement_cache_capacity(32);
    // page_size counts only while the file is made
    conn.execute_batch("PRAGMA page_size=8192").map_err(sqlite)?;
    let mode: String = conn
        .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))
        .map_err(sqlite)?;
    if mode != "wal" {
        return Err(Error::Unavailable(format!(
            "{} cannot be used as a log: its file system has no shared memory (journal mode {mode})",
            path.display()
        )));
    }
    conn.execute_batch(
        "PRAGMA synchronous=FULL; PRAGMA fullfsync=ON; PRAGMA wal_autocheckpoint=0;
         PRAGMA cache_size=-1024; PRAGMA journal_size_limit=67108864;",
    )
    .map_err(sqlite)?;
    Ok(conn)
}

fn make(conn: &mut Connection, wanted: u32) -> Result<Vec<Made>> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sqlite)?;
    let number = |name| tx.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    match (number("application_id").map_err(sqlite)?, number("user_version").map_err(sqlite)?) {
        (APPLICATION, LAYOUT) => {}
        (0, 0) if empty(&tx)? => {
            tx.execute_batch(TABLES).map_err(sqlite)?;
            tx.pragma_update(None, "application_id", APPLICATION).map_err(sqlite)?;
            tx.pragma_update(None, "user_version", LAYOUT).map_err(sqlite)?;
        }
        (APPLICATION, layout) => {
            return Err(Error::Damaged(format!(
                "layout {layout} is not known; this version reads layout {LAYOUT}"
            )));
        }
        _ => {
            return Err(Error::Damaged("the file belongs to another application".to_owned()));
        }
    }
    let mut topics = Vec::with_capacity(Topic::ALL.len());
    for topic in Topic::ALL {
        let wanted = if topic.spec().partitioned { wanted } else { 1 };
        let made = match find(&tx, topic)? {
            Some(made) => made,
            None => make_topic(&tx, topic, wanted)?,
        };
        if made.partitions != wanted {
            return Err(Error::Partitions { topic, found: made.partitions, wanted });
        }
        topics.push(made);
    }
    topics.sort_by_key(|made| made.topic as usize);
    tx.commit().map_err(sqlite)?;
    Ok(topics)
}

fn empty(conn: &Connection) -> Result<bool> {
    conn.query_row("SELECT count(*) = 0 FROM sqlite_schema", (), |row| row.get(0)).map_err(sqlite)
}

fn find(conn: &Connection, topic: Topic) -> Result<Option<Made>> {
    conn.query_row(
        "SELECT log, base, partitions FROM topic WHERE name = ?1",
        [topic.name()],
        |row| {
            Ok(Made { topic, log: LogId(row.get(0)?), base: row.get(1)?, partitions: row.get(2)? })
        },
    )
    .optional()
    .map_err(sqlite)
}

fn make_topic(conn: &Connection, topic: Topic, partitions: u32) -> Result<Made> {
    let make = || {
        let base: u32 = conn.query_row("SELECT max(id) + 1 FROM part", (), |row| row.get(0))?;
        for part in base..base + partitions {
            conn.execute("INSERT INTO part VALUES (?1, 0, 0, 0, 0, 0)", [part])?;
        }
        conn.execute(
            "INSERT INTO topic (name, log, base, partitions)
             VALUES (?1, lower(hex(randomblob(16))), ?2, ?3)",
            (topic.name(), base, partitions),
        )?;
        Ok(())
    };
    make().map_err(sqlite)?;
    find(conn, topic)?.ok_or_else(|| Error::Damaged(format!("topic {topic} is missing")))
}

/// Which file a name stands for. Only by name: opening the log's file beside SQLite and closing it
/// again would drop SQLite's locks.
pub(super) fn inode(path: &Path) -> Result<Inode> {
    let meta = fs::metadata(path).map_err(|error| unavailable("cannot find", path, &error))?;
    Ok(Inode::of(&meta))
}

/// The names of the new files must survive a power loss as their pages do.
fn sync_folder(path: &Path) -> Result<()> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let sync = || File::open(folder)?.sync_all();
    sync().map_err(|error| unavailable("cannot sync", folder, &error))
}

pub(super) fn unavailable(what: &str, path: &Path, error: &std::io::Error) -> Error {
    Error::Unavailable(format!("{what} {}: {error}", path.display()))
}

/// What an error of SQLite means to the caller.
pub(super) fn sqlite(error: rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            Error::Damaged(error.to_string())
        }
        Some(ErrorCode::DiskFull) => Error::Unavailable(
            "no space left for the local log; make room on the disk of the data folder".to_owned(),
        ),
        _ => Error::Unavailable(error.to_string()),
    }
}
