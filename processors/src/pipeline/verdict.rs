//! What a fold makes of a record.

use std::borrow::Cow;
use std::fmt;

use runtime::clock::Micros;
use runtime::log::Offset;
use schemas::ids::{Origin, PriceVersion, Seq};
use schemas::topics::TopicPartition;

/// Where a record stands and what is known of it before it is decoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// Which partition.
    pub input: TopicPartition,
    /// Where in it.
    pub offset: Offset,
    /// Log-append time: the only time that folds know.
    pub at: Micros,
    /// Whose event it is, if its origin counts its events.
    pub sighting: Option<Sighting>,
}

/// An event of an origin that was not seen before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sighting {
    /// Whose event.
    pub origin: Origin,
    /// Which.
    pub seq: Seq,
    /// With this one, every seq of the origin up to here was seen.
    pub included: Seq,
    /// It came later than a greater one.
    pub late: bool,
}

/// What a fold says of an event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It is folded in, and what follows from it is among the outputs.
    Emit,
    /// It can never be folded in: it goes to the dead letters, and the next one is looked at.
    Reject(Refusal),
    /// Something that it needs is not known yet: it stays where it is. The fold did not change.
    Wait(Wait),
    /// It belongs to the next step: close this one first. The fold did not change.
    Cut,
}

/// Why a record is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// Stable code.
    pub code: &'static str,
    /// In words.
    pub reason: Cow<'static, str>,
}

impl Refusal {
    /// A refusal.
    pub fn new(code: &'static str, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { code, reason: reason.into() }
    }
}

/// What a record waits for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Wait {
    /// A schema of this id.
    Schema(u32),
    /// This version of the price book.
    Price(PriceVersion),
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Schema(id) => write!(f, "schema id {id}"),
            Self::Price(version) => write!(f, "price book {version}"),
        }
    }
}
