//! Master keys in a file or a variable.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use base64::Engine as _;
use runtime::secret::{self, Secret, read_0600, write_new_0600};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{BASE64, Error, Key, Master, decrypt, encrypt, random};

/// What a wrapped data key is bound to.
const ASSOCIATED: &[u8] = b"hub data key";

/// Master keys of a text: 32 bytes in base64 a line, the current one first. A file is read anew when a key
/// is asked for that it did not have, so that keys change without a restart.
#[derive(Debug)]
pub struct MasterFile {
    path: Option<PathBuf>,
    keys: RwLock<Arc<Keys>>,
}

#[derive(Debug)]
struct Keys {
    current: String,
    all: BTreeMap<String, MasterKey>,
}

struct MasterKey(Key);

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey(redacted)")
    }
}

/// The public name of a master key: the first 8 hex digits of its SHA-256.
pub fn fingerprint(key: &[u8; 32]) -> String {
    let digest = Sha256::digest([&b"hub master key"[..], key].concat());
    digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

impl MasterFile {
    /// The keys of a file that only its owner may read.
    ///
    /// # Errors
    /// [`Error::File`], [`Error::Master`].
    pub fn read(path: &Path) -> Result<Self, Error> {
        let keys = Keys::parse(&path.display().to_string(), read_0600(path)?.expose())?;
        Ok(Self { path: Some(path.to_owned()), keys: RwLock::new(Arc::new(keys)) })
    }

    /// The same; a new one is made when there is none. True when it was made.
    ///
    /// # Errors
    /// As [`MasterFile::read`].
    pub fn open(path: &Path) -> Result<(Self, bool), Error> {
        let is = |error: &Error, kind| matches!(error, Error::File(secret::Error::File { source, .. }) if source.kind() == kind);
        match Self::read(path) {
            Err(error) if is(&error, io::ErrorKind::NotFound) => {}
            known => return Ok((known?, false)),
        }
        let text: Secret = format!("{}\n", BASE64.encode(*random()?)).into();
        match write_new_0600(path, text.expose().as_bytes()).map_err(Error::from) {
            Ok(()) => Ok((Self::read(path)?, true)),
            // somebody else was faster: theirs counts
            Err(error) if is(&error, io::ErrorKind::AlreadyExists) => {
                Ok((Self::read(path)?, false))
            }
            Err(error) => Err(error),
        }
    }

    /// The keys of a text; `place` names it in errors.
    ///
    /// # Errors
    /// [`Error::Master`].
    pub fn parse(place: &str, text: &str) -> Result<Self, Error> {
        Ok(Self { path: None, keys: RwLock::new(Arc::new(Keys::parse(place, text)?)) })
    }

    fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn read_anew(&self) -> Result<(), Error> {
        if let Some(path) = &self.path {
            let keys = Self::read(path)?.keys();
            *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        }
        Ok(())
    }
}

impl Keys {
    fn parse(place: &str, text: &str) -> Result<Self, Error> {
        let wrong = || Error::Master(place.to_owned());
        let mut current = None;
        let mut keys = BTreeMap::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let bytes = BASE64.decode(line.trim_end_matches('=')).map_err(|_| wrong())?;
            let bytes = Zeroizing::new(bytes);
            let mut key = Zeroizing::new([0; 32]);
            if bytes.len() != key.len() {
                return Err(wrong());
            }
            key.copy_from_slice(&bytes);
            let id = fingerprint(&key);
            current.get_or_insert_with(|| id.clone());
            keys.insert(id, MasterKey(key));
        }
        Ok(Self { current: current.ok_or_else(wrong)?, all: keys })
    }
}

#[async_trait]
impl Master for MasterFile {
    fn current(&self) -> String {
        self.keys().current.clone()
    }

    async fn refresh(&self) -> Result<(), Error> {
        self.read_anew()
    }

    async fn wrap(&self, key: &Key) -> Result<(String, Vec<u8>), Error> {
        let keys = self.keys();
        let MasterKey(master) = keys.all.get(&keys.current).ok_or(Error::Random)?;
        Ok((keys.current.clone(), encrypt(master, &**key, ASSOCIATED)?))
    }

    async fn unwrap(&self, master: &str, wrapped: &[u8]) -> Result<Key, Error> {
        let mut keys = self.keys();
        if !keys.all.contains_key(master) {
            match self.read_anew() {
                Ok(()) => keys = self.keys(),
                Err(error) => tracing::warn!(%error, "the master keys can't be read anew"),
            }
        }
        let MasterKey(own) = keys.all.get(master).ok_or_else(|| Error::OtherMaster {
            wanted: master.to_owned(),
            have: keys.all.keys().cloned().collect::<Vec<_>>().join(", "),
        })?;
        let refused = || Error::Refused("a data key".to_owned());
        let plain = decrypt(own, wrapped, ASSOCIATED).ok_or_else(refused)?;
        let mut key = Zeroizing::new([0; 32]);
        if plain.len() != key.len() {
            return Err(refused());
        }
        key.copy_from_slice(&plain);
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_made_once_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master-key");
        let (made, new) = MasterFile::open(&path).unwrap();
        let (read, again) = MasterFile::open(&path).unwrap();
        assert_eq!((new, again), (true, false));
        assert_eq!(made.current(), read.current());
        assert!(!format!("{made:?}").contains(read_0600(&path).unwrap().expose()));
    }

    #[tokio::test]
    async fn a_key_that_is_put_into_the_file_later_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master-key");
        let (old, _) = MasterFile::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let (new, _) = MasterFile::open(&path).unwrap();
        let data = Key::new([7; 32]);
        let (by, wrapped) = new.wrap(&data).await.unwrap();
        // the file has it by now
        assert_eq!(*old.unwrap(&by, &wrapped).await.unwrap(), *data);
        assert_eq!(old.current(), new.current());
        let nobody = old.unwrap("00000000", &wrapped).await.unwrap_err();
        assert!(matches!(nobody, Error::OtherMaster { .. }), "{nobody}");
    }

    #[test]
    fn what_is_no_key_is_told() {
        for text in ["", "\n", "c2hvcnQ", "not base64!"] {
            let error = MasterFile::parse("HUB_MASTER_KEY", text).unwrap_err().to_string();
            assert!(error.starts_with("HUB_MASTER_KEY: a master key is 32"), "{error}");
        }
    }
}
