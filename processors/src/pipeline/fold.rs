//! The pure core of a processor: records in, outputs and state out, no I/O and no clock.

use std::collections::BTreeMap;
use std::sync::Arc;

use runtime::log::{LogId, Offset, Outgoing, Record, Step};
use schemas::event::{State, StateItem};
use schemas::ids::{Origin, Seq};
use schemas::topics::{Topic, TopicPartition};
use schemas::wire::{self, Codec};

use super::marks::Marks;
use super::output::Output;
use super::verdict::{Place, Refusal, Sighting, Verdict, Wait};

/// A deterministic fold: the same records in the same order give the same outputs, however they
/// are cut into steps.
pub trait Fold: Send {
    /// What records are decoded into.
    type Event: Send;

    /// Whether marks are part of the processor's state in the log.
    const KEEPS_MARKS: bool = true;

    /// Decodes a value; `None` when the fold has no use for it.
    ///
    /// # Errors
    /// An unknown schema is waited for; all else refuses the record.
    fn decode(
        &self,
        codec: &Codec,
        topic: Topic,
        value: &[u8],
    ) -> Result<Option<Self::Event>, wire::Error>;

    /// Whose event it is and which, if its origin counts its events.
    fn identity(event: &Self::Event) -> Option<(Origin, i64)>;

    /// Folds an event in. After [`Verdict::Wait`], [`Verdict::Cut`] and [`Verdict::Reject`] the
    /// fold must be as it was.
    fn apply(&mut self, place: &Place, event: Self::Event, out: &mut Output) -> Verdict;

    /// Accounts for a record that was refused; its dead letter is written already.
    ///
    /// # Errors
    /// What is to be written does not fit its schema.
    fn refuse(
        &mut self,
        place: &Place,
        record: &Record,
        why: &Refusal,
        out: &mut Output,
    ) -> Result<(), wire::Error>;

    /// The step ends: writes the state that changed.
    ///
    /// # Errors
    /// What is to be written does not fit its schema.
    fn close(&mut self, out: &mut Output) -> Result<(), wire::Error>;
}

/// What happened to a record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Taken {
    /// It is done with.
    Done,
    /// It stays where it is until this is known.
    Wait(Wait),
    /// The step has to be closed first.
    Cut,
}

/// Counts since the processor took over.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// Records done with.
    pub records: u64,
    /// Of these, seen before.
    pub duplicates: u64,
    /// Of these, refused.
    pub dead: u64,
}

/// A fold with its marks, positions and the outputs of the step that is open.
#[derive(Debug)]
pub struct Folding<F> {
    processor: Arc<str>,
    state: TopicPartition,
    fold: F,
    marks: Marks,
    out: Output,
    moved: BTreeMap<TopicPartition, Offset>,
    /// Dead letters of records before these positions are written already.
    buried: BTreeMap<TopicPartition, Offset>,
    open: usize,
    tally: Tally,
}

impl<F: Fold> Folding<F> {
    /// Goes on with `fold` and `marks`; outputs of the processor go to `out`.
    pub fn new(processor: &str, partition: u32, fold: F, marks: Marks, out: Output) -> Self {
        Self {
            processor: processor.into(),
            state: Topic::State.at(partition),
            fold,
            marks,
            out,
            moved: BTreeMap::new(),
            buried: BTreeMap::new(),
            open: 0,
            tally: Tally::default(),
        }
    }

    /// Writes no dead letters of records before these positions: an earlier owner did.
    pub fn buried(self, buried: BTreeMap<TopicPartition, Offset>) -> Self {
        Self { buried, ..self }
    }

    /// The fold and the marks.
    pub fn into_parts(self) -> (F, Marks) {
        (self.fold, self.marks)
    }

    /// Takes the next record of an input.
    ///
    /// # Errors
    /// An output does not fit its schema: a bug, the processor must stop.
    pub fn take(&mut self, input: TopicPartition, record: &Record) -> Result<Taken, wire::Error> {
        let mut place = Place { input, offset: record.offset, at: record.at, sighting: None };
        let stated = stated_identity(record);
        let mut mark = None;
        if let Some((origin, seq)) = stated {
            let Some(next) = self.marks.look(input.topic, origin, seq) else {
                return Ok(self.pass(place, |tally| tally.duplicates += 1));
            };
            place.sighting = Some(sighting(origin, seq, &next));
            mark = Some((origin, next));
        }
        let event = match self.decode(input.topic, record) {
            Ok(Some(event)) => event,
            Ok(None) => {
                self.keep(input.topic, mark);
                return Ok(self.pass(place, |_| ()));
            }
            Err(Trouble::Wait(wait)) => return Ok(Taken::Wait(wait)),
            Err(Trouble::Refuse(why)) => return self.bury(place, record, mark, &why),
        };
        match (stated, F::identity(&event)) {
            (None, Some((origin, seq))) if seq > 0 => {
                let seq = seq.unsigned_abs();
                let Some(next) = self.marks.look(input.topic, origin, seq) else {
                    return Ok(self.pass(place, |tally| tally.duplicates += 1));
                };
                place.sighting = Some(sighting(origin, seq, &next));
                mark = Some((origin, next));
            }
            (None, None) => {}
            (Some((origin, seq)), Some(own)) if own == (origin, seq.cast_signed()) => {}
            (Some(_), None) => {}
            (_, Some(_)) => {
                let why = Refusal::new("identity", "headers and value name another origin or seq");
                return self.bury(place, record, mark, &why);
            }
        }
        match self.fold.apply(&place, event, &mut self.out) {
            Verdict::Emit => {
                self.keep(input.topic, mark);
                Ok(self.pass(place, |_| ()))
            }
            Verdict::Reject(why) => self.bury(place, record, mark, &why),
            Verdict::Wait(wait) => Ok(Taken::Wait(wait)),
            Verdict::Cut => Ok(Taken::Cut),
        }
    }

    /// Notes that an input was read up to before `next`, where no record follows yet.
    pub fn passed(&mut self, input: TopicPartition, next: Offset) {
        if let Some(moved) = self.moved.get_mut(&input) {
            *moved = (*moved).max(next);
        }
    }

    /// Closes the step: outputs, the state that changed, and the positions of the inputs.
    ///
    /// # Errors
    /// As [`Folding::take`].
    pub fn close(&mut self, ids: impl Fn(Topic) -> LogId) -> Result<Step, wire::Error> {
        self.fold.close(&mut self.out)?;
        let (processor, state) = (Arc::clone(&self.processor), self.state);
        if F::KEEPS_MARKS {
            for ((topic, origin), mark) in self.marks.take_changed() {
                let key = format!("{processor}/mark/{}/{origin}", topic.name());
                let gaps = mark.missing().iter().flat_map(|(first, last)| [*first, *last]);
                let item = State {
                    origin: Some(origin),
                    seq: mark.greatest().cast_signed(),
                    missing: gaps.map(u64::cast_signed).collect(),
                    ..item(StateItem::Mark, topic.at(state.partition), &ids)
                };
                self.out.push(state, key, &item)?;
            }
        }
        let moved = std::mem::take(&mut self.moved);
        for (input, next) in &moved {
            let key = format!("{processor}/position/{}", input.topic.name());
            let offset = next.cast_signed();
            let item = State { offset, ..item(StateItem::Position, *input, &ids) };
            self.out.push(state, key, &item)?;
        }
        self.open = 0;
        Ok(Step { outputs: self.out.take(), inputs: moved.into_iter().collect() })
    }

    /// Takes the outputs so far, for a replay that commits nothing.
    pub fn take_outputs(&mut self) -> Vec<Outgoing> {
        self.out.take()
    }

    /// Records taken since the step was opened.
    pub const fn open(&self) -> usize {
        self.open
    }

    /// What the open step will write.
    pub const fn out(&self) -> &Output {
        &self.out
    }

    /// The fold.
    pub const fn fold(&self) -> &F {
        &self.fold
    }

    /// The fold, for what its effect takes out of it.
    pub const fn fold_mut(&mut self) -> &mut F {
        &mut self.fold
    }

    /// The marks.
    pub const fn marks(&self) -> &Marks {
        &self.marks
    }

    /// Counts since the processor took over.
    pub const fn tally(&self) -> Tally {
        self.tally
    }

    fn decode(&self, topic: Topic, record: &Record) -> Result<Option<F::Event>, Trouble> {
        let Some(value) = &record.value else {
            return Ok(None); // a tombstone says nothing that a fold of history needs
        };
        match self.fold.decode(self.out.codec(), topic, value) {
            Ok(event) => Ok(event),
            Err(wire::Error::UnknownSchema(id)) => Err(Trouble::Wait(Wait::Schema(id))),
            Err(error) => Err(Trouble::Refuse(Refusal::new("undecodable", error.to_string()))),
        }
    }

    fn bury(
        &mut self,
        place: Place,
        record: &Record,
        mark: Option<(Origin, super::Mark)>,
        why: &Refusal,
    ) -> Result<Taken, wire::Error> {
        if self.buried.get(&place.input).is_none_or(|before| place.offset >= *before) {
            self.out.bury(&place, record, why)?;
        }
        self.fold.refuse(&place, record, why, &mut self.out)?;
        self.keep(place.input.topic, mark);
        Ok(self.pass(place, |tally| tally.dead += 1))
    }

    fn keep(&mut self, topic: Topic, mark: Option<(Origin, super::Mark)>) {
        if let Some((origin, mark)) = mark {
            self.marks.keep(topic, origin, mark);
        }
    }

    fn pass(&mut self, place: Place, count: impl FnOnce(&mut Tally)) -> Taken {
        self.moved.insert(place.input, place.offset.saturating_add(1));
        self.open += 1;
        self.tally.records += 1;
        count(&mut self.tally);
        Taken::Done
    }
}

enum Trouble {
    Wait(Wait),
    Refuse(Refusal),
}

fn sighting(origin: Origin, seq: Seq, next: &super::Mark) -> Sighting {
    Sighting { origin, seq, included: next.included(), late: seq < next.greatest() }
}

/// Origin and seq as the headers state them, so that marks move past values that can't be read.
fn stated_identity(record: &Record) -> Option<(Origin, Seq)> {
    let origin = header(record, "origin").and_then(|value| value.try_into().ok())?;
    let seq = header(record, "seq").and_then(|value| value.try_into().ok())?;
    let seq = Seq::from_be_bytes(seq);
    let in_range = (1..=i64::MAX.unsigned_abs()).contains(&seq);
    in_range.then_some((Origin(origin), seq))
}

/// The value of a header.
pub fn header<'r>(record: &'r Record, name: &str) -> Option<&'r [u8]> {
    let found = record.headers.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| &**value)
}

/// A state item about an input, its other fields empty.
pub fn item(item: StateItem, input: TopicPartition, ids: &impl Fn(Topic) -> LogId) -> State {
    State {
        item,
        topic: input.topic.name().to_owned(),
        partition: i32::try_from(input.partition).unwrap_or(i32::MAX),
        log_id: ids(input.topic).0,
        offset: 0,
        origin: None,
        seq: 0,
        missing: Vec::new(),
        command: None,
        digest: Vec::new(),
    }
}
