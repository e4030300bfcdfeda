//! Topics in; topics or rows out.
//!
//! ```text
//! usage, credits, control ──► billing ──► ledger, balances
//! attempts ─────────────────► health  ──► health
//! usage, attempts, ledger, balances, health ──► sink ──► ClickHouse
//! ```
//!
//! Each processor is a pure fold in the one [`pipeline`], one task per partition, all tasks
//! independent. What a processor knows is in the log or in its table, so it can be killed at any
//! instant, and [`replay`] can rebuild it beside the live one and compare.
//!
//! Start reading at [`pipeline`], then [`billing`].

pub mod billing;
pub mod health;
pub mod pipeline;
pub mod replay;
pub mod sink;

use std::ops::Range;
use std::sync::Arc;

use runtime::clock::Clock;
use runtime::log::Log;
use schemas::wire::Codec;

pub use pipeline::{Board, End, Phase, Progress};

/// What every processor needs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Deps {
    /// The log.
    pub log: Arc<dyn Log>,
    /// Encodes and decodes events.
    pub codec: Codec,
    /// The time, where no fold depends on it.
    pub clock: Clock,
    /// Where processors tell how far they are.
    pub board: Board,
    /// Which partitions this process owns.
    pub share: Share,
}

/// Instance `instance` of `of` owns the partitions p with p mod of = instance.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Share {
    /// This instance, from 0.
    pub instance: u32,
    /// How many instances there are.
    pub of: u32,
}

impl Share {
    /// All partitions.
    pub const ALL: Self = Self { instance: 0, of: 1 };

    /// The owned ones of `partitions`.
    pub fn of(self, partitions: u32) -> std::iter::StepBy<Range<u32>> {
        let step = usize::try_from(self.of.max(1)).unwrap_or(usize::MAX);
        (self.instance..partitions.max(self.instance)).step_by(step)
    }
}
