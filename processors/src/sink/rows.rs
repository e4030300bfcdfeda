//! Event to row, pure.

use analytics::table::{AttemptRow, BalanceRow, HealthRow, LedgerRow, Table, UsageRow};
use clickhouse::{Row, RowRead, RowWrite};
use schemas::event::{Attempt, Balance, Charge, Health, Ledger, Usage};
use schemas::ids::Origin;
use schemas::topics::Topic;
use schemas::wire::Event;

/// Where a row comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct From<'a> {
    /// Which making of the topic.
    pub log_id: &'a str,
    /// Partition of the topic.
    pub partition: u32,
    /// Offset in it.
    pub offset: u64,
    /// Log-append time, microseconds since the epoch.
    pub at: i64,
}

/// A row that can be held while its bytes wait.
pub trait SendRow: for<'a> Row<Value<'a>: Send + Sync + std::fmt::Debug + PartialEq> {}
impl<R> SendRow for R where R: for<'a> Row<Value<'a>: Send + Sync + std::fmt::Debug + PartialEq> {}

/// One topic's way into one table.
pub trait Kind: Send + Sync + 'static {
    /// The events of the topic.
    type Event: Event + std::fmt::Debug + Send + Sync + 'static;
    /// The rows of the table.
    type Row: RowWrite + RowRead + SendRow;
    /// The topic.
    const TOPIC: Topic;
    /// The table.
    const TABLE: Table;

    /// The row of an event.
    fn row<'a>(event: &'a Self::Event, from: From<'a>) -> <Self::Row as Row>::Value<'a>;

    /// Whose event it is and which, if the table has both.
    fn identity(_event: &Self::Event) -> Option<(Origin, i64)> {
        None
    }
}

/// Settled calls.
#[derive(Debug)]
pub struct Usages;

impl Kind for Usages {
    type Event = Usage;
    type Row = UsageRow<'static>;
    const TOPIC: Topic = Topic::Usage;
    const TABLE: Table = Table::Usage;

    fn row<'a>(usage: &'a Usage, from: From<'a>) -> UsageRow<'a> {
        let count = usage.charges.iter().map(elements).sum();
        let mut row = UsageRow {
            log_id: from.log_id,
            log_partition: from.partition,
            log_offset: from.offset,
            logged_at: from.at,
            call: usage.call.into(),
            origin: usage.origin.into(),
            seq: unsigned(usage.seq),
            account: usage.account.as_str(),
            project: usage.project.as_str(),
            key: usage.key.as_str(),
            user: usage.user.as_deref().unwrap_or_default(),
            client: usage.client.as_deref().unwrap_or_default(),
            tags: usage.tags.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
            operation: usage.operation.as_str(),
            dialect: &usage.dialect,
            streamed: usage.streamed,
            model: usage.model.as_str(),
            outcome: usage.outcome.as_str(),
            error: usage.error.as_deref().unwrap_or_default(),
            status: small(usage.status),
            attempts: small(usage.attempts),
            charges_provider: Vec::with_capacity(count),
            charges_credential: Vec::with_capacity(count),
            charges_model: Vec::with_capacity(count),
            charges_meter: Vec::with_capacity(count),
            charges_units: Vec::with_capacity(count),
            charges_estimated: Vec::with_capacity(count),
            charges_reported_nano: Vec::with_capacity(count),
            price_version: usage.price_version.as_str(),
            admitted_at: usage.admitted_at,
            ttft_us: usage.ttft_us,
            duration_us: usage.duration_us,
        };
        for charge in &usage.charges {
            if charge.quantities.is_empty() && charge.reported_nano.is_some() {
                push(&mut row, charge, "reported", 0, charge.reported_nano);
            }
            for (at, quantity) in charge.quantities.iter().enumerate() {
                // once per charge, so that a sum counts it once
                let reported = charge.reported_nano.filter(|_| at == 0);
                push(&mut row, charge, quantity.meter.as_str(), quantity.units, reported);
            }
        }
        row
    }

    fn identity(usage: &Usage) -> Option<(Origin, i64)> {
        Some((usage.origin, usage.seq))
    }
}

fn elements(charge: &Charge) -> usize {
    let alone = charge.quantities.is_empty() && charge.reported_nano.is_some();
    charge.quantities.len() + usize::from(alone)
}

fn push<'a>(
    row: &mut UsageRow<'a>,
    charge: &'a Charge,
    meter: &'a str,
    units: i64,
    reported: Option<i64>,
) {
    row.charges_provider.push(charge.provider.as_str());
    row.charges_credential.push(charge.credential.as_str());
    row.charges_model.push(charge.model.as_str());
    row.charges_meter.push(meter);
    row.charges_units.push(units);
    row.charges_estimated.push(charge.estimated);
    row.charges_reported_nano.push(reported);
}

/// Upstream attempts.
#[derive(Debug)]
pub struct Attempts;

impl Kind for Attempts {
    type Event = Attempt;
    type Row = AttemptRow<'static>;
    const TOPIC: Topic = Topic::Attempts;
    const TABLE: Table = Table::Attempts;

    fn row<'a>(attempt: &'a Attempt, from: From<'a>) -> AttemptRow<'a> {
        AttemptRow {
            log_id: from.log_id,
            log_partition: from.partition,
            log_offset: from.offset,
            logged_at: from.at,
            call: attempt.call.into(),
            origin: attempt.origin.into(),
            seq: unsigned(attempt.seq),
            number: small(attempt.number),
            purpose: attempt.purpose.as_str(),
            provider: attempt.provider.as_str(),
            credential: attempt.credential.as_str(),
            credential_version: count(attempt.credential_version),
            model: attempt.model.as_str(),
            status: small(attempt.status),
            error: attempt.error.as_str(),
            retry_after_ms: attempt.retry_after_ms,
            started_at: attempt.started_at,
            ttft_us: attempt.ttft_us,
            duration_us: attempt.duration_us,
        }
    }

    fn identity(attempt: &Attempt) -> Option<(Origin, i64)> {
        Some((attempt.origin, attempt.seq))
    }
}

/// Journal entries.
#[derive(Debug)]
pub struct Entries;

impl Kind for Entries {
    type Event = Ledger;
    type Row = LedgerRow<'static>;
    const TOPIC: Topic = Topic::Ledger;
    const TABLE: Table = Table::Ledger;

    fn row<'a>(entry: &'a Ledger, from: From<'a>) -> LedgerRow<'a> {
        let (lines, postings) = (&entry.lines, &entry.postings);
        let to_customer = postings.iter().filter(|posting| posting.ledger_account == "customer");
        LedgerRow {
            log_id: from.log_id,
            log_partition: from.partition,
            log_offset: from.offset,
            logged_at: from.at,
            account: entry.account.as_str(),
            account_seq: unsigned(entry.account_seq),
            kind: entry.kind.as_str(),
            call: entry.call.map(Into::into),
            command: entry.command.as_deref().unwrap_or_default(),
            cause_topic: &entry.cause_topic,
            cause_partition: count(entry.cause_partition),
            cause_offset: unsigned(entry.cause_offset),
            caused_at: entry.at,
            price_version: entry.price_version.as_ref().map_or("", |version| version.as_str()),
            amount: to_customer.map(|posting| posting.amount.units()).sum(),
            balance: entry.balance.units(),
            lines_provider: lines.iter().map(|line| line.provider.as_str()).collect(),
            lines_model: lines.iter().map(|line| line.model.as_str()).collect(),
            lines_meter: lines.iter().map(|line| line.meter.as_str()).collect(),
            lines_units: lines.iter().map(|line| line.units).collect(),
            lines_price_nano: lines.iter().map(|line| line.price_nano).collect(),
            lines_amount: lines.iter().map(|line| line.amount.units()).collect(),
            postings_ledger_account: postings
                .iter()
                .map(|posting| posting.ledger_account.as_str())
                .collect(),
            postings_amount: postings.iter().map(|posting| posting.amount.units()).collect(),
            prev_hash: entry.prev_hash.0,
            hash: entry.hash.0,
        }
    }
}

/// Published balances.
#[derive(Debug)]
pub struct Balances;

impl Kind for Balances {
    type Event = Balance;
    type Row = BalanceRow<'static>;
    const TOPIC: Topic = Topic::Balances;
    const TABLE: Table = Table::Balances;

    fn row<'a>(balance: &'a Balance, from: From<'a>) -> BalanceRow<'a> {
        BalanceRow {
            log_id: from.log_id,
            log_partition: from.partition,
            log_offset: from.offset,
            logged_at: from.at,
            account: balance.account.as_str(),
            balance: balance.balance.units(),
            granted: balance.granted.units(),
            spent: balance.spent.units(),
            account_seq: unsigned(balance.account_seq),
            hash: balance.hash.0,
            caused_at: balance.at,
            included_origin: balance.included.iter().map(|item| item.origin.into()).collect(),
            included_seq: balance.included.iter().map(|item| unsigned(item.seq)).collect(),
        }
    }
}

/// Published health.
#[derive(Debug)]
pub struct Healths;

impl Kind for Healths {
    type Event = Health;
    type Row = HealthRow<'static>;
    const TOPIC: Topic = Topic::Health;
    const TABLE: Table = Table::Health;

    fn row<'a>(health: &'a Health, from: From<'a>) -> HealthRow<'a> {
        HealthRow {
            log_id: from.log_id,
            log_partition: from.partition,
            log_offset: from.offset,
            logged_at: from.at,
            subject: health.subject.as_str(),
            kind: health.kind.as_str(),
            score: u8::try_from(health.score.clamp(0, 100)).unwrap_or(0),
            state: health.state.as_str(),
            reason: &health.reason,
            until: health.until,
            since: health.since,
            folded_at: health.at,
            consecutive: count(health.consecutive),
            ejections: count(health.ejections),
            latency_us: health.latency_us,
            good: health.window.iter().map(|slice| slice.good).sum(),
            bad: health.window.iter().map(|slice| slice.bad).sum(),
        }
    }
}

/// Avro has no unsigned numbers; these are never negative.
pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn count(number: i32) -> u32 {
    u32::try_from(number).unwrap_or(0)
}

fn small(number: i32) -> u16 {
    u16::try_from(number.max(0)).unwrap_or(u16::MAX)
}
