//! Accounting for calls: the ticket, the outbox it writes to, and the shipper to the log.
//!
//! ```text
//! admit ──► Ticket ── sent, progress, attempt ──► settle (or drop: abandoned)
//!   │                      │                         │
//!   ▼                      ▼                         ▼
//! outbox: admitted       sent, attempt            settled        one append lock, mapped file
//!                          └───────── shipper ───────┘           sync, Log::append, watermark
//! ```
//!
//! - One call, one settled event: a [`Ticket`] ends in exactly one `settled` record, and its room
//!   is promised before the upstream call.
//! - Nothing lost: what was appended is in the page cache, which outlives the process; an admitted
//!   record without its settled one is settled as lost by the next process.
//! - Nothing twice: (origin, seq) is given in the append lock, without gaps; what is shipped again
//!   is the same bytes.
//! - Shipped means synced.

mod event;
mod outbox;
mod shipper;
mod ticket;

#[cfg(test)]
mod tests;

pub use event::MAX_ATTEMPTS;
pub(crate) use event::counted_in;
pub use outbox::{
    Durability, Error, Full, Options, Outbox, Partitions, Position, Recovered, Stats,
};
pub use shipper::Shipper;
pub use ticket::{Settled, Ticket};

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use schemas::event::{AttemptError, Charge, Operation, Outcome};
use schemas::ids::{AccountId, CallId, KeyId, ModelId, PriceVersion, ProjectId};

use crate::routing::Target;

/// What is written before the upstream call, so that the call can be settled whatever happens.
#[derive(Clone, Debug)]
pub struct Admission {
    /// The call.
    pub call: CallId,
    /// Who pays.
    pub account: AccountId,
    /// What the key belongs to.
    pub project: ProjectId,
    /// The API key.
    pub key: KeyId,
    /// The caller's end user.
    pub user: Option<Arc<str>>,
    /// The client application.
    pub client: Option<Arc<str>>,
    /// Tags of the caller.
    pub tags: BTreeMap<String, String>,
    /// What is asked for.
    pub operation: Operation,
    /// Dialect of the client.
    pub dialect: &'static str,
    /// Whether the answer is asked for as a stream.
    pub streamed: bool,
    /// Model as the caller asked for it.
    pub model: ModelId,
    /// The price book of the snapshot that admitted it.
    pub price_version: PriceVersion,
    /// An estimate of the input in what the operation is counted in, for calls that are lost after content was given.
    pub input_estimate: i64,
}

/// How one upstream attempt went.
#[derive(Clone, Debug)]
pub struct AttemptReport {
    /// The target.
    pub target: Arc<Target>,
    /// HTTP status of the answer; 0 when none came.
    pub status: u16,
    /// What went wrong.
    pub error: AttemptError,
    /// As the provider asked.
    pub retry_after: Option<Duration>,
    /// When it started.
    pub started_at: runtime::clock::Micros,
    /// Start to the first content byte.
    pub ttft: Option<Duration>,
    /// Start to the end.
    pub duration: Duration,
}

/// How a call ended.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// How.
    pub outcome: Outcome,
    /// Stable code of what went wrong.
    pub error: Option<&'static str>,
    /// HTTP status given to the client; 0 when none was.
    pub status: u16,
    /// What is owed.
    pub charges: Vec<Charge>,
    /// Admission to the first content byte sent to the client.
    pub ttft: Option<Duration>,
}
