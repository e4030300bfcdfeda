//! Confluent framing: a zero byte, a 4-byte big-endian schema id, the Avro body.
//!
//! See "Wire format" in Confluent's Schema Registry documentation. The ids are the fixed ones of
//! the table [`SCHEMAS`], or those that a schema registry gave.

mod codec;
mod decode;
mod encode;
mod plan;

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::event;
use crate::topics::Topic;

pub use codec::Codec;

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

impl SchemaName {
    /// All names, in the order of their declaration.
    pub const ALL: [Self; 12] = [
        Self::Usage,
        Self::Attempt,
        Self::Tick,
        Self::Control,
        Self::Credit,
        Self::Ledger,
        Self::Balance,
        Self::Health,
        Self::Limit,
        Self::Audit,
        Self::Dead,
        Self::State,
    ];

    /// The full name of its Avro record, and the one topic that carries it.
    const fn place(self) -> (&'static str, Topic) {
        match self {
            Self::Usage => ("hub.Usage", Topic::Usage),
            Self::Attempt => ("hub.Attempt", Topic::Attempts),
            Self::Tick => ("hub.Tick", Topic::Attempts),
            Self::Control => ("hub.Control", Topic::Control),
            Self::Credit => ("hub.Credit", Topic::Credits),
            Self::Ledger => ("hub.Ledger", Topic::Ledger),
            Self::Balance => ("hub.Balance", Topic::Balances),
            Self::Health => ("hub.Health", Topic::Health),
            Self::Limit => ("hub.Limit", Topic::Limits),
            Self::Audit => ("hub.Audit", Topic::Audit),
            Self::Dead => ("hub.Dead", Topic::Dead),
            Self::State => ("hub.State", Topic::State),
        }
    }

    /// The full name of its Avro record.
    pub const fn record(self) -> &'static str {
        self.place().0
    }

    /// The topic that carries it.
    pub const fn topic(self) -> Topic {
        self.place().1
    }

    /// The name of an Avro record of this full name.
    pub fn from_record(record: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|name| name.record() == record)
    }
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
    (13, SchemaName::Usage, include_str!("../../avro/usage.13.avsc")),
    (20, SchemaName::Health, include_str!("../../avro/health.20.avsc")),
    (21, SchemaName::Audit, include_str!("../../avro/audit.21.avsc")),
    (22, SchemaName::Control, include_str!("../../avro/control.22.avsc")),
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

/// Why a value can't be encoded or decoded, or its schema not be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Too short, or the first byte is not zero.
    #[error("not in Confluent framing: {0} bytes, first {1:?}")]
    Framing(usize, Option<u8>),
    /// No schema of this id is known: wait for it, do not refuse the value.
    #[error("schema id {0} is not known")]
    UnknownSchema(u32),
    /// The schema is of a record that is no event.
    #[error("the record {0:?} is none of the hub's")]
    Foreign(String),
    /// A schema without an id.
    #[error("no id is given for the schema {0:?}")]
    Unassigned(SchemaName),
    /// An id of two schemas.
    #[error("schema id {id} is given for {first:?} and for {second:?}")]
    Reassigned {
        /// The id.
        id: u32,
        /// What it stood for first.
        first: SchemaName,
        /// And then.
        second: SchemaName,
    },
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
