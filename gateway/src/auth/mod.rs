//! Who is calling: a key's hash looked up in the snapshot. No I/O.

use std::sync::Arc;

use http::{HeaderMap, header};
use sha2::{Digest as _, Sha256};

use crate::call::Call;
use crate::control::{Key, Snapshot};
use crate::error::{Error, Kind};

/// Longer than any key; more is not hashed.
const MAX_KEY: usize = 512;

/// The key of `Authorization: Bearer …`.
///
/// The secret is compared by looking its SHA-256 up, so how long it takes says nothing of how
/// much of a guess was right.
///
/// # Errors
/// No key, or one that is not known.
pub fn authenticate(headers: &HeaderMap, snapshot: &Snapshot) -> Result<Arc<Key>, Error> {
    let missing =
        || Error::new(Kind::MissingKey, "no API key: send the header Authorization: Bearer <key>");
    let value = headers.get(header::AUTHORIZATION).ok_or_else(missing)?;
    let secret = value.as_bytes().split_at_checked(7).ok_or_else(missing)?;
    if !secret.0.eq_ignore_ascii_case(b"bearer ") {
        return Err(missing());
    }
    let secret = secret.1.trim_ascii();
    if secret.is_empty() {
        return Err(missing());
    }
    let known = (secret.len() <= MAX_KEY).then(|| snapshot.keys.get(&hash(secret))).flatten();
    known.cloned().ok_or_else(|| Error::new(Kind::InvalidKey, "the API key is not known here"))
}

/// Whether the key may use the model of the call.
///
/// # Errors
/// It may not.
pub fn authorize(key: &Key, call: &Call) -> Result<(), Error> {
    if key.allows(&call.model) {
        return Ok(());
    }
    let message =
        format!("the key {:?} may not use the model {:?}", key.id.as_str(), call.model.as_str());
    Err(Error::new(Kind::Forbidden, message).at("model"))
}

/// How a key is kept: its SHA-256. Keys are random and long, so a slow hash would add nothing.
pub fn hash(secret: &[u8]) -> [u8; 32] {
    Sha256::digest(secret).into()
}
