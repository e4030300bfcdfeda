//! Collects the rows of the next insert.

use std::sync::Arc;

use clickhouse::Row;
use runtime::log::{LogId, Record};
use schemas::event::StateItem;
use schemas::ids::Origin;
use schemas::topics::Topic;
use schemas::wire::{self, Codec, SchemaName};

use super::rows::{From, Kind};
use crate::pipeline::{Fold, Output, Place, Refusal, Verdict, item};

/// The rows of one insert, in the order of the log.
#[derive(Debug)]
pub struct Batch<K: Kind> {
    /// Which making of the topic the rows come from.
    pub log_id: Arc<str>,
    /// Which partition.
    pub partition: u32,
    events: Vec<(Place, K::Event)>,
}

impl<K: Kind> Batch<K> {
    /// Names the batch by its content: the same rows have the same token, so that ClickHouse drops
    /// an insert that it has taken before.
    pub fn token(&self) -> String {
        let offset = |end: Option<&(Place, K::Event)>| end.map_or(0, |(place, _)| place.offset);
        let (first, last) = (offset(self.events.first()), offset(self.events.last()));
        format!("{}/{}/{}/{first}-{last}", K::TABLE.name(), self.log_id, self.partition)
    }

    /// The rows.
    pub fn rows(&self) -> impl Iterator<Item = <K::Row as Row>::Value<'_>> {
        self.events.iter().map(|(place, event)| {
            let (partition, offset, at) = (self.partition, place.offset, place.at.0);
            K::row(event, From { log_id: &self.log_id, partition, offset, at })
        })
    }

    /// Where each row stands in the log.
    pub fn places(&self) -> impl Iterator<Item = &Place> {
        self.events.iter().map(|(place, _)| place)
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }
}

/// The sink's fold: what was read and is not in the table yet.
#[derive(Debug)]
pub struct Sink<K: Kind> {
    state: u32,
    log_id: LogId,
    /// The offset behind the last row that is in the table.
    written: u64,
    batch: Batch<K>,
    bytes: usize,
    limit: usize,
}

impl<K: Kind> Sink<K> {
    /// Goes on behind the last row of the table; a batch is closed at `limit` bytes of events.
    pub fn new(partition: u32, log_id: LogId, written: u64, limit: usize) -> Self {
        let batch = Batch { log_id: log_id.0.as_str().into(), partition, events: Vec::new() };
        Self { state: partition, log_id, written, batch, bytes: 0, limit }
    }

    /// The rows that wait for their insert.
    pub const fn batch(&self) -> &Batch<K> {
        &self.batch
    }

    /// The insert is done.
    pub fn landed(&mut self) {
        if let Some((last, _)) = self.batch.events.last() {
            self.written = last.offset.saturating_add(1);
        }
        self.batch.events.clear();
        self.bytes = 0;
    }
}

/// An event and how large it was in the log.
#[derive(Debug)]
pub struct Sized<E> {
    bytes: usize,
    event: E,
}

impl<K: Kind> Fold for Sink<K> {
    type Event = Sized<K::Event>;

    /// The table has them.
    const KEEPS_MARKS: bool = false;

    fn decode(
        &self,
        codec: &Codec,
        _topic: Topic,
        value: &[u8],
    ) -> Result<Option<Self::Event>, wire::Error> {
        if K::TOPIC == Topic::Attempts && codec.name_of(value)? == SchemaName::Tick {
            return Ok(None);
        }
        Ok(Some(Sized { bytes: value.len(), event: codec.decode(value)? }))
    }

    fn identity(event: &Self::Event) -> Option<(Origin, i64)> {
        K::identity(&event.event)
    }

    fn apply(&mut self, place: &Place, event: Self::Event, out: &mut Output) -> Verdict {
        let Sized { bytes, event } = event;
        let other_month =
            self.batch.events.last().is_some_and(|(last, _)| month(last) != month(place));
        if other_month {
            return Verdict::Cut;
        }
        self.batch.events.push((*place, event));
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes >= self.limit {
            out.hurry();
        }
        Verdict::Emit
    }

    fn refuse(
        &mut self,
        _place: &Place,
        _record: &Record,
        _why: &Refusal,
        _out: &mut Output,
    ) -> Result<(), wire::Error> {
        Ok(())
    }

    /// Notes where the rows of the table end: with the position of the step it names the batch
    /// that is about to be inserted.
    fn close(&mut self, out: &mut Output) -> Result<(), wire::Error> {
        let input = K::TOPIC.at(self.batch.partition);
        let offset = self.written.cast_signed();
        let ids = |_| self.log_id.clone();
        let written = schemas::event::State { offset, ..item(StateItem::Position, input, &ids) };
        let key = format!("{}/{}", name::<K>(), written_key::<K>());
        out.push(Topic::State.at(self.state), key, &written)
    }
}

/// Name of the processor.
pub(super) fn name<K: Kind>() -> String {
    format!("sink/{}", K::TABLE.name())
}

/// Key of the state item that says where the rows of the table end.
pub(crate) fn written_key<K: Kind>() -> String {
    format!("written/{}", K::TOPIC.name())
}

/// Year and month of the log-append time, as the tables are partitioned.
fn month(place: &Place) -> (i64, u8) {
    let days = place.at.0.div_euclid(86_400_000_000);
    civil(days)
}

/// Year and month of a day since the epoch, in the proleptic Gregorian calendar: counted from
/// 0000-03-01 in eras of 400 years, so that leap days end a year.
fn civil(days: i64) -> (i64, u8) {
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let from_march = (5 * day + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    (year, u8::try_from(month).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_clickhouses() {
        for (days, wanted) in [
            (0, (1970, 1)),
            (30, (1970, 1)),
            (31, (1970, 2)),
            (58, (1970, 2)),
            (59, (1970, 3)),
            (-1, (1969, 12)),
            (10_956, (1999, 12)),
            (10_957, (2000, 1)),
            (11_015, (2000, 2)),
            (11_016, (2000, 2)),
            (11_017, (2000, 3)),
            (20_468, (2026, 1)),
            (47_540, (2100, 2)),
            (47_541, (2100, 3)),
        ] {
            assert_eq!(civil(days), wanted, "{days}");
        }
    }
}
