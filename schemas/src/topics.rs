//! The table of topics.

use std::fmt;
use std::time::Duration;

/// A topic of the log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Topic {
    /// One event per call, at its end. Key: account.
    Usage,
    /// One event per upstream attempt or probe, and ticks. Key: credential.
    Attempts,
    /// Every change of configuration. Key: entity. One partition is one total order.
    Control,
    /// Grants, top-ups, adjustments, refunds, expiries. Key: account.
    Credits,
    /// The journal. Key: account.
    Ledger,
    /// Balance per account and what it includes. Key: account.
    Balances,
    /// Health per target and credential. Key: its id.
    Health,
    /// What each gateway uses of shared limits, and what webhooks were told. Key: scope, limit, window and gateway;
    /// partitioned by scope.
    Limits,
    /// Sign-ins, refused admin calls, secret use, exports. Key: entity.
    Audit,
    /// What a processor refused, whole. Key: as the source.
    Dead,
    /// What a processor must know to go on: input offsets and marks. Key: processor and item.
    State,
}

/// What a topic forgets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kept {
    /// Nothing is ever removed.
    Forever,
    /// Records older than this may be removed.
    For(Duration),
    /// Only the newest record of each key is sure to stay; an empty value removes the key.
    Compacted,
}

/// How a topic is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Spec {
    /// Name on the log.
    pub name: &'static str,
    /// Whether the topic is split over the configured number of partitions, or has just one.
    pub partitioned: bool,
    /// What is removed.
    pub kept: Kept,
}

const fn days(days: u64) -> Kept {
    Kept::For(Duration::from_secs(days * 24 * 60 * 60))
}

impl Topic {
    /// All topics.
    pub const ALL: [Self; 11] = [
        Self::Usage,
        Self::Attempts,
        Self::Control,
        Self::Credits,
        Self::Ledger,
        Self::Balances,
        Self::Health,
        Self::Limits,
        Self::Audit,
        Self::Dead,
        Self::State,
    ];

    /// How the topic is made.
    pub const fn spec(self) -> Spec {
        let (name, partitioned, kept) = match self {
            Self::Usage => ("hub.usage.v1", true, days(400)),
            Self::Attempts => ("hub.attempts.v1", true, days(14)),
            Self::Control => ("hub.control.v1", false, Kept::Forever),
            Self::Credits => ("hub.credits.v1", true, Kept::Forever),
            Self::Ledger => ("hub.ledger.v1", true, Kept::Forever),
            Self::Balances => ("hub.balances.v1", true, Kept::Compacted),
            Self::Health => ("hub.health.v1", true, Kept::Compacted),
            Self::Limits => ("hub.limits.v1", true, Kept::Compacted),
            Self::Audit => ("hub.audit.v1", false, Kept::Forever),
            Self::Dead => ("hub.dead.v1", true, days(400)),
            Self::State => ("hub.state.v1", true, Kept::Compacted),
        };
        Spec { name, partitioned, kept }
    }

    /// Name on the log.
    pub const fn name(self) -> &'static str {
        self.spec().name
    }

    /// The topic of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|topic| topic.name() == name)
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One partition of a topic.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TopicPartition {
    /// The topic.
    pub topic: Topic,
    /// The partition, from 0.
    pub partition: u32,
}

impl Topic {
    /// A partition of this topic.
    pub const fn at(self, partition: u32) -> TopicPartition {
        TopicPartition { topic: self, partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.partition)
    }
}
