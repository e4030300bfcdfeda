//! Replay: rebuilds a processor beside the live one and compares, and counts what must add up.
//!
//! Nothing here writes, and no writer is opened: the live processor goes on. A comparison is made
//! at one point of the live processor's history; a busy one is looked at again until it stood
//! still for the time of a look.

mod billing;
mod health;
mod read;
mod report;
mod sink;
mod verify;

use runtime::log::{self, Offset};
use schemas::topics::TopicPartition;

pub use billing::billing;
pub use health::health;
pub use report::{Difference, Report};
pub use sink::sink;
pub use verify::{Verdict, verify};

use crate::pipeline::{self, Mark, Marks, Wait};

/// Why nothing could be compared.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log or the state in it can't be read.
    #[error(transparent)]
    Pipeline(#[from] pipeline::Error),
    /// ClickHouse did not answer.
    #[error("{0}")]
    ClickHouse(crate::sink::Fault),
    /// Retention removed what the replay needs.
    #[error("{at} begins at {start}: what came before was removed, so it can't be replayed whole")]
    Cut {
        /// Which partition.
        at: TopicPartition,
        /// The first offset kept.
        start: Offset,
    },
    /// The live processor never stood still.
    #[error("{0}/{1} moves all the time: stop it, or compare when the hub is quieter")]
    Moving(String, u32),
    /// A record needs something that is not there any more.
    #[error("{0} offset {1} needs {2}, which is not known")]
    Unknown(TopicPartition, Offset, Wait),
}

impl From<log::Error> for Error {
    fn from(error: log::Error) -> Self {
        Self::Pipeline(error.into())
    }
}

impl From<crate::sink::Fault> for Error {
    fn from(fault: crate::sink::Fault) -> Self {
        Self::ClickHouse(fault)
    }
}

fn compare_marks(report: &mut Report, live: &Marks, replayed: &Marks) {
    let all = |marks: &Marks| {
        let each = marks.iter().map(|(topic, origin, mark)| ((topic, origin), mark.clone()));
        each.collect::<std::collections::BTreeMap<_, Mark>>()
    };
    let key = |(topic, origin): &_| format!("{topic} {origin}");
    report.compare_all("mark", &all(live), &all(replayed), key, |mark| format!("{mark:?}"));
}
