//! Which parts of the hub run in this process.

use std::fmt;

/// A part that can run in a process of its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Role {
    /// HTTP in, provider out, events out.
    Gateway,
    /// Usage and credits to journal and balances.
    Billing,
    /// Attempts to health.
    Health,
    /// Topics to ClickHouse's tables.
    Sink,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Gateway, Self::Billing, Self::Health, Self::Sink];

    /// Its name, in commands, folders and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Billing => "billing",
            Self::Health => "health",
            Self::Sink => "sink",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
