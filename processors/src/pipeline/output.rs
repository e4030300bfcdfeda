//! What a step appends: records collected until the step is closed.

use bytes::Bytes;
use runtime::log::{Header, NewRecord, Outgoing, Record};
use schemas::event::Dead;
use schemas::topics::TopicPartition;
use schemas::wire::{Codec, Error, Event};
use serde_bytes::ByteBuf;

use super::verdict::{Place, Refusal};

/// The largest value that a dead letter holds: with its frame it must fit a record of the log.
const WHOLE: usize = 4 << 20;

/// The outputs of one step.
#[derive(Debug)]
pub struct Output {
    codec: Codec,
    processor: String,
    dead: TopicPartition,
    records: Vec<Outgoing>,
    bytes: usize,
    urgent: bool,
}

impl Output {
    /// No outputs yet; refused records go to `dead`.
    pub fn new(codec: Codec, processor: &str, dead: TopicPartition) -> Self {
        let processor = processor.to_owned();
        Self { codec, processor, dead, records: Vec::new(), bytes: 0, urgent: false }
    }

    /// Encodes with the framing of this log.
    pub const fn codec(&self) -> &Codec {
        &self.codec
    }

    /// Appends an event.
    ///
    /// # Errors
    /// The event does not fit its schema; nothing is appended.
    pub fn push<E: Event>(
        &mut self,
        to: TopicPartition,
        key: impl Into<Bytes>,
        event: &E,
    ) -> Result<(), Error> {
        let value = self.codec.to_vec(event)?;
        self.push_value(to, key, value, Vec::new());
        Ok(())
    }

    /// Appends a value that is encoded already.
    pub fn push_value(
        &mut self,
        to: TopicPartition,
        key: impl Into<Bytes>,
        value: Vec<u8>,
        headers: Vec<Header>,
    ) {
        self.bytes = self.bytes.saturating_add(value.len());
        let record = NewRecord { key: key.into(), value: Some(value.into()), headers };
        self.records.push(Outgoing { to, record });
    }

    /// Appends a tombstone.
    pub fn remove(&mut self, to: TopicPartition, key: impl Into<Bytes>) {
        let record = NewRecord { key: key.into(), value: None, headers: Vec::new() };
        self.records.push(Outgoing { to, record });
    }

    /// Appends a record's dead letter: the record whole, and why it was refused.
    ///
    /// # Errors
    /// As [`Output::push`].
    pub fn bury(&mut self, place: &Place, record: &Record, why: &Refusal) -> Result<(), Error> {
        let header = |(name, value): &(String, Bytes)| (name.clone(), ByteBuf::from(&**value));
        let whole = record.value.as_ref().map_or(0, Bytes::len) <= WHOLE;
        let kept = record.value.as_ref().filter(|_| whole);
        let cut = if whole { "" } else { " (too large to be kept here: see the record itself)" };
        let dead = Dead {
            processor: self.processor.clone(),
            topic: place.input.topic.name().to_owned(),
            partition: i32::try_from(place.input.partition).unwrap_or(i32::MAX),
            offset: i64::try_from(place.offset).unwrap_or(i64::MAX),
            at: place.at.0,
            code: why.code.to_owned(),
            reason: format!("{}{cut}", why.reason),
            key: record.key.to_vec(),
            value: kept.map(|value| value.to_vec()),
            headers: record.headers.iter().map(header).collect(),
        };
        self.push(self.dead, record.key.clone(), &dead)
    }

    /// Asks for the step to be closed at once, not when its time comes.
    pub const fn hurry(&mut self) {
        self.urgent = true;
    }

    /// Whether [`Output::hurry`] was called.
    pub const fn urgent(&self) -> bool {
        self.urgent
    }

    /// How many bytes of values are collected.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes what was collected, and begins anew.
    pub fn take(&mut self) -> Vec<Outgoing> {
        self.bytes = 0;
        self.urgent = false;
        std::mem::take(&mut self.records)
    }
}
