//! Secrets at rest: envelope encryption with AES-256-GCM.
//!
//! Each secret has a data key of its own, which a master key wraps. What the secret is of (kind,
//! id and version of the secret) is associated data, so a sealed value that is put in another's
//! place does not open. Losing the master key loses the secrets, and nothing else.

mod master;

use std::fmt;
use std::sync::Arc;

use aes_gcm::aead::{Aead as _, Payload};
use aes_gcm::{Aes256Gcm, KeyInit as _};
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use rand::TryRngCore as _;
use rand::rngs::OsRng;
use runtime::secret::Secret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

pub use master::{MasterFile, fingerprint};

/// A 256-bit key.
pub type Key = Zeroizing<[u8; 32]>;

/// Bytes of a nonce.
const NONCE: usize = 12;
/// Characters of a secret that may be shown.
const TAIL: usize = 4;

/// A sealed secret, as an event holds it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Sealed {
    /// Which master key wraps the data key.
    pub master: String,
    /// The data key: nonce and ciphertext, base64.
    pub wrapped: String,
    /// The secret: nonce and ciphertext, base64.
    pub sealed: String,
    /// Its last characters; empty where it is too short to show any.
    #[serde(default)]
    pub tail: String,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed(…{})", self.tail)
    }
}

/// What a secret is of.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Subject {
    /// Kind and id of the entity, and the field where it has several secrets.
    pub of: String,
    /// Version of the secret.
    pub version: u32,
}

impl Subject {
    /// A secret of an entity.
    pub fn new(of: impl Into<String>, version: u32) -> Self {
        Self { of: of.into(), version }
    }

    fn associated(&self) -> Vec<u8> {
        format!("hub secret\n{}\n{}", self.of, self.version).into_bytes()
    }
}

/// Why a secret can't be sealed or opened. Never says anything of the secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The master key that wraps it is not here.
    #[error(
        "the secret is wrapped by master key {wanted}, and here is {have}: give this node that key (master_key or HUB_MASTER_KEY)"
    )]
    OtherMaster {
        /// Which is wanted.
        wanted: String,
        /// Which are here.
        have: String,
    },
    /// It does not open: it was changed, cut, or is another entity's.
    #[error(
        "the sealed secret of {0} does not open: it was changed, or was sealed for something else"
    )]
    Refused(String),
    /// It is not in the form of a sealed secret.
    #[error("the sealed secret of {0} is damaged: {1} is not what it must be")]
    Damaged(String, &'static str),
    /// A master key is none.
    #[error("{0}: a master key is 32 random bytes in base64, one a line, the current one first")]
    Master(String),
    /// The file of the master key can't be read or made.
    #[error(transparent)]
    File(#[from] runtime::secret::Error),
    /// The system gives no random numbers.
    #[error("no random numbers from the system")]
    Random,
    /// The service that keeps the master key does not answer.
    #[error("the key service: {0}")]
    Service(String),
}

/// Who keeps master keys: a file here, or a key service elsewhere.
#[async_trait]
pub trait Master: Send + Sync + fmt::Debug {
    /// The key that wraps from now on.
    fn current(&self) -> String;

    /// Learns of keys that were changed meanwhile, where that has to be asked for.
    async fn refresh(&self) -> Result<(), Error>;

    /// Wraps a data key with the current master key: its id, and the wrapped key.
    async fn wrap(&self, key: &Key) -> Result<(String, Vec<u8>), Error>;

    /// Unwraps a data key that the master key of this id wrapped.
    async fn unwrap(&self, master: &str, wrapped: &[u8]) -> Result<Key, Error>;
}

/// Seals and opens secrets.
#[derive(Clone, Debug)]
pub struct Vault(Arc<dyn Master>);

impl Vault {
    /// With the master keys of `master`.
    pub fn new(master: Arc<dyn Master>) -> Self {
        Self(master)
    }

    /// The master key that seals from now on.
    pub fn current(&self) -> String {
        self.0.current()
    }

    /// Learns of master keys that were changed meanwhile.
    ///
    /// # Errors
    /// As [`Master::refresh`].
    pub async fn refresh(&self) -> Result<(), Error> {
        self.0.refresh().await
    }

    /// Seals a secret under a data key of its own.
    ///
    /// # Errors
    /// As [`Master::wrap`], and [`Error::Random`].
    pub async fn seal(&self, subject: &Subject, secret: &Secret) -> Result<Sealed, Error> {
        let key = random()?;
        let sealed = encrypt(&key, secret.expose().as_bytes(), &subject.associated())?;
        let (master, wrapped) = self.0.wrap(&key).await?;
        Ok(Sealed {
            master,
            wrapped: BASE64.encode(wrapped),
            sealed: BASE64.encode(sealed),
            tail: tail(secret),
        })
    }

    /// The secret.
    ///
    /// # Errors
    /// It was sealed for another subject or by another master key, or was changed.
    pub async fn open(&self, subject: &Subject, sealed: &Sealed) -> Result<Secret, Error> {
        let damaged = |what| Error::Damaged(subject.of.clone(), what);
        let wrapped = BASE64.decode(&sealed.wrapped).map_err(|_| damaged("wrapped"))?;
        let bytes = BASE64.decode(&sealed.sealed).map_err(|_| damaged("sealed"))?;
        let key = self.0.unwrap(&sealed.master, &wrapped).await.map_err(|error| match error {
            Error::Refused(_) => Error::Refused(subject.of.clone()),
            error => error,
        })?;
        let plain = decrypt(&key, &bytes, &subject.associated())
            .ok_or_else(|| Error::Refused(subject.of.clone()))?;
        let text = std::str::from_utf8(&plain).map_err(|_| damaged("sealed"))?;
        Ok(text.into())
    }

    /// The same secret, its data key wrapped by the current master key; `None` when it is already.
    ///
    /// # Errors
    /// As [`Vault::open`].
    pub async fn rewrap(&self, sealed: &Sealed) -> Result<Option<Sealed>, Error> {
        if sealed.master == self.current() {
            return Ok(None);
        }
        let of = "a data key";
        let wrapped =
            BASE64.decode(&sealed.wrapped).map_err(|_| Error::Damaged(of.into(), "wrapped"))?;
        let key = self.0.unwrap(&sealed.master, &wrapped).await?;
        let (master, wrapped) = self.0.wrap(&key).await?;
        Ok(Some(Sealed { master, wrapped: BASE64.encode(wrapped), ..sealed.clone() }))
    }
}

/// The last characters of a secret that is long enough to be known by them alone.
fn tail(secret: &Secret) -> String {
    let text = secret.expose();
    let count = text.chars().count();
    if count < 4 * TAIL { String::new() } else { text.chars().skip(count - TAIL).collect() }
}

fn random() -> Result<Key, Error> {
    let mut key = Zeroizing::new([0; 32]);
    OsRng.try_fill_bytes(&mut *key).map_err(|_| Error::Random)?;
    Ok(key)
}

/// Nonce and ciphertext with its tag.
fn encrypt(key: &Key, plain: &[u8], associated: &[u8]) -> Result<Vec<u8>, Error> {
    let mut nonce = [0; NONCE];
    OsRng.try_fill_bytes(&mut nonce).map_err(|_| Error::Random)?;
    let cipher = Aes256Gcm::new((&**key).into());
    let payload = Payload { msg: plain, aad: associated };
    let sealed = cipher.encrypt(&nonce.into(), payload).map_err(|_| Error::Random)?;
    Ok([&nonce[..], &sealed].concat())
}

fn decrypt(key: &Key, bytes: &[u8], associated: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, sealed) = bytes.split_first_chunk::<NONCE>()?;
    let cipher = Aes256Gcm::new((&**key).into());
    let payload = Payload { msg: sealed, aad: associated };
    cipher.decrypt(nonce.into(), payload).ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault(keys: &[u8]) -> Vault {
        let lines: Vec<String> = keys.iter().map(|byte| BASE64.encode([*byte; 32])).collect();
        Vault::new(Arc::new(MasterFile::parse("test", &lines.join("\n")).unwrap()))
    }

    fn subject(of: &str, version: u32) -> Subject {
        Subject::new(of, version)
    }

    #[tokio::test]
    async fn a_secret_opens_only_where_it_belongs() {
        let vault = vault(&[1]);
        let own = subject("credential/openai.main", 1);
        let secret = Secret::from("sk-0123456789abcdef");
        let sealed = vault.seal(&own, &secret).await.unwrap();
        assert_eq!(vault.open(&own, &sealed).await.unwrap().expose(), secret.expose());
        assert_eq!(sealed.tail, "cdef");
        assert!(!format!("{sealed:?}").contains("0123"));
        for other in [subject("credential/openai.spare", 1), subject("credential/openai.main", 2)] {
            let error = vault.open(&other, &sealed).await.unwrap_err();
            assert!(matches!(error, Error::Refused(_)), "{error}");
        }
    }

    #[tokio::test]
    async fn what_was_changed_cut_or_wrapped_by_another_key_is_refused_with_its_reason() {
        let (vault, own) = (vault(&[1]), subject("credential/a.b", 1));
        let sealed = vault.seal(&own, &"a secret that is long".into()).await.unwrap();
        let cut = |text: &str| text.chars().take(8).collect::<String>();
        let flip = |text: &str| {
            let mut bytes = BASE64.decode(text).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            BASE64.encode(bytes)
        };
        for (changed, told) in [
            (Sealed { sealed: cut(&sealed.sealed), ..sealed.clone() }, "does not open"),
            (Sealed { wrapped: cut(&sealed.wrapped), ..sealed.clone() }, "does not open"),
            (Sealed { sealed: flip(&sealed.sealed), ..sealed.clone() }, "does not open"),
            (Sealed { wrapped: flip(&sealed.wrapped), ..sealed.clone() }, "does not open"),
            (Sealed { sealed: "%".into(), ..sealed.clone() }, "damaged"),
            (Sealed { wrapped: sealed.sealed.clone(), ..sealed.clone() }, "does not open"),
        ] {
            let error = vault.open(&own, &changed).await.unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
            assert!(!error.contains("secret that"), "{error}");
        }
        let error = self::vault(&[2]).open(&own, &sealed).await.unwrap_err();
        assert!(matches!(error, Error::OtherMaster { .. }), "{error}");
    }

    #[tokio::test]
    async fn a_new_master_key_wraps_what_the_old_one_did() {
        let own = subject("credential/a.b", 1);
        let sealed = vault(&[1]).seal(&own, &"secret".into()).await.unwrap();
        let both = vault(&[2, 1]);
        let again = both.rewrap(&sealed).await.unwrap().unwrap();
        assert_eq!(again.sealed, sealed.sealed);
        assert_eq!(both.rewrap(&again).await.unwrap(), None);
        assert_eq!(vault(&[2]).open(&own, &again).await.unwrap().expose(), "secret");
    }
}
