//! What can stop a processor, and what to do then.

use runtime::log::{self, LogId};
use schemas::topics::Topic;

/// What can stop a processor's partition.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log failed.
    #[error(transparent)]
    Log(#[from] log::Error),
    /// State and committed offsets tell of different histories.
    #[error(
        "{processor}/{partition}: committed offsets ({committed}) and recorded state ({recorded}) \
         disagree; restore the log from one backup or rebuild the processor"
    )]
    Disagree {
        /// Which processor.
        processor: String,
        /// Which partition.
        partition: u32,
        /// Offsets that the log committed.
        committed: String,
        /// Offsets that the state includes.
        recorded: String,
    },
    /// A position was kept for another making of the topic.
    #[error("{topic}: a position is kept for log {kept}, but this is log {found}")]
    OtherLog {
        /// Which topic.
        topic: Topic,
        /// The log that the position was kept for.
        kept: LogId,
        /// This one.
        found: LogId,
    },
    /// What a processor stored can't be read.
    #[error("stored state {0:?} is damaged")]
    Damaged(String),
    /// Stored state or an output can't be encoded or decoded.
    #[error("stored state or output: {0}")]
    Wire(#[from] schemas::wire::Error),
    /// What an effect writes to is away or refused; a step may or may not have had its effect.
    #[error("{0}")]
    Effect(String),
    /// A bug: the fold panicked.
    #[error("panicked: {0}")]
    Panicked(String),
}

/// What to do after an error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Remedy {
    /// Take over again: open the writer, reload the state, go on.
    TakeOver,
    /// A newer owner is at work: stop for good.
    Yield,
    /// Going on would be wrong: stop and say so.
    Stop,
}

impl Error {
    /// What to do.
    pub const fn remedy(&self) -> Remedy {
        match self {
            Self::Log(log::Error::Unavailable(_))
            // the registry is asked for it meanwhile
            | Self::Wire(schemas::wire::Error::UnknownSchema(_))
            | Self::Effect(_)
            | Self::Panicked(_) => Remedy::TakeOver,
            Self::Log(log::Error::Fenced(_)) => Remedy::Yield,
            Self::Log(
                log::Error::NoPartition(..)
                | log::Error::PastEnd { .. }
                | log::Error::Removed { .. }
                | log::Error::Partitions { .. }
                | log::Error::MadeAnew { .. }
                | log::Error::Settings { .. }
                | log::Error::TooLarge { .. }
                | log::Error::Damaged(_),
            )
            | Self::Disagree { .. }
            | Self::OtherLog { .. }
            | Self::Damaged(_)
            | Self::Wire(_) => Remedy::Stop,
        }
    }
}
