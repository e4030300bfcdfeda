//! Secrets: what must not be printed, where they are kept, and how new ones are made.

mod file;
#[cfg(feature = "test-util")]
pub mod leak;
mod reference;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::TryRngCore as _;
use rand::rngs::OsRng;
use zeroize::Zeroizing;

pub use file::{read_0600, read_or_make, write_new_0600};
pub use reference::SecretRef;

/// A text that is shown to nobody: no `Display`, no `Serialize`, a redacted `Debug`, and its
/// memory is wiped when the last copy is dropped. Cheap to clone.
#[derive(Clone)]
pub struct Secret(Arc<Zeroizing<String>>);

/// Why a secret can't be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The variable is not set, or empty.
    #[error("the variable {0} is not set: set it to the secret")]
    Variable(String),
    /// The file can't be read or written.
    #[error("secret file {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file holds no text.
    #[error("secret file {} {what}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Others may read the file.
    #[error("secret file {} has mode {mode:o}, others may read it: chmod 600 {}", path.display(), path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The system gives no random numbers.
    #[error("no random numbers from the system: {0}")]
    Random(rand::rand_core::OsError),
}

impl Secret {
    /// A new secret of so many random bytes, in URL-safe base64 without padding (4 characters
    /// for 3 bytes).
    ///
    /// # Errors
    /// [`Error::Random`].
    pub fn random(bytes: usize) -> Result<Self, Error> {
        let mut raw = Zeroizing::new(vec![0; bytes]);
        OsRng.try_fill_bytes(&mut raw).map_err(Error::Random)?;
        Ok(URL_SAFE_NO_PAD.encode(&*raw).into())
    }

    /// The text itself. Do not log it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(Arc::new(Zeroizing::new(text)))
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}
