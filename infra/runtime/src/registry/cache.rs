//! The file that keeps ids and schemas, so that the registry need not be there at every start.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use schemas::wire::{Codec, SCHEMAS};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Error;
use super::resolve::{Wanted, wanted};

/// What is known of a registry.
#[derive(Debug)]
pub(super) struct Cache {
    path: PathBuf,
    url: String,
    kept: Kept,
}

/// The file.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    /// Which registry gave the ids.
    url: String,
    schemas: Vec<Known>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    id: u32,
    schema: String,
}

/// Full name of the record, if the text is a schema of this build.
fn own(text: &str) -> Option<&'static str> {
    let found = SCHEMAS.iter().find(|(.., own)| *own == text);
    found.map(|(_, name, _)| name.record())
}

impl Kept {
    /// Of the schemas of this build.
    fn codec(&self, unknown: impl Fn(u32) + Send + Sync + 'static) -> Result<Codec, Error> {
        let own = self.schemas.iter().filter(|known| own(&known.schema).is_some());
        Ok(Codec::assigned(own.map(|known| (known.id, &*known.schema)), unknown)?)
    }
}

impl Cache {
    /// What the file says; nothing when there is none.
    pub(super) fn read(path: &Path, url: &str) -> Result<Self, Error> {
        let failed = |source| Error::Cache { path: path.to_path_buf(), source };
        let kept = match fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| failed(error.into()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Kept::default(),
            Err(error) => return Err(failed(error)),
        };
        Ok(Self { path: path.to_path_buf(), url: url.to_owned(), kept })
    }

    /// Whether this registry gave ids to all schemas of this build.
    pub(super) fn is_enough(&self) -> bool {
        let has = |text: &str| self.kept.schemas.iter().any(|known| known.schema == text);
        self.kept.url == self.url && SCHEMAS.iter().all(|(.., text)| has(text))
    }

    /// The codec of what is known, and the ids that it will want.
    pub(super) fn codec(&self) -> Result<(Codec, Wanted), Error> {
        let (ask, wanted) = wanted();
        let codec = self.kept.codec(ask)?;
        let others = self.kept.schemas.iter().filter(|known| own(&known.schema).is_none());
        for Known { id, schema } in others {
            if let Err(error) = codec.learn(*id, schema) {
                tracing::warn!(id, %error, "a schema of the registry can't be read by this hub");
            }
        }
        Ok((codec, wanted))
    }

    /// Adds what the registry gave, and writes the file if that changes it.
    pub(super) fn merge(&mut self, found: Vec<(u32, String)>) -> Result<(), Error> {
        let mut schemas = self.kept.schemas.clone();
        for (id, schema) in found {
            let kept = self.kept.schemas.iter().find(|kept| kept.schema == schema);
            if let (Some(kept), Some(record)) = (kept, own(&schema))
                && kept.id != id
            {
                return Err(Error::OtherIds {
                    url: self.url.clone(),
                    record,
                    kept: kept.id,
                    found: id,
                    cache: self.path.clone(),
                });
            }
            let there = |known: &Known| known.id == id && (known.schema == schema);
            if !schemas.iter().any(there) {
                schemas.push(Known { id, schema });
            }
        }
        if schemas.len() == self.kept.schemas.len() && self.kept.url == self.url {
            return Ok(());
        }
        let kept = Kept { url: self.url.clone(), schemas };
        kept.codec(|_| ())?;
        self.kept = kept;
        self.write().map_err(|source| Error::Cache { path: self.path.clone(), source })
    }

    /// Adds a version of another hub's. A second id of a schema of this build is not kept: it is
    /// read, but what is written has the first.
    pub(super) fn keep(&mut self, id: u32, schema: String) -> Result<(), Error> {
        if own(&schema).is_some() { Ok(()) } else { self.merge(vec![(id, schema)]) }
    }

    /// Whole and on the disk, or as it was; other processes of the same data folder do the same.
    fn write(&self) -> io::Result<()> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let part = self.path.with_extension(format!("new-{}", Uuid::now_v7()));
        let written = File::create(&part).and_then(|mut file| {
            file.write_all(&serde_json::to_vec_pretty(&self.kept)?)?;
            file.sync_all()?;
            fs::rename(&part, &self.path)
        });
        if written.is_err() {
            drop(fs::remove_file(&part)); // it may never have been made
        }
        written.and_then(|()| File::open(folder)?.sync_all())
    }
}
