//! Rebuilds the journal, the balances and the marks of a partition in the order of the causes
//! that the journal recorded.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use schemas::event::{Balance, Dead, Ledger};
use schemas::topics::{Topic, TopicPartition};

use super::read::{Live, Records, live};
use super::report::{Report, show, text};
use super::{Error, compare_marks};
use crate::Deps;
use crate::billing::{Billing, Books};
use crate::pipeline::{Folding, Marks, Taken, output};

/// Rebuilds billing of one partition and compares every entry, balance, mark, command and dead
/// letter with the live ones.
///
/// # Errors
/// [`Error`]: nothing could be compared.
pub async fn billing(deps: &Deps, partition: u32) -> Result<Report, Error> {
    let (log, codec) = (&*deps.log, &deps.codec);
    let live = live(deps, "billing", partition, Topic::Balances, Topic::Ledger).await?;
    let books = Books::new();
    books.read_all(deps).await?;
    let fold = Billing::new(partition, log.partitions(Topic::Usage), books);
    let out = output(deps, "billing", partition);
    let mut rebuilt = Rebuilt {
        folding: Folding::new("billing", partition, fold, Marks::default(), out),
        entries: VecDeque::new(),
        dead: BTreeMap::new(),
    };
    let mut report = Report::new("billing", partition);
    let mut inputs = Vec::new();
    for topic in [Topic::Usage, Topic::Credits] {
        inputs.push(Records::whole(log, topic.at(partition)).await?);
    }
    let show_entry = show::<Ledger>(codec);
    let mut ledger = Records::whole(log, Topic::Ledger.at(partition)).await?;
    while let Some(record) = ledger.before(live.end).await? {
        let value = record.value.unwrap_or_default();
        let entry: Ledger = codec.decode(&value).map_err(crate::pipeline::Error::from)?;
        let cause = Topic::from_name(&entry.cause_topic);
        let behind = u64::try_from(entry.cause_offset).unwrap_or(0).saturating_add(1);
        for input in inputs.iter_mut().filter(|input| Some(input.at().topic) == cause) {
            rebuilt.feed(input, behind, &mut report).await?;
        }
        let key = || format!("{} {}", entry.account, entry.account_seq);
        let replayed = rebuilt.entries.pop_front();
        report.compare("ledger", key, Some(&value), replayed.as_ref(), &show_entry);
    }
    for input in &mut inputs {
        let end = live.held.positions.get(&input.at()).copied().unwrap_or(0);
        rebuilt.feed(input, end, &mut report).await?;
    }
    for value in &rebuilt.entries {
        report.compare(
            "ledger",
            || "not in the journal".to_owned(),
            None,
            Some(value),
            &show_entry,
        );
    }
    rebuilt.compare(deps, &live, partition, &mut report).await?;
    Ok(report)
}

struct Rebuilt {
    folding: Folding<Billing>,
    /// Entries that were made and not compared yet.
    entries: VecDeque<Bytes>,
    dead: BTreeMap<(String, i64), Bytes>,
}

impl Rebuilt {
    /// Folds an input up to before `end`.
    async fn feed(
        &mut self,
        input: &mut Records,
        end: u64,
        report: &mut Report,
    ) -> Result<(), Error> {
        while let Some(record) = input.before(end).await? {
            let taken = self.folding.take(input.at(), &record);
            match taken.map_err(crate::pipeline::Error::from)? {
                Taken::Done | Taken::Cut => {}
                Taken::Wait(wait) => return Err(Error::Unknown(input.at(), record.offset, wait)),
            }
            report.records += 1;
            for outgoing in self.folding.take_outputs() {
                let Some(value) = outgoing.record.value else {
                    continue;
                };
                if outgoing.to.topic == Topic::Ledger {
                    self.entries.push_back(value);
                } else if outgoing.to.topic == Topic::Dead {
                    let offset = record.offset.cast_signed();
                    self.dead.insert((input.at().topic.name().to_owned(), offset), value);
                }
            }
        }
        Ok(())
    }

    async fn compare(
        &self,
        deps: &Deps,
        live: &Live,
        partition: u32,
        report: &mut Report,
    ) -> Result<(), Error> {
        let codec = &deps.codec;
        let mut balances = BTreeMap::new();
        for balance in self.folding.fold().accounts() {
            let value = codec.to_vec(balance).map_err(crate::pipeline::Error::from)?;
            let key = Bytes::copy_from_slice(balance.account.as_str().as_bytes());
            balances.insert(key, Bytes::from(value));
        }
        report.compare_all("balance", &live.published, &balances, text, show::<Balance>(codec));
        compare_marks(report, &live.held.marks, self.folding.marks());
        let items = live.held.items.iter();
        let done: BTreeMap<_, _> =
            items.map(|(key, state)| (key.clone(), state.digest.clone())).collect();
        let commands = self.folding.fold().commands().iter();
        let redone = commands.map(|(key, digest)| (key.clone(), digest.0.to_vec())).collect();
        report.compare_all("command", &done, &redone, Clone::clone, |digest| format!("{digest:?}"));
        let dead = dead_letters(deps, "billing", partition, &live.held.positions).await?;
        let key = |(topic, offset): &(String, i64)| format!("{topic} {offset}");
        report.compare_all("dead letter", &dead, &self.dead, key, show::<Dead>(codec));
        Ok(())
    }
}

/// The dead letters of a processor about inputs before these positions, by topic and offset.
pub(super) async fn dead_letters(
    deps: &Deps,
    processor: &str,
    partition: u32,
    positions: &BTreeMap<TopicPartition, u64>,
) -> Result<BTreeMap<(String, i64), Bytes>, Error> {
    let at = Topic::Dead.at(partition % deps.log.partitions(Topic::Dead).max(1));
    let ends = deps.log.ends(at).await?;
    let mut letters = Records::from(&*deps.log, at, ends.start).await?;
    let mut dead = BTreeMap::new();
    while let Some(record) = letters.before(ends.end).await? {
        let value = record.value.unwrap_or_default();
        let letter: Dead = deps.codec.decode(&value).map_err(crate::pipeline::Error::from)?;
        let input = Topic::from_name(&letter.topic).map(|topic| topic.at(partition));
        let own = letter.processor == processor && letter.partition.cast_unsigned() == partition;
        let before = input.and_then(|input| positions.get(&input));
        if own && before.is_some_and(|before| letter.offset.cast_unsigned() < *before) {
            dead.insert((letter.topic, letter.offset), value);
        }
    }
    Ok(dead)
}
