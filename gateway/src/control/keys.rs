//! The keys of a seed: by what they show, and by what they sign as.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::seed::{Error, Lookup, check_id};
use super::{Key, KeyHash, SigningKey};
use crate::config::KeySeed;

/// The longest access key id, as at AWS.
const MAX_ID: usize = 128;

/// Keys by the hash of the secret that they show.
pub(super) fn shown(
    seeds: &[KeySeed],
    hash: &KeyHash,
    lookup: Lookup<'_>,
) -> Result<HashMap<[u8; 32], Arc<Key>>, Error> {
    let mut keys = HashMap::new();
    let mut ids = BTreeSet::new();
    for seed in seeds {
        check_id("keys", &seed.id)?;
        let hash = hash_of(seed, hash, lookup)?;
        let (account, project) = (seed.account.as_str().into(), seed.project.as_str().into());
        let key = Key {
            models: seed.models.clone(),
            origins: seed.origins.clone(),
            regions: seed.regions.clone(),
            ..Key::new(seed.id.as_str().into(), account, project)
        };
        if !ids.insert(&seed.id) {
            return Err(Error::Id { field: "keys", id: seed.id.clone() });
        }
        if let Some(other) = keys.insert(hash, Arc::new(key)) {
            return Err(Error::SameSecret { key: seed.id.clone(), other: other.id.to_string() });
        }
    }
    Ok(keys)
}

/// Those that have opted in to signing, by their access key ids.
pub(super) fn signing(
    seeds: &[KeySeed],
    shown: &HashMap<[u8; 32], Arc<Key>>,
    hash: &KeyHash,
    lookup: Lookup<'_>,
) -> Result<HashMap<Box<str>, SigningKey>, Error> {
    let keys: HashMap<&str, &Arc<Key>> = shown.values().map(|key| (key.id.as_str(), key)).collect();
    let mut signing = HashMap::new();
    for (seed, aws) in seeds.iter().filter_map(|seed| Some((seed, seed.aws.as_ref()?))) {
        let id = &aws.access_key_id;
        let refused = || Error::AccessKey { key: seed.id.clone(), id: id.clone() };
        let plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if id.is_empty() || id.len() > MAX_ID || !plain {
            return Err(refused());
        }
        let field = || format!("keys[{}].aws.secret", seed.id);
        let secret = aws.secret.resolve(lookup);
        let secret = secret.map_err(|source| Error::Secret { field: field(), source })?;
        if let Some(other) = shown.get(&hash.of(secret.expose().as_bytes())) {
            let (key, other) = (seed.id.clone(), other.id.to_string());
            return Err(Error::SigningSecret { key, other });
        }
        let key = keys.get(seed.id.as_str()).ok_or_else(|| Error::Key(seed.id.clone()))?;
        let holder = SigningKey { secret, key: Arc::clone(key) };
        if signing.insert(id.as_str().into(), holder).is_some() {
            return Err(refused());
        }
    }
    Ok(signing)
}

/// The hash of the key that a seed gives, by its secret or by its SHA-256.
///
/// # Errors
/// The secret can't be had, or both are given, or none.
pub fn hash_of(seed: &KeySeed, hash: &KeyHash, lookup: Lookup<'_>) -> Result<[u8; 32], Error> {
    match (&seed.secret, &seed.sha256) {
        (Some(secret), None) => {
            let field = format!("keys[{}].secret", seed.id);
            let secret =
                secret.resolve(lookup).map_err(|source| Error::Secret { field, source })?;
            Ok(hash.of(secret.expose().as_bytes()))
        }
        (None, Some(hex)) => {
            let digest = from_hex(hex).ok_or_else(|| Error::Key(seed.id.clone()))?;
            Ok(hash.of_sha256(&digest))
        }
        _ => Err(Error::Key(seed.id.clone())),
    }
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let digits: Vec<u32> = text.chars().map(|digit| digit.to_digit(16)).collect::<Option<_>>()?;
    if digits.len() != 64 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::try_from(pair.iter().fold(0, |high, low| high * 16 + low)).ok()?;
    }
    Some(bytes)
}
