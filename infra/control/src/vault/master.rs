//! Master keys in a file or a variable.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use async_trait::async_trait;
use base64::Engine as _;
use runtime::secret::{self, Secret, read_0600, write_new_0600};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{BASE64, Error, Key, Master, decrypt, encrypt, random};

/// What a wrapped data key is bound to.
const ASSOCIATED: &[u8] = b"hub data key";

/// Master keys of a text: 32 bytes in base64 a line, the current one first.
#[derive(Debug)]
pub struct MasterFile {
    current: String,
    keys: BTreeMap<String, MasterKey>,
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
    /// The keys of a file that only its owner may read; a new one is made when there is none.
    /// True when it was made.
    ///
    /// # Errors
    /// [`Error::File`], [`Error::Master`].
    pub fn open(path: &Path) -> Result<(Self, bool), Error> {
        let shown = path.display().to_string();
        match read_0600(path) {
            Ok(text) => return Ok((Self::parse(&shown, text.expose())?, false)),
            Err(secret::Error::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            }
            Err(error) => return Err(error.into()),
        }
        let text: Secret = format!("{}\n", BASE64.encode(*random()?)).into();
        match write_new_0600(path, text.expose().as_bytes()) {
            Ok(()) => Ok((Self::parse(&shown, text.expose())?, true)),
            // somebody else was faster: theirs counts
            Err(secret::Error::File { source, .. })
                if source.kind() == io::ErrorKind::AlreadyExists =>
            {
                Ok((Self::parse(&shown, read_0600(path)?.expose())?, false))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The keys of a text; `place` names it in errors.
    ///
    /// # Errors
    /// [`Error::Master`].
    pub fn parse(place: &str, text: &str) -> Result<Self, Error> {
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
        Ok(Self { current: current.ok_or_else(wrong)?, keys })
    }
}

#[async_trait]
impl Master for MasterFile {
    fn current(&self) -> String {
        self.current.clone()
    }

    async fn wrap(&self, key: &Key) -> Result<(String, Vec<u8>), Error> {
        let MasterKey(master) = self.keys.get(&self.current).ok_or(Error::Random)?;
        Ok((self.current.clone(), encrypt(master, &**key, ASSOCIATED)?))
    }

    async fn unwrap(&self, master: &str, wrapped: &[u8]) -> Result<Key, Error> {
        let MasterKey(own) = self.keys.get(master).ok_or_else(|| Error::OtherMaster {
            wanted: master.to_owned(),
            have: self.keys.keys().cloned().collect::<Vec<_>>().join(", "),
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

    #[test]
    fn what_is_no_key_is_told() {
        for text in ["", "\n", "c2hvcnQ", "not base64!"] {
            let error = MasterFile::parse("HUB_MASTER_KEY", text).unwrap_err().to_string();
            assert!(error.starts_with("HUB_MASTER_KEY: a master key is 32"), "{error}");
        }
    }
}
