//! Confluent framing: a zero byte, a 4-byte big-endian schema id, the Avro body.
//!
//! See "Wire format" in Confluent's Schema Registry documentation. On the local log the ids are
//! the fixed ones of the table [`SCHEMAS`]; a schema registry gives its own.

mod decode;
mod encode;
mod plan;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

use apache_avro::Schema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::event;
use decode::Decoder;
use encode::Encoder;
use plan::Plan;

/// Bytes before the Avro body.
pub const HEADER: usize = 5;

/// A schema by name; one topic may carry several.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SchemaName {
    /// [`event::Usage`]
    Usage,
    /// [`event::Attempt`]
    Attempt,
    /// [`event::Tick`]
    Tick,
    /// [`event::Control`]
    Control,
    /// [`event::Credit`]
    Credit,
    /// [`event::Ledger`]
    Ledger,
    /// [`event::Balance`]
    Balance,
    /// [`event::Health`]
    Health,
    /// [`event::Limit`]
    Limit,
    /// [`event::Audit`]
    Audit,
    /// [`event::Dead`]
    Dead,
    /// [`event::State`]
    State,
}

/// Every version of every schema with its fixed id, oldest first. An id is never used again; the
/// last version of a name is the one that is written.
pub const SCHEMAS: &[(u32, SchemaName, &str)] = &[
    (1, SchemaName::Usage, include_str!("../../avro/usage.avsc")),
    (2, SchemaName::Attempt, include_str!("../../avro/attempt.avsc")),
    (3, SchemaName::Tick, include_str!("../../avro/tick.avsc")),
    (4, SchemaName::Control, include_str!("../../avro/control.avsc")),
    (5, SchemaName::Credit, include_str!("../../avro/credit.avsc")),
    (6, SchemaName::Ledger, include_str!("../../avro/ledger.avsc")),
    (7, SchemaName::Balance, include_str!("../../avro/balance.avsc")),
    (8, SchemaName::Health, include_str!("../../avro/health.avsc")),
    (9, SchemaName::Limit, include_str!("../../avro/limit.avsc")),
    (10, SchemaName::Audit, include_str!("../../avro/audit.avsc")),
    (11, SchemaName::Dead, include_str!("../../avro/dead.avsc")),
    (12, SchemaName::State, include_str!("../../avro/state.avsc")),
];

/// A Rust type with a schema.
pub trait Event: Serialize + DeserializeOwned {
    /// Its schema.
    const SCHEMA: SchemaName;
}

macro_rules! events {
    ($($name:ident),*) => {$(
        impl Event for event::$name {
            const SCHEMA: SchemaName = SchemaName::$name;
        }
    )*};
}
events!(Usage, Attempt, Tick, Control, Credit, Ledger, Balance, Health, Limit, Audit, Dead, State);

/// Why a value can't be encoded or decoded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Too short, or the first byte is not zero.
    #[error("not in Confluent framing: {0} bytes, first {1:?}")]
    Framing(usize, Option<u8>),
    /// No schema of this id is known: wait for it, do not refuse the value.
    #[error("schema id {0} is not known")]
    UnknownSchema(u32),
    /// The value is of another schema than was asked for.
    #[error("the value is of schema {found:?}, wanted {wanted:?}")]
    OtherSchema {
        /// As framed.
        found: SchemaName,
        /// As asked for.
        wanted: SchemaName,
    },
    /// The body is not what its schema says, or the Rust type is not.
    #[error("avro: {0}")]
    Avro(#[from] Mismatch),
    /// Bytes are left behind the value.
    #[error("{0} bytes are left behind the value")]
    Trailing(usize),
}

/// A value and its schema do not fit each other.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Mismatch(String);

impl Mismatch {
    fn because(reason: impl fmt::Display) -> Self {
        Self(reason.to_string())
    }
}

impl serde::ser::Error for Mismatch {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::because(message)
    }
}

impl serde::de::Error for Mismatch {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::because(message)
    }
}

struct Version {
    id: u32,
    name: SchemaName,
    plan: Plan,
}

static VERSIONS: LazyLock<Vec<Version>> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "compiled in; a test encodes and decodes each")]
    SCHEMAS
        .iter()
        .map(|(id, name, text)| Version::parse(*id, *name, text).expect("schema"))
        .collect()
});

impl Version {
    fn parse(id: u32, name: SchemaName, text: &str) -> Result<Self, Mismatch> {
        let schema = Schema::parse_str(text).map_err(Mismatch::because)?;
        Ok(Self { id, name, plan: Plan::of(&schema)? })
    }
}

/// Encodes and decodes events under one assignment of schema ids. Cheap to clone.
#[derive(Clone)]
pub struct Codec {
    by_id: Arc<HashMap<u32, &'static Version>>,
}

impl fmt::Debug for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Codec").field("schemas", &self.by_id.len()).finish()
    }
}

impl Default for Codec {
    fn default() -> Self {
        Self::fixed()
    }
}

impl Codec {
    /// The codec with the fixed ids of [`SCHEMAS`].
    pub fn fixed() -> Self {
        Self { by_id: Arc::new(VERSIONS.iter().map(|version| (version.id, version)).collect()) }
    }

    /// The same codec, which also reads what a newer or older writer wrote with this schema, as a
    /// schema registry gives it. The schema is kept for the life of the process.
    ///
    /// # Errors
    /// [`Error::Avro`] when the text is not a schema, or one that no event could have.
    pub fn also_reads(mut self, id: u32, name: SchemaName, text: &str) -> Result<Self, Error> {
        let version = Version::parse(id, name, text)?;
        let known = Arc::make_mut(&mut self.by_id);
        known.insert(id, Box::leak(Box::new(version)));
        Ok(self)
    }

    fn written(name: SchemaName) -> &'static Version {
        let newest = VERSIONS.iter().rev().find(|version| version.name == name);
        #[expect(clippy::expect_used, reason = "a test asks for each name")]
        newest.expect("every name is in the table")
    }

    /// Appends the framed event to `out`.
    ///
    /// # Errors
    /// [`Error::Avro`] when the Rust type is not as its schema says; `out` is then as it was.
    pub fn encode<E: Event>(&self, event: &E, out: &mut Vec<u8>) -> Result<(), Error> {
        let version = Self::written(E::SCHEMA);
        let start = out.len();
        out.push(0);
        out.extend_from_slice(&version.id.to_be_bytes());
        let encoder = Encoder { plan: &version.plan, out };
        event.serialize(encoder).map_err(|mismatch| {
            out.truncate(start);
            Error::Avro(mismatch)
        })
    }

    /// The framed event.
    ///
    /// # Errors
    /// As [`Codec::encode`].
    pub fn to_vec<E: Event>(&self, event: &E) -> Result<Vec<u8>, Error> {
        let mut out = Vec::with_capacity(512);
        self.encode(event, &mut out)?;
        Ok(out)
    }

    fn version_of(&self, value: &[u8]) -> Result<&'static Version, Error> {
        let framing = || Error::Framing(value.len(), value.first().copied());
        let Some((&[0, a, b, c, d], _)) = value.split_first_chunk::<HEADER>() else {
            return Err(framing());
        };
        let id = u32::from_be_bytes([a, b, c, d]);
        self.by_id.get(&id).copied().ok_or(Error::UnknownSchema(id))
    }

    /// Which schema the framed value is of.
    ///
    /// # Errors
    /// [`Error::Framing`] or [`Error::UnknownSchema`].
    pub fn name_of(&self, value: &[u8]) -> Result<SchemaName, Error> {
        self.version_of(value).map(|version| version.name)
    }

    /// The event of a framed value, written with any version of its schema.
    ///
    /// # Errors
    /// All of [`Error`].
    pub fn decode<E: Event>(&self, value: &[u8]) -> Result<E, Error> {
        let version = self.version_of(value)?;
        if version.name != E::SCHEMA {
            return Err(Error::OtherSchema { found: version.name, wanted: E::SCHEMA });
        }
        let mut body = value.get(HEADER..).unwrap_or_default();
        let event = E::deserialize(Decoder { plan: &version.plan, input: &mut body })?;
        if body.is_empty() { Ok(event) } else { Err(Error::Trailing(body.len())) }
    }
}
