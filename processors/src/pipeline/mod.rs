//! The pipeline that all processors share.
//!
//! ```text
//! source ──► decode ──► apply ──► commit ──► effect
//! pages of   marks      a pure    outputs,   rows to ClickHouse
//! each input first,     [`Fold`]  state and  (the sink only; what it
//!            then Avro            positions  did is known from the
//!                                 in one step table at takeover)
//! ```
//!
//! - **Taking over** goes in this order: open the writer (which fences the old owner), read the
//!   committed offsets, read the state to its end, and stop if the two disagree.
//! - **A record is done with once**: it is folded in, dropped as seen, or refused into the dead
//!   letters. What can't be judged yet (an unknown schema or price version) waits at the head of
//!   its input, and the other inputs go on.
//! - **A step is one commit**: outputs, changed state, marks and positions, or nothing of it. After
//!   an unknown commit the writer is dropped and the partition is taken over again.
//! - An effect outside of the log comes after the commit of the step that names it, so that the
//!   commit proves ownership first; the next takeover sees whether it happened and redoes it.

mod board;
mod drive;
mod error;
mod fold;
mod held;
mod marks;
mod output;
mod source;
mod verdict;

use std::time::Duration;

use async_trait::async_trait;
use runtime::log::{LogId, Offset};
use schemas::topics::{Topic, TopicPartition};
use schemas::wire::Codec;

pub use board::{Board, Phase, Progress};
pub use drive::{End, run};
pub use error::{Error, Remedy};
pub use fold::{Fold, Folding, Taken, Tally, header, item};
pub use held::{Held, same_log};
pub use marks::{Mark, Marks};
pub use output::Output;
pub use verdict::{Place, Refusal, Sighting, Verdict, Wait};

use crate::Deps;

/// When a step is closed; whatever comes first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Batching {
    /// After this many records.
    pub records: usize,
    /// After this many bytes of outputs.
    pub bytes: usize,
    /// This long after its first record; zero closes when no more records are there.
    pub linger: Duration,
}

/// A fold and where it stands.
#[derive(Debug)]
pub struct Loaded<F> {
    /// The fold.
    pub fold: F,
    /// The marks.
    pub marks: Marks,
    /// Where to read each input on.
    pub positions: std::collections::BTreeMap<TopicPartition, Offset>,
}

/// A processor: which inputs feed which fold, how it is loaded, and its effect outside the log.
#[async_trait]
pub trait Processor: Send + Sync + 'static {
    /// Its fold.
    type Fold: Fold + 'static;

    /// Its name: part of its writer ids and of the keys of its state.
    fn name(&self) -> &str;

    /// The topics that it reads; it reads its own partition of each.
    fn inputs(&self) -> &[Topic];

    /// When its steps are closed.
    fn batching(&self) -> Batching;

    /// Waits until what it needs beside the log is there, before a partition is taken over.
    ///
    /// # Errors
    /// It is not there; the processor tries again.
    async fn ready(&self, _deps: &Deps) -> Result<(), Error> {
        Ok(())
    }

    /// Loads the fold of a partition that was just taken over.
    ///
    /// # Errors
    /// The state can't be read, or does not fit the log.
    async fn load(
        &self,
        deps: &Deps,
        partition: u32,
        held: Held,
    ) -> Result<Loaded<Self::Fold>, Error>;

    /// Does what the step that was just committed named.
    ///
    /// # Errors
    /// Whether it was done may be unknown: the partition is taken over again.
    async fn effect(&self, _deps: &Deps, _fold: &mut Self::Fold) -> Result<(), Error> {
        Ok(())
    }

    /// Called now and then, also when no records come.
    ///
    /// # Errors
    /// As [`Processor::effect`].
    async fn pulse(&self, _deps: &Deps, _partition: u32, _fold: &Self::Fold) -> Result<(), Error> {
        Ok(())
    }
}

/// The outputs of a processor's partition, with nothing in them.
pub fn output(deps: &Deps, processor: &str, partition: u32) -> Output {
    let dead = Topic::Dead.at(partition % deps.log.partitions(Topic::Dead).max(1));
    Output::new(Codec::clone(&deps.codec), processor, dead)
}

/// Which making of each topic positions are kept for.
pub fn ids(deps: &Deps) -> impl Fn(Topic) -> LogId + use<'_> {
    |topic| deps.log.id(topic)
}
