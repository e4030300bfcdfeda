//! Ids as types, so that one can't be taken for another.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! text_ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Arc<str>);

        impl $name {
            /// The text of the id.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl<T: Into<Arc<str>>> From<T> for $name {
            fn from(text: T) -> Self {
                Self(text.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    )*};
}

text_ids! {
    /// Who pays.
    AccountId;
    /// What a key belongs to.
    ProjectId;
    /// An API key, by its public part.
    KeyId;
    /// An upstream as the operator named it.
    ProviderId;
    /// A secret of a provider, by name.
    CredentialId;
    /// A model, as callers or a provider name it.
    ModelId;
    /// A version of the price book: the start of its content hash.
    PriceVersion;
    /// What health is kept of: see [`credential_subject`], [`target_subject`],
    /// [`provider_subject`] and [`model_subject`].
    SubjectId;
}

/// Health subject of a credential. It holds the credential's version, so that a rotated
/// credential starts with a clean record.
pub fn credential_subject(
    provider: &ProviderId,
    credential: &CredentialId,
    version: u32,
) -> SubjectId {
    format!("{provider}/{credential}@{version}").into()
}

/// Health subject of a target: a model behind a credential.
pub fn target_subject(
    provider: &ProviderId,
    credential: &CredentialId,
    version: u32,
    model: &ModelId,
) -> SubjectId {
    format!("{provider}/{credential}@{version}/{model}").into()
}

/// Health subject of a provider, in one partition.
pub fn provider_subject(provider: &ProviderId) -> SubjectId {
    format!("provider:{provider}").into()
}

/// Health subject of a model by its provider's name for it, in one partition.
pub fn model_subject(model: &ModelId) -> SubjectId {
    format!("model:{model}").into()
}

macro_rules! byte_ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub [u8; 16]);

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_bytes(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                serde_bytes::ByteArray::<16>::deserialize(from).map(|bytes| Self(bytes.into_array()))
            }
        }

        impl From<$name> for uuid::Uuid {
            fn from(id: $name) -> Self {
                Self::from_bytes(id.0)
            }
        }

        impl From<uuid::Uuid> for $name {
            fn from(id: uuid::Uuid) -> Self {
                Self(id.into_bytes())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                uuid::Uuid::from_bytes(self.0).as_hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    )*};
}

byte_ids! {
    /// A call: a UUID v7, so that ids sort by time.
    CallId;
    /// One start of one process that writes events, at random.
    Origin;
}

impl CallId {
    /// The id of a call that is admitted at `millis` since the epoch, made of ten random bytes.
    pub fn new(millis: i64, random: &[u8; 10]) -> Self {
        let millis = u64::try_from(millis).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, random).into_uuid().into()
    }

    /// When the call was admitted, in milliseconds since the epoch.
    pub fn millis(self) -> i64 {
        self.0
            .first_chunk::<6>()
            .map_or(0, |time| time.iter().fold(0, |millis, byte| (millis << 8) | i64::from(*byte)))
    }

    /// The random half of the id: seeds what must differ from call to call, but not when the same
    /// call is looked at again.
    pub fn seed(self) -> u64 {
        self.0.last_chunk().map_or(0, |half| u64::from_be_bytes(*half))
    }
}

/// Position of an event among those of its origin for one topic partition, from 1.
pub type Seq = u64;
