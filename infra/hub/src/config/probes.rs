//! Probes.

use std::time::Duration;

use runtime::config::Time;
use serde::{Deserialize, Serialize};

/// Small real requests to targets that are out, or that nobody has asked for long. They are sent by the
/// owner of the target's partition of health, so by one process of all.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProbesConfig {
    /// Whether there are any.
    pub enabled: bool,
    /// Providers that may be probed though their answers cost: a few tokens, which no account is charged.
    /// Those whose price is zero are probed always; those without a price only when they are named here.
    pub paid: Vec<String>,
    /// Between two probes of a target that is out; a fifth more or less, by chance.
    pub every: Time,
    /// A target that nobody has asked for so long is probed.
    pub idle: Time,
    /// The most probes of a target in an hour.
    pub per_hour: u32,
}

impl Default for ProbesConfig {
    fn default() -> Self {
        const fn secs(secs: u64) -> Time {
            Time(Duration::from_secs(secs))
        }
        Self { enabled: true, paid: Vec::new(), every: secs(10), idle: secs(15 * 60), per_hour: 60 }
    }
}
