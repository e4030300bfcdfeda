//! The fold as it was at a position, in a file of the data folder: a start reads it and what came
//! after. Losing it costs reading the topic from its beginning.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use runtime::clock::Micros;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use crate::entity::{Body, Kind};
use crate::state::{Entity, Stamp, State};

/// Why a checkpoint is not used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file can't be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not as it was written.
    #[error("damaged: {0}")]
    Damaged(String),
    /// It is of another log.
    #[error("of the log {found}, and this is {wanted}")]
    OtherLog {
        /// As written.
        found: String,
        /// The log here.
        wanted: String,
    },
}

/// Raised when a state holds something new.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Kept {
    format: u32,
    log: String,
    next: u64,
    at: i64,
    entities: Vec<KeptEntity>,
    commands: Vec<(i64, Arc<str>, [u8; 16], i64)>,
}

#[derive(Serialize, Deserialize)]
struct KeptEntity {
    kind: Arc<str>,
    id: Arc<str>,
    version: i64,
    body: Option<Box<RawValue>>,
    created: KeptStamp,
    changed: KeptStamp,
}

#[derive(Serialize, Deserialize)]
struct KeptStamp(u64, i64, Arc<str>, Option<Arc<str>>);

impl From<&Stamp> for KeptStamp {
    fn from(stamp: &Stamp) -> Self {
        Self(stamp.offset, stamp.at.0, Arc::clone(&stamp.actor), stamp.reason.clone())
    }
}

impl From<KeptStamp> for Stamp {
    fn from(KeptStamp(offset, at, actor, reason): KeptStamp) -> Self {
        Self { offset, at: Micros(at), actor, reason }
    }
}

/// A state of a log as bytes: a SHA-256 in hex, a line break, JSON.
///
/// # Errors
/// A body is no JSON; the log is then read whole.
pub fn encode(state: &State, log: &str) -> Result<Vec<u8>, Error> {
    let damaged = |error: serde_json::Error| Error::Damaged(error.to_string());
    let entities = state.everything().map(|(kind, id, entity)| {
        let text = match (&entity.body, entity.raw.is_empty()) {
            (None, _) => None,
            // not null, which would say that it was deleted
            (Some(_), true) => Some("{}".to_owned()),
            (Some(_), false) => Some(String::from_utf8_lossy(&entity.raw).into_owned()),
        };
        let body = text.map(RawValue::from_string).transpose().map_err(damaged)?;
        Ok(KeptEntity {
            kind: Arc::clone(kind),
            id: Arc::clone(id),
            version: entity.version,
            body,
            created: (&entity.created).into(),
            changed: (&entity.changed).into(),
        })
    });
    let kept = Kept {
        format: FORMAT,
        log: log.to_owned(),
        next: state.next,
        at: state.at.0,
        entities: entities.collect::<Result<_, Error>>()?,
        commands: state
            .commands()
            .map(|(at, id, digest, version)| (at.0, Arc::clone(id), digest, version))
            .collect(),
    };
    let json = serde_json::to_vec(&kept).map_err(damaged)?;
    let mut bytes = sum(&json).into_bytes();
    bytes.push(b'\n');
    bytes.extend_from_slice(&json);
    Ok(bytes)
}

/// The state of [`encode`]'s bytes.
///
/// # Errors
/// [`Error::Damaged`], [`Error::OtherLog`].
pub fn decode(bytes: &[u8], log: &str) -> Result<State, Error> {
    let damaged = |why: &str| Error::Damaged(why.to_owned());
    let end = bytes.iter().position(|byte| *byte == b'\n').ok_or_else(|| damaged("no sum"))?;
    let (told, json) = bytes.split_at(end);
    let json = json.get(1..).unwrap_or_default();
    if sum(json).as_bytes() != told {
        return Err(damaged("the sum does not fit"));
    }
    let kept: Kept =
        serde_json::from_slice(json).map_err(|error| Error::Damaged(error.to_string()))?;
    if kept.format != FORMAT {
        return Err(damaged("another format"));
    }
    if kept.log != log {
        return Err(Error::OtherLog { found: kept.log, wanted: log.to_owned() });
    }
    let mut state = State::default();
    (state.next, state.at) = (kept.next, Micros(kept.at));
    for entity in kept.entities {
        let kind: Option<Kind> = entity.kind.parse().ok();
        let raw = match (&entity.body, kind) {
            (None, _) | (_, Some(Kind::PriceBook)) => Bytes::new(),
            (Some(body), _) => Bytes::copy_from_slice(body.get().as_bytes()),
        };
        let body = entity.body.map(|_| match kind {
            Some(kind) => Body::from_log(kind, &raw),
            None => Body::Unknown,
        });
        let (created, changed) = (entity.created.into(), entity.changed.into());
        let version = entity.version;
        state.restore(entity.kind, entity.id, Entity { version, body, raw, created, changed });
    }
    for (at, id, digest, version) in kept.commands {
        state.restore_command(Micros(at), id, digest, version);
    }
    Ok(state)
}

fn sum(json: &[u8]) -> String {
    Sha256::digest(json).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes a checkpoint in place of the one before, whole or not at all.
///
/// # Errors
/// [`Error::File`], and as [`encode`].
pub fn save(path: &Path, state: &State, log: &str) -> Result<(), Error> {
    let bytes = encode(state, log)?;
    let failed = |source| Error::File { path: path.to_owned(), source };
    let part = path.with_extension("new");
    let write = || {
        let mut file = File::create(&part)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&part, path)
    };
    write().map_err(failed)
}

/// The checkpoint of a file; `None` when there is none.
///
/// # Errors
/// As [`decode`], and [`Error::File`].
pub fn load(path: &Path, log: &str) -> Result<Option<State>, Error> {
    match fs::read(path) {
        Ok(bytes) => decode(&bytes, log).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::File { path: path.to_owned(), source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_damaged_or_of_another_log_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.checkpoint");
        assert!(load(&path, "log").unwrap().is_none());
        let mut state = State::default();
        state.next = 7;
        save(&path, &state, "log").unwrap();
        assert_eq!(load(&path, "log").unwrap().unwrap().next, 7);
        assert!(matches!(load(&path, "other"), Err(Error::OtherLog { .. })));
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
        assert!(matches!(load(&path, "log"), Err(Error::Damaged(_))));
    }
}
