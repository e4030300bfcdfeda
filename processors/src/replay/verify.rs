//! Counts every event in every place where it must be.

use std::collections::{BTreeSet, HashSet};

use clickhouse::{Client, Row};
use schemas::event::{EntryKind, Ledger};
use schemas::ids::{CallId, Origin};
use schemas::topics::Topic;
use serde::{Deserialize, Serialize};

use super::Error;
use super::billing::dead_letters;
use super::read::Records;
use crate::Deps;
use crate::pipeline::{Held, Marks, header};
use crate::sink::{Kind, Usages, written_key};

/// The counts of the usage events of one partition, each up to where its processor is.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Verdict {
    /// Which partition.
    pub partition: u32,
    /// Records in the log.
    pub records: u64,
    /// Of these, events that tell their origin and seq: the distinct ones.
    pub events: u64,
    /// Seqs that are missing.
    pub missing: u64,
    /// Events not seen by billing yet.
    pub billing_lag: u64,
    /// Events not seen by the sink yet.
    pub sink_lag: u64,
    /// Events that the journal names as the cause of a charge.
    pub charged: u64,
    /// Events that the journal names as the cause of a suspense entry.
    pub suspended: u64,
    /// Events that billing refused.
    pub dead: u64,
    /// Of these, events that are in the journal too.
    pub dead_and_suspended: u64,
    /// Calls that were charged more than once.
    pub charged_twice: u64,
    /// Rows in ClickHouse, counted without FINAL.
    pub rows: u64,
    /// Of these, the distinct (origin, seq).
    pub distinct_rows: u64,
    /// Events that the sink refused.
    pub sink_dead: u64,
    /// What does not add up, in words; empty when all is well.
    pub wrong: Vec<String>,
}

impl Verdict {
    /// Whether everything adds up.
    pub fn is_sound(&self) -> bool {
        self.wrong.is_empty()
    }
}

#[derive(Row, Deserialize)]
struct Counted {
    rows: u64,
    distinct: u64,
    end: u64,
}

/// Verifies the usage events of one partition: the distinct (origin, seq) in the log are the rows
/// in ClickHouse, and the causes in the journal with the dead letters.
///
/// # Errors
/// [`Error`]: nothing could be counted.
pub async fn verify(deps: &Deps, client: &Client, partition: u32) -> Result<Verdict, Error> {
    let (log, codec, usage) = (&*deps.log, &deps.codec, Topic::Usage.at(partition));
    let held = async |name| Held::read(log, codec, name, partition).await;
    let (billing, sink) = (held("billing").await?.positions, held("sink/usage").await?);
    let billed = billing.get(&usage).copied().unwrap_or(0);
    let sunk = sink.positions.get(&usage).copied().unwrap_or(0);
    // the rows of the sink's last step are inserted after its commit
    let named = sink.items.get(&written_key::<Usages>());
    let named = named.and_then(|state| u64::try_from(state.offset).ok()).unwrap_or(0);
    let query = format!(
        "SELECT count() AS rows, uniqExact(origin, seq) AS distinct, \
         if(rows = 0, 0, max(log_offset) + 1) AS end \
         FROM {} WHERE log_partition = {{partition:UInt32}} AND log_offset < {{sunk:UInt64}}",
        Usages::TABLE.name()
    );
    let query = client.query_raw(&query).param("partition", partition).param("sunk", sunk);
    let counted: Counted = query.fetch_one().await.map_err(crate::sink::Fault::from)?;

    let mut verdict = Verdict { partition, ..Verdict::default() };
    let mut marks = Marks::default();
    let (mut billed_events, mut sunk_events, mut last_events) = (0, 0, 0);
    let mut records = Records::whole(log, usage).await?;
    let end = log.ends(usage).await?.end;
    while let Some(record) = records.before(end).await? {
        verdict.records += 1;
        let origin = header(&record, "origin").and_then(|origin| origin.try_into().ok());
        let seq = header(&record, "seq").and_then(|seq| seq.try_into().ok());
        let (Some(origin), Some(seq)) = (origin, seq) else {
            continue;
        };
        let (origin, seq) = (Origin(origin), u64::from_be_bytes(seq));
        let Some(mark) = marks.look(Topic::Usage, origin, seq) else {
            continue;
        };
        marks.keep(Topic::Usage, origin, mark);
        verdict.events += 1;
        billed_events += u64::from(record.offset < billed);
        sunk_events += u64::from(record.offset < sunk);
        last_events += u64::from((named..sunk).contains(&record.offset));
    }
    verdict.missing = marks.missing();
    verdict.billing_lag = verdict.events - billed_events;

    let mut causes = Causes::default();
    causes.read(deps, partition, billed, &mut verdict).await?;
    let name = Topic::Usage.name();
    let of_usage = |dead: &(String, i64)| (dead.0 == name).then_some(dead.1);
    let dead = dead_letters(deps, "billing", partition, &billing).await?;
    let dead: BTreeSet<i64> = dead.keys().filter_map(of_usage).collect();
    verdict.dead = count(dead.len());
    verdict.dead_and_suspended = count(dead.intersection(&causes.suspended).count());
    let sink_dead = dead_letters(deps, "sink/usage", partition, &sink.positions).await?;
    let sink_dead: Vec<i64> = sink_dead.keys().filter_map(of_usage).collect();
    let last_dead = count(sink_dead.iter().filter(|at| **at >= named.cast_signed()).count());
    verdict.sink_dead = count(sink_dead.len());
    if counted.end <= named && last_events > last_dead {
        // the last step's rows are still on their way
        sunk_events -= last_events;
        verdict.sink_dead -= last_dead;
    }
    verdict.sink_lag = verdict.events - sunk_events;
    (verdict.rows, verdict.distinct_rows) = (counted.rows, counted.distinct);

    let ended = count(
        causes
            .charged
            .union(&causes.suspended)
            .copied()
            .collect::<BTreeSet<_>>()
            .union(&dead)
            .count(),
    );
    let mut check = |is: u64, should: u64, what: &str| {
        if is != should {
            verdict.wrong.push(format!("{what}: {is}, should be {should}"));
        }
    };
    check(ended, billed_events, "events in the journal or among the dead letters");
    check(counted.distinct + verdict.sink_dead, sunk_events, "events with a row or a dead letter");
    check(counted.rows, counted.distinct, "rows without FINAL");
    check(verdict.charged_twice, 0, "calls charged more than once");
    Ok(verdict)
}

/// The usage offsets that the journal names.
#[derive(Default)]
struct Causes {
    charged: BTreeSet<i64>,
    suspended: BTreeSet<i64>,
}

impl Causes {
    async fn read(
        &mut self,
        deps: &Deps,
        partition: u32,
        billed: u64,
        verdict: &mut Verdict,
    ) -> Result<(), Error> {
        let ledger = Topic::Ledger.at(partition);
        let end = deps.log.ends(ledger).await?.end;
        let mut entries = Records::whole(&*deps.log, ledger).await?;
        let mut calls: HashSet<CallId> = HashSet::new();
        while let Some(record) = entries.before(end).await? {
            let value = record.value.unwrap_or_default();
            let entry: Ledger = deps.codec.decode(&value).map_err(crate::pipeline::Error::from)?;
            let counted = u64::try_from(entry.cause_offset).is_ok_and(|offset| offset < billed);
            if entry.cause_topic != Topic::Usage.name() || !counted {
                continue;
            }
            if entry.kind == EntryKind::Usage {
                self.charged.insert(entry.cause_offset);
                let known = entry.call.is_some_and(|call| !calls.insert(call));
                verdict.charged_twice += u64::from(known);
            } else {
                self.suspended.insert(entry.cause_offset);
            }
        }
        verdict.charged = count(self.charged.len());
        verdict.suspended = count(self.suspended.len());
        Ok(())
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
