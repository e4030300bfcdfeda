//! The rows of the tables: the only Rust statement of the columns.
//!
//! Every row says where in the log it comes from: `log_id`, `log_partition` and `log_offset`.
//! Times are microseconds since the epoch, money is 1e-15 USD. Fields of a nested column are
//! arrays of one length.

use clickhouse::Row;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A table that the sink fills.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Table {
    /// [`UsageRow`]
    Usage,
    /// [`AttemptRow`]
    Attempts,
    /// [`LedgerRow`]
    Ledger,
    /// [`BalanceRow`]
    Balances,
    /// [`HealthRow`]
    Health,
    /// [`AuditRow`]
    Audit,
    /// [`ChangeRow`]
    Changes,
}

impl Table {
    /// All tables.
    pub const ALL: [Self; 7] = [
        Self::Usage,
        Self::Attempts,
        Self::Ledger,
        Self::Balances,
        Self::Health,
        Self::Audit,
        Self::Changes,
    ];

    /// Its name in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::Attempts => "attempts",
            Self::Ledger => "ledger",
            Self::Balances => "balances",
            Self::Health => "health",
            Self::Audit => "audit",
            Self::Changes => "changes",
        }
    }

    /// Its columns, in the order of the row type.
    pub const fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Usage => UsageRow::COLUMN_NAMES,
            Self::Attempts => AttemptRow::COLUMN_NAMES,
            Self::Ledger => LedgerRow::COLUMN_NAMES,
            Self::Balances => BalanceRow::COLUMN_NAMES,
            Self::Health => HealthRow::COLUMN_NAMES,
            Self::Audit => AuditRow::COLUMN_NAMES,
            Self::Changes => ChangeRow::COLUMN_NAMES,
        }
    }

    /// Whether its rows carry the origin and seq of their event.
    pub const fn counts_origins(self) -> bool {
        matches!(self, Self::Usage | Self::Attempts | Self::Audit)
    }
}

/// One settled call.
#[derive(Clone, PartialEq, Debug, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns are described in the migrations")]
pub struct UsageRow<'a> {
    pub log_id: &'a str,
    pub log_partition: u32,
    pub log_offset: u64,
    pub logged_at: i64,
    #[serde(with = "clickhouse::serde::uuid")]
    pub call: Uuid,
    #[serde(with = "clickhouse::serde::uuid")]
    pub origin: Uuid,
    pub seq: u64,
    pub account: &'a str,
    pub project: &'a str,
    pub key: &'a str,
    pub user: &'a str,
    pub client: &'a str,
    #[serde(borrow)]
    pub tags: Vec<(&'a str, &'a str)>,
    pub operation: &'a str,
    pub dialect: &'a str,
    pub streamed: bool,
    pub model: &'a str,
    pub outcome: &'a str,
    pub error: &'a str,
    pub status: u16,
    pub attempts: u16,
    #[serde(rename = "charges.provider", borrow)]
    pub charges_provider: Vec<&'a str>,
    #[serde(rename = "charges.credential", borrow)]
    pub charges_credential: Vec<&'a str>,
    #[serde(rename = "charges.model", borrow)]
    pub charges_model: Vec<&'a str>,
    #[serde(rename = "charges.meter", borrow)]
    pub charges_meter: Vec<&'a str>,
    #[serde(rename = "charges.units")]
    pub charges_units: Vec<i64>,
    #[serde(rename = "charges.estimated")]
    pub charges_estimated: Vec<bool>,
    #[serde(rename = "charges.reported_nano")]
    pub charges_reported_nano: Vec<Option<i64>>,
    pub price_version: &'a str,
    pub admitted_at: i64,
    pub ttft_us: Option<i64>,
    pub duration_us: i64,
}

/// One upstream attempt.
#[derive(Clone, PartialEq, Debug, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns are described in the migrations")]
pub struct AttemptRow<'a> {
    pub log_id: &'a str,
    pub log_partition: u32,
    pub log_offset: u64,
    pub logged_at: i64,
    #[serde(with = "clickhouse::serde::uuid")]
    pub call: Uuid,
    #[serde(with = "clickhouse::serde::uuid")]
    pub origin: Uuid,
    pub seq: u64,
    pub number: u16,
    pub purpose: &'a str,
    pub provider: &'a str,
    pub credential: &'a str,
    pub credential_version: u32,
    pub model: &'a str,
    pub status: u16,
    pub error: &'a str,
    pub retry_after_ms: Option<i64>,
    pub started_at: i64,
    pub ttft_us: Option<i64>,
    pub duration_us: i64,
}

/// One journal entry.
#[derive(Clone, PartialEq, Debug, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns are described in the migrations")]
pub struct LedgerRow<'a> {
    pub log_id: &'a str,
    pub log_partition: u32,
    pub log_offset: u64,
    pub logged_at: i64,
    pub account: &'a str,
    pub account_seq: u64,
    pub kind: &'a str,
    #[serde(with = "clickhouse::serde::uuid::option")]
    pub call: Option<Uuid>,
    pub command: &'a str,
    pub cause_topic: &'a str,
    pub cause_partition: u32,
    pub cause_offset: u64,
    pub caused_at: i64,
    pub price_version: &'a str,
    pub amount: i128,
    pub balance: i128,
    #[serde(rename = "lines.provider", borrow)]
    pub lines_provider: Vec<&'a str>,
    #[serde(rename = "lines.model", borrow)]
    pub lines_model: Vec<&'a str>,
    #[serde(rename = "lines.meter", borrow)]
    pub lines_meter: Vec<&'a str>,
    #[serde(rename = "lines.units")]
    pub lines_units: Vec<i64>,
    #[serde(rename = "lines.price_nano")]
    pub lines_price_nano: Vec<i64>,
    #[serde(rename = "lines.amount")]
    pub lines_amount: Vec<i128>,
    #[serde(rename = "postings.ledger_account", borrow)]
    pub postings_ledger_account: Vec<&'a str>,
    #[serde(rename = "postings.amount")]
    pub postings_amount: Vec<i128>,
    pub prev_hash: [u8; 32],
    pub hash: [u8; 32],
}

/// One published balance.
#[derive(Clone, PartialEq, Debug, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns are described in the migrations")]
pub struct BalanceRow<'a> {
    pub log_id: &'a str,
    pub log_partition: u32,
    pub log_offset: u64,
    pub logged_at: i64,
    pub account: &'a str,
    pub balance: i128,
    pub granted: i128,
    pub spent: i128,
    pub account_seq: u64,
    pub hash: [u8; 32],
    pub caused_at: i64,
    #[serde(rename = "included.origin", with = "clickhouse::serde::uuid_vec")]
    pub included_origin: Vec<Uuid>,
    #[serde(rename = "included.seq")]
    pub included_seq: Vec<u64>,
}

/// One published health.
#[derive(Clone, PartialEq, Debug, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns are described in the migrations")]
pub struct HealthRow<'a> {
    pub log_id: &'a str,
    pub log_partition: u32,
    pub log_offset: u64,
    pub logged_at: i64,
    pub subject: &'a str,
    pub kind: &'a str,
    pub score: u8,
    pub state: &'a str,
    pub reason: &'a str,
    pub until: Option<i64>,
    pub since: i64,
    pub folded_at: i64,
    pub consecutive: u32,
    pub ejections: u32,
    pub latency_us: i64,
    pub good: i64,
    pub bad: i64,
}

/// One audit record.
#[derive(Clone, PartialEq, Debug, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns are described in the migrations")]
pub struct AuditRow<'a> {
    pub log_id: &'a str,
    pub log_partition: u32,
    pub log_offset: u64,
    pub logged_at: i64,
    #[serde(with = "clickhouse::serde::uuid")]
    pub origin: Uuid,
    pub seq: u64,
    pub done_at: i64,
    pub action: &'a str,
    pub entity: &'a str,
    pub actor: &'a str,
    pub address: &'a str,
    pub request: &'a str,
    pub allowed: bool,
    pub before: &'a str,
    pub after: &'a str,
    pub prev_hash: [u8; 32],
    pub hash: [u8; 32],
}

/// One change of the configuration.
#[derive(Clone, PartialEq, Debug, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns are described in the migrations")]
pub struct ChangeRow<'a> {
    pub log_id: &'a str,
    pub log_partition: u32,
    pub log_offset: u64,
    pub logged_at: i64,
    pub kind: &'a str,
    pub id: &'a str,
    pub version: i64,
    pub expected_version: Option<i64>,
    pub deleted: bool,
    pub actor: &'a str,
    pub reason: &'a str,
    pub command: &'a str,
    pub address: &'a str,
    pub request: &'a str,
    pub after: String,
}
