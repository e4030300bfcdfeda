//! What money leaves behind.

use serde::{Deserialize, Serialize};

use super::{Hash, symbols};
use crate::ids::{AccountId, CallId, Origin, PriceVersion};
use crate::money::Amount;

/// A command that moves money of an account other than by use.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Credit {
    /// Id made by the caller: the same id with the same body is done once, with another body it
    /// is refused.
    pub command: String,
    /// Whose money.
    pub account: AccountId,
    /// Why it moves.
    pub kind: CreditKind,
    /// USD; negative takes away.
    pub amount: Amount,
    /// Who said so.
    pub actor: String,
    /// In the actor's words.
    #[serde(default)]
    pub reason: Option<String>,
}

/// Why money moves.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CreditKind {
    /// Written by a newer version.
    Other,
    /// Given for nothing.
    Grant,
    /// Paid for.
    TopUp,
    /// A correction, either way.
    Adjustment,
    /// Paid back; negative.
    Refund,
    /// Lapsed; negative.
    Expiry,
}
symbols!(CreditKind {
    Other = "other",
    Grant = "grant",
    TopUp = "top_up",
    Adjustment = "adjustment",
    Refund = "refund",
    Expiry = "expiry",
});

/// One entry of the journal.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ledger {
    /// Whose journal.
    pub account: AccountId,
    /// Rises by one per account, from 1.
    pub account_seq: i64,
    /// Hash of the account's entry before; zero for the first.
    pub prev_hash: Hash,
    /// SHA-256 over `prev_hash` and the entry with this field zero.
    pub hash: Hash,
    /// Topic of the record that caused it.
    pub cause_topic: String,
    /// Its partition.
    pub cause_partition: i32,
    /// Its offset.
    pub cause_offset: i64,
    /// What caused it.
    pub kind: EntryKind,
    /// The call, if one caused it.
    #[serde(default)]
    pub call: Option<CallId>,
    /// The command, if one caused it.
    #[serde(default)]
    pub command: Option<String>,
    /// Log-append time of the cause, microseconds since the epoch.
    pub at: i64,
    /// The price book that it was priced with.
    #[serde(default)]
    pub price_version: Option<PriceVersion>,
    /// How the amount came about.
    pub lines: Vec<Line>,
    /// Sum to zero.
    pub postings: Vec<Posting>,
    /// Of the customer's account after the entry.
    pub balance: Amount,
}

/// One priced quantity.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Line {
    /// The provider that was used.
    pub provider: String,
    /// The model that was used.
    pub model: String,
    /// The meter.
    pub meter: String,
    /// Units of it.
    pub units: i64,
    /// 1e-9 USD per million units.
    pub price_nano: i64,
    /// Units × price.
    pub amount: Amount,
}

/// One side of an entry.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Posting {
    /// `customer`, `revenue`, `credits`, `suspense` or `rounding`.
    pub ledger_account: String,
    /// A credit to the customer is positive.
    pub amount: Amount,
}

/// What caused an entry.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// Written by a newer version.
    Other,
    /// A settled call.
    Usage,
    /// A credit command.
    Credit,
    /// Something that could not be priced.
    Suspense,
}
symbols!(EntryKind {
    Other = "other",
    Usage = "usage",
    Credit = "credit",
    Suspense = "suspense",
});

/// State of one account after the newest entry of its journal.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Balance {
    /// Whose.
    pub account: AccountId,
    /// USD; credits less spend.
    pub balance: Amount,
    /// Sum of all credits.
    pub granted: Amount,
    /// Sum of all spend.
    pub spent: Amount,
    /// Of the newest entry.
    pub account_seq: i64,
    /// Of the newest entry.
    pub hash: Hash,
    /// Log-append time of the newest cause, microseconds since the epoch.
    pub at: i64,
    /// Per origin that used this account, the seq up to which its events are in the balance.
    pub included: Vec<Included>,
    /// Rights to spend that gateways hold.
    #[serde(default)]
    pub leases: Vec<Lease>,
}

/// Events of an origin up to this seq are in the balance.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Included {
    /// Whose events.
    pub origin: Origin,
    /// The greatest seq included.
    pub seq: i64,
}

/// A gateway's right to spend.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Lease {
    /// Its id.
    pub id: CallId,
    /// Who holds it.
    pub origin: Origin,
    /// 1e-9 USD.
    pub amount_nano: i64,
    /// Microseconds since the epoch.
    pub expires_at: i64,
}
