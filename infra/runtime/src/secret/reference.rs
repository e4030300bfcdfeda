//! How a setting names a secret.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Error, Secret, file};

/// What is written in place of a literal; it can't be read back.
const REDACTED: &str = "redacted:";

/// Where a secret is: `env:NAME`, `file:PATH`, or the text itself.
///
/// Only references are shown and serialised; a literal is written as a text that can't be read
/// back, so that it is neither told nor silently replaced.
#[derive(Clone, Debug)]
pub enum SecretRef {
    /// In this variable of the environment.
    Variable(String),
    /// In this file; one line break at its end does not count.
    File(PathBuf),
    /// Here.
    Literal(Secret),
}

/// What is wrong with a reference.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Syntax {
    /// Nothing where something must be.
    #[error("an empty secret: give env:NAME, file:PATH or the secret")]
    Empty,
    /// The configuration was printed and read back.
    #[error("a redacted secret: give env:NAME, file:PATH or the secret")]
    Redacted,
}

impl SecretRef {
    /// The secret. `env` looks a variable up.
    ///
    /// A file that others may read is taken (mounted secrets are often so), with a warning.
    ///
    /// # Errors
    /// [`Error::Variable`], [`Error::File`], [`Error::Content`].
    pub fn resolve(&self, env: impl Fn(&str) -> Option<String>) -> Result<Secret, Error> {
        match self {
            Self::Variable(name) => match env(name) {
                Some(text) if !text.is_empty() => Ok(text.into()),
                _ => Err(Error::Variable(name.clone())),
            },
            Self::File(path) => {
                let (secret, mode) = file::read(path)?;
                if mode & 0o077 != 0 {
                    let mode = format!("{mode:o}");
                    tracing::warn!(path = %path.display(), mode, "others may read this secret");
                }
                Ok(secret)
            }
            Self::Literal(secret) => Ok(secret.clone()),
        }
    }
}

impl FromStr for SecretRef {
    type Err = Syntax;

    fn from_str(text: &str) -> Result<Self, Syntax> {
        match (text.strip_prefix("env:"), text.strip_prefix("file:")) {
            _ if text.is_empty() || text == "env:" || text == "file:" => Err(Syntax::Empty),
            _ if text.starts_with(REDACTED) => Err(Syntax::Redacted),
            (Some(name), _) => Ok(Self::Variable(name.to_owned())),
            (_, Some(path)) => Ok(Self::File(path.into())),
            (None, None) => Ok(Self::Literal(text.into())),
        }
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Literal(_) => f.write_str(REDACTED),
        }
    }
}

impl Serialize for SecretRef {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SecretRef {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = SecretRef;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("env:NAME, file:PATH or a secret")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<SecretRef, E> {
                text.parse().map_err(E::custom)
            }
        }
        // a value of another type may be the secret too: it is not repeated in the error
        from.deserialize_str(Text).map_err(|error| match error.to_string() {
            text if text.starts_with("invalid type") => {
                D::Error::custom("expected text: env:NAME, file:PATH or a secret")
            }
            _ => error,
        })
    }
}
