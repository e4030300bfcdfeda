//! What a processor finds when it takes a partition over: positions, marks and its other items.

use std::collections::BTreeMap;

use runtime::log::{Log, LogId, Offset, Writer};
use schemas::event::{State, StateItem};
use schemas::ids::Seq;
use schemas::topics::{Topic, TopicPartition};
use schemas::wire::Codec;

use super::Error;
use super::marks::{Mark, Marks};

/// The state of one processor's partition as the log holds it.
#[derive(Debug, Default)]
pub struct Held {
    /// Next offset of each input, as the state records it.
    pub positions: BTreeMap<TopicPartition, Offset>,
    /// The marks.
    pub marks: Marks,
    /// All other items, by key without the processor's prefix.
    pub items: BTreeMap<String, State>,
}

impl Held {
    /// Reads the state to its end.
    ///
    /// # Errors
    /// The log is away, or an item can't be read or belongs to a topic that was made anew.
    pub async fn read(
        log: &dyn Log,
        codec: &Codec,
        processor: &str,
        partition: u32,
    ) -> Result<Self, Error> {
        let mut held = Self::default();
        let prefix = format!("{processor}/");
        for record in log.latest(Topic::State.at(partition)).await?.records {
            let Some(key) = record.key.strip_prefix(prefix.as_bytes()) else {
                continue;
            };
            let key = String::from_utf8_lossy(key).into_owned();
            let state: State = codec.decode(record.value.as_deref().unwrap_or_default())?;
            held.put(log, key, state)?;
        }
        Ok(held)
    }

    /// Reads what the last step of `writer` committed and the state beside it, and compares:
    /// the state must include just what was committed. A committed offset that the log has
    /// forgotten (Kafka does after `offsets.retention.minutes`) is known from the state, which was
    /// committed with it.
    ///
    /// # Errors
    /// As [`Held::read`], and [`Error::Disagree`].
    pub async fn take_over(
        log: &dyn Log,
        codec: &Codec,
        processor: &str,
        partition: u32,
        writer: &mut dyn Writer,
    ) -> Result<Self, Error> {
        let committed = writer.committed().await?;
        let held = Self::read(log, codec, processor, partition).await?;
        if committed == held.positions {
            return Ok(held);
        }
        if committed.iter().all(|(at, next)| held.positions.get(at) == Some(next)) {
            let (log, state) = (show(&committed), show(&held.positions));
            tracing::warn!(
                processor,
                partition,
                log,
                state,
                "the log has forgotten committed offsets; going on from the state"
            );
            return Ok(held);
        }
        Err(Error::Disagree {
            processor: processor.to_owned(),
            partition,
            committed: show(&committed),
            recorded: show(&held.positions),
        })
    }

    fn put(&mut self, log: &dyn Log, key: String, state: State) -> Result<(), Error> {
        let damaged = || Error::Damaged(key.clone());
        let input = || {
            let topic = Topic::from_name(&state.topic).ok_or_else(damaged)?;
            let partition = u32::try_from(state.partition).map_err(|_| damaged())?;
            same_log(log, topic, &LogId(state.log_id.clone()))?;
            Ok::<_, Error>(topic.at(partition))
        };
        match state.item {
            StateItem::Position if key.starts_with("position/") => {
                let offset = Offset::try_from(state.offset).map_err(|_| damaged())?;
                self.positions.insert(input()?, offset);
            }
            StateItem::Mark => {
                let seqs = state.missing.iter().map(|seq| Seq::try_from(*seq));
                let missing: Vec<_> = seqs.collect::<Result<_, _>>().map_err(|_| damaged())?;
                let greatest = Seq::try_from(state.seq).map_err(|_| damaged())?;
                let mark = Mark::stored(greatest, &missing).ok_or_else(damaged)?;
                let origin = state.origin.ok_or_else(damaged)?;
                self.marks.restore(input()?.topic, origin, mark);
            }
            StateItem::Position | StateItem::Command | StateItem::Other => {
                if state.item == StateItem::Position {
                    input()?;
                }
                self.items.insert(key, state);
            }
        }
        Ok(())
    }
}

/// Refuses a position in another making of a topic.
///
/// # Errors
/// [`Error::OtherLog`].
pub fn same_log(log: &dyn Log, topic: Topic, kept: &LogId) -> Result<(), Error> {
    let found = log.id(topic);
    if found == *kept {
        return Ok(());
    }
    Err(Error::OtherLog { topic, kept: kept.clone(), found })
}

fn show(positions: &BTreeMap<TopicPartition, Offset>) -> String {
    let parts: Vec<_> = positions.iter().map(|(at, offset)| format!("{at}:{offset}")).collect();
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(" ") }
}
