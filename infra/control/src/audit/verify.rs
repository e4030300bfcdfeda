//! Whether the audit trail, and the control topic that it seals, are as they were written.
//!
//! Found: a record that was altered, one that is missing between others, records in another order,
//! records behind the last of a chain, a topic that begins later or has gaps; a change of the
//! configuration that was altered or removed after the trail had sealed it (some seconds after it
//! was made), and one that is missing before a later change of the same entity.
//!
//! Not found: that the last records of a chain without a closing record were cut off together with
//! everything behind them in the topic (a process that was killed leaves such a chain, and one that
//! runs has one), that changes were cut off before they were sealed, and that somebody who can
//! write the whole log made it anew with all hashes. Against these keep the heads of the chains
//! that this reports elsewhere, and compare.

use std::collections::{BTreeMap, HashMap, VecDeque};

use runtime::log::{self, Log, Offset, Record, Span};
use schemas::audit::is_sealed;
use schemas::event::{Audit, Control, Hash};
use schemas::ids::Origin;
use schemas::topics::Topic;
use schemas::wire::Codec;
use serde::Serialize;

use super::seen::{Told, extend};
use super::{CLOSED, UNSENT};
use crate::state::State;

/// What is told in full.
const TOLD: usize = 100;

/// A record that is not as it was written, or a place where one is missing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Bad {
    /// The topic.
    pub topic: &'static str,
    /// Where in it.
    pub offset: Offset,
    /// What is wrong.
    pub why: String,
}

/// The chain of a start of a process.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Chain {
    /// Which start.
    pub origin: String,
    /// Its records.
    pub records: i64,
    /// Hash of the last.
    pub head: String,
    /// Whether it has a closing record.
    pub closed: bool,
}

/// What was found.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Report {
    /// Records of the audit topic.
    pub records: u64,
    /// Of these, sent twice because whether the first counts was not known.
    pub repeated: u64,
    /// The chains, by origin.
    pub chains: Vec<Chain>,
    /// Records of the control topic.
    pub changes: u64,
    /// Of these, how many the trail seals.
    pub sealed_changes: u64,
    /// How much is wrong.
    pub wrong: u64,
    /// The first of it, in the order of the topics.
    pub bad: Vec<Bad>,
}

impl Report {
    /// Whether everything is as it was written.
    pub const fn is_sound(&self) -> bool {
        self.wrong == 0
    }

    fn add(&mut self, topic: Topic, offset: Offset, why: impl Into<String>) {
        self.wrong = self.wrong.saturating_add(1);
        if self.bad.len() < TOLD {
            self.bad.push(Bad { topic: topic.name(), offset, why: why.into() });
        }
    }
}

/// Checks every record of both topics, up to where they end now.
///
/// # Errors
/// The log can't be read.
pub async fn verify(log: &dyn Log, codec: &Codec) -> log::Result<Report> {
    let mut report = Report::default();
    // in this order: what the trail told was in the control topic before
    let audit = log.ends(Topic::Audit.at(0)).await?.end;
    let mut chains = Chains::default();
    let mut gaps = Gaps::new(Topic::Audit);
    let mut span =
        Span::open(log, Topic::Audit.at(0), start(log, Topic::Audit).await?, audit).await?;
    while let Some(records) = span.page().await? {
        for record in records {
            report.records += 1;
            gaps.take(&record, &mut report);
            if let Err(why) = chains.take(codec, &record, &mut report.repeated) {
                report.add(Topic::Audit, record.offset, why);
            }
        }
    }
    gaps.end(audit, &mut report);
    let told = chains.tell(&mut report);
    changes(log, codec, told, &mut report).await?;
    Ok(report)
}

async fn start(log: &dyn Log, topic: Topic) -> log::Result<Offset> {
    Ok(log.ends(topic.at(0)).await?.start)
}

/// Checks the control topic against what the trail told of it.
async fn changes(
    log: &dyn Log,
    codec: &Codec,
    mut told: BTreeMap<Offset, Vec<(Offset, Told)>>,
    report: &mut Report,
) -> log::Result<()> {
    const TOPIC: Topic = Topic::Control;
    let (id, end) = (log.id(TOPIC).0, log.ends(TOPIC.at(0)).await?.end);
    let mut span = Span::open(log, TOPIC.at(0), start(log, TOPIC).await?, end).await?;
    let (mut state, mut hash, mut gaps) = (State::default(), Hash::default(), Gaps::new(TOPIC));
    while let Some(records) = span.page().await? {
        for record in records {
            report.changes += 1;
            gaps.take(&record, report);
            if let Err(why) = change(codec, &mut state, &record) {
                report.add(TOPIC, record.offset, why);
            }
            hash = extend(hash, &record);
            for (by, told) in told.remove(&(record.offset + 1)).unwrap_or_default() {
                if told.log == id && told.hash() == Some(hash) {
                    report.sealed_changes = report.changes;
                } else {
                    let why = format!(
                        "the changes up to here are not those that the trail sealed (audit record {by}): \
                         one was altered, removed or added"
                    );
                    report.add(TOPIC, record.offset, why);
                }
            }
        }
    }
    gaps.end(end, report);
    for (at, (by, _)) in told.into_iter().filter_map(|(at, by)| Some((at, by.into_iter().next()?)))
    {
        let why = format!(
            "the trail sealed changes up to before here (audit record {by}), and the last is not there"
        );
        report.add(TOPIC, at, why);
    }
    Ok(())
}

fn change(codec: &Codec, state: &mut State, record: &Record) -> Result<(), String> {
    let value = record.value.as_deref().ok_or("has no value")?;
    let control: Control =
        codec.decode(value).map_err(|error| format!("can't be read: {error}"))?;
    let key = format!("{}/{}", control.kind, control.id);
    let before = state.version(&control.kind, &control.id);
    state.apply(&control, record.offset, record.at);
    if record.key != key.as_bytes() {
        return Err(format!("is of {key} under another key"));
    }
    // who wrote it had seen the version before
    let known = control.version.saturating_sub(1);
    if known > before {
        return Err(format!(
            "was made when {key} was at version {known}, and by the log it is at {before}"
        ));
    }
    Ok(())
}

/// Whether offsets follow each other: nothing but single appends writes these topics.
#[derive(Debug)]
struct Gaps {
    topic: Topic,
    next: Offset,
}

impl Gaps {
    const fn new(topic: Topic) -> Self {
        Self { topic, next: 0 }
    }

    fn take(&mut self, record: &Record, report: &mut Report) {
        self.end(record.offset, report);
        self.next = record.offset.saturating_add(1);
    }

    fn end(&self, at: Offset, report: &mut Report) {
        if at > self.next {
            let missing = at - self.next;
            report.add(
                self.topic,
                self.next,
                format!("{missing} records are missing from here on"),
            );
        }
    }
}

/// The chains, as far as they were read.
#[derive(Debug, Default)]
struct Chains {
    of: HashMap<Origin, Link>,
    told: Vec<(Offset, Told)>,
}

/// Where a chain is.
#[derive(Debug, Default)]
struct Link {
    seq: i64,
    hash: Hash,
    closed: bool,
    records: i64,
    /// Hashes of the last records, with their seqs: as many as may be sent again.
    recent: VecDeque<(i64, Hash)>,
}

impl Chains {
    fn take(&mut self, codec: &Codec, record: &Record, repeated: &mut u64) -> Result<(), String> {
        let value = record.value.as_deref().ok_or("has no value")?;
        let audit: Audit =
            codec.decode(value).map_err(|error| format!("can't be read: {error}"))?;
        let Audit { origin, seq, hash, .. } = audit;
        let link = self.of.entry(origin).or_default();
        if link.recent.contains(&(seq, hash)) && is_sealed(value) {
            *repeated += 1;
            return Ok(());
        }
        let (before, known, closed) = (link.seq, link.hash, link.closed);
        if seq > before {
            (link.seq, link.hash) = (seq, hash);
            link.closed = audit.action == CLOSED;
            link.recent.push_back((seq, hash));
            if link.recent.len() > UNSENT {
                link.recent.pop_front();
            }
        }
        link.records += 1;
        if !is_sealed(value) {
            return Err(format!(
                "was altered: record {seq} of origin {origin} does not fit its hash"
            ));
        }
        if record.key != audit.entity.as_bytes() {
            return Err(format!(
                "was altered: its key is not that of record {seq} of origin {origin}"
            ));
        }
        if seq <= before {
            return Err(format!(
                "is record {seq} of origin {origin}, and comes after its record {before}"
            ));
        }
        if seq - 1 > before {
            let missing = seq - 1 - before;
            return Err(format!(
                "{missing} records of origin {origin} are missing before its record {seq}"
            ));
        }
        if audit.prev_hash != known {
            return Err(format!(
                "record {seq} of origin {origin} is not of the record before it: that was replaced"
            ));
        }
        if closed {
            return Err(format!("record {seq} of origin {origin} comes after its closing record"));
        }
        self.told.extend(Told::of(&audit).map(|told| (record.offset, told)));
        Ok(())
    }

    /// Tells the chains, and returns what they tell of the control topic, by its end.
    fn tell(self, report: &mut Report) -> BTreeMap<Offset, Vec<(Offset, Told)>> {
        let mut chains: Vec<_> = self.of.into_iter().collect();
        chains.sort_by_key(|(origin, _)| *origin);
        report.chains = chains
            .into_iter()
            .map(|(origin, link)| Chain {
                origin: origin.to_string(),
                records: link.records,
                head: link.hash.to_string(),
                closed: link.closed,
            })
            .collect();
        let mut told: BTreeMap<Offset, Vec<(Offset, Told)>> = BTreeMap::new();
        for (by, it) in self.told {
            told.entry(it.end).or_default().push((by, it));
        }
        told
    }
}
