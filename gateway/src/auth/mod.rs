//! Who is calling: a key's hash looked up in the snapshot, or a signature made again. No I/O.

mod sigv4;

use std::borrow::Cow;
use std::sync::Arc;

use http::header;
use http::request::Parts;
use runtime::clock::Micros;
use schemas::ids::ModelId;

use self::sigv4::line::SCHEME;
use crate::call::Call;
use crate::control::{Key, Snapshot};
use crate::error::{Error, Kind};
use crate::http::Peer;
use crate::routing::Plan;

pub use self::sigv4::Signed;

/// Longer than any key; more is not hashed.
const MAX_KEY: usize = 512;

/// Who calls, as far as the head of a request tells.
pub enum Claim<'a> {
    /// It showed its key.
    Shown(Arc<Key>),
    /// It says that it signed, and the body is a part of what is signed.
    Signed(Signed<'a>),
}

impl Claim<'_> {
    /// The key, now that the body is there.
    ///
    /// # Errors
    /// The signature is not that of the request.
    pub fn prove(self, body: &[u8]) -> Result<Arc<Key>, Error> {
        match self {
            Self::Shown(key) => Ok(key),
            Self::Signed(signed) => signed.prove(body),
        }
    }
}

/// Who says to call: as [`authenticate`] finds it, or, where `Authorization` is `AWS4-HMAC-SHA256 …`, who says to have
/// signed at about this time.
///
/// # Errors
/// No key, one that is not known, or a signature that can't be right whatever the body is.
pub fn claim<'a>(head: &'a Parts, snapshot: &'a Snapshot, now: Micros) -> Result<Claim<'a>, Error> {
    let signed = head.headers.get(header::AUTHORIZATION);
    let signed = signed.filter(|value| value.as_bytes().starts_with(SCHEME.as_bytes()));
    match signed {
        Some(value) => Signed::claim(value, head, snapshot, now).map(Claim::Signed),
        None => authenticate(head, snapshot, now).map(Claim::Shown),
    }
}

/// The key of a request: `Authorization: Bearer …`, or where the client's own vendor wants it (`x-api-key`,
/// `x-goog-api-key`, `?key=`).
///
/// The secret is compared by looking its hash up, so how long it takes says nothing of how
/// much of a guess was right.
///
/// # Errors
/// No key, or one that is not known.
pub fn authenticate(head: &Parts, snapshot: &Snapshot, now: Micros) -> Result<Arc<Key>, Error> {
    let secret = shown(head).ok_or_else(|| {
        Error::new(Kind::MissingKey, "no API key: send the header Authorization: Bearer <key>")
    })?;
    let known = || snapshot.keys.get(&snapshot.key_hash.of(&secret));
    let known = (secret.len() <= MAX_KEY).then(known).flatten();
    let key = known.ok_or_else(|| Error::new(Kind::InvalidKey, "the API key is not known here"))?;
    still_taken(key, head, now)?;
    Ok(Arc::clone(key))
}

/// Whether a key that is known is taken now and from there.
fn still_taken(key: &Key, head: &Parts, now: Micros) -> Result<(), Error> {
    if key.expires_at.is_some_and(|expires| expires <= now) {
        return Err(Error::new(Kind::InvalidKey, "the API key has expired"));
    }
    let address = head.extensions.get::<Peer>().map(|peer| peer.0.ip().to_canonical());
    if key.allows_address(address) {
        return Ok(());
    }
    let from = address.map_or_else(|| "there".to_owned(), |address| address.to_string());
    Err(Error::new(Kind::Forbidden, format!("the API key is not taken from {from}")))
}

/// The secret, wherever it is shown; never an empty one.
fn shown(head: &Parts) -> Option<Cow<'_, [u8]>> {
    let header = |name: &str| head.headers.get(name).map(|value| value.as_bytes().trim_ascii());
    let bearer = || {
        let (scheme, secret) = header("authorization")?.split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"bearer ").then(|| secret.trim_ascii())
    };
    let named = ["x-api-key", "x-goog-api-key"];
    let secret = bearer().or_else(|| named.iter().find_map(|name| header(name))).map(Cow::Borrowed);
    let query = || {
        let pairs = url::form_urlencoded::parse(head.uri.query()?.as_bytes());
        let key = pairs.into_iter().find(|(name, _)| name == "key")?;
        Some(Cow::Owned(key.1.into_owned().into_bytes()))
    };
    secret.or_else(query).filter(|secret| !secret.is_empty())
}

/// Whether the key may make the call: its dialect, its model.
///
/// # Errors
/// It may not.
pub fn authorize(key: &Key, call: &Call) -> Result<(), Error> {
    let dialect = call.dialect.as_str();
    if !key.allows_dialect(dialect) {
        let message = format!("the key {:?} may not speak {dialect}", key.id.as_str());
        return Err(Error::new(Kind::Forbidden, message));
    }
    may_use(key, &call.model)
}

/// Leaves of a plan the targets of providers that may serve the key's calls.
///
/// # Errors
/// There are none.
pub fn narrow(key: &Key, plan: &mut Plan) -> Result<(), Error> {
    if key.providers.is_empty() {
        return Ok(());
    }
    plan.targets.retain(|planned| key.allows_provider(&planned.target.provider));
    if !plan.targets.is_empty() {
        return Ok(());
    }
    let message =
        format!("the key {:?} may use no provider that serves the model", key.id.as_str());
    Err(Error::new(Kind::Forbidden, message).at("model"))
}

/// Whether the key may use the model.
///
/// # Errors
/// It may not.
pub fn may_use(key: &Key, model: &ModelId) -> Result<(), Error> {
    if key.allows(model) {
        return Ok(());
    }
    let message =
        format!("the key {:?} may not use the model {:?}", key.id.as_str(), model.as_str());
    Err(Error::new(Kind::Forbidden, message).at("model"))
}
