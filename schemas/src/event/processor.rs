//! What processors leave behind.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::symbols;
use crate::ids::{Origin, SubjectId};
use crate::sketch::Sketch;

/// Health of one subject, with the windows that it was folded from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Health {
    /// Which target, credential, provider or model.
    pub subject: SubjectId,
    /// Which of these.
    pub kind: SubjectKind,
    /// 0 to 100.
    pub score: i32,
    /// What the router makes of it.
    pub state: HealthState,
    /// Why it is in this state; empty when healthy.
    pub reason: String,
    /// When the state will be looked at again, microseconds since the epoch.
    #[serde(default)]
    pub until: Option<i64>,
    /// When the state began, microseconds since the epoch.
    pub since: i64,
    /// Log time of the newest record folded in, microseconds since the epoch.
    pub at: i64,
    /// Failures in a row that count against health.
    pub consecutive: i32,
    /// Ejections in a row; each lasts longer.
    pub ejections: i32,
    /// Moving average of the time to an answer's first content.
    pub latency_us: i64,
    /// Counts per slice of time, oldest first.
    pub window: Vec<Slice>,
    /// Whose; empty for a model.
    #[serde(default)]
    pub provider: Arc<str>,
    /// As the provider names it; empty for a credential and a provider.
    #[serde(default)]
    pub model: Arc<str>,
    /// Lower bound of the share of attempts that go well, per 10,000.
    #[serde(default)]
    pub success_low: i32,
    /// Upper bound of it.
    #[serde(default = "whole")]
    pub success_high: i32,
    /// How surely it is in trouble: a cumulative sum of log-likelihood ratios, in thousandths.
    #[serde(default)]
    pub evidence: i64,
    /// Attempts in a row that went well since it was taken out.
    #[serde(default)]
    pub passed: i32,
    /// Attempts that began before it say nothing of the state, microseconds since the epoch.
    #[serde(default)]
    pub trusted_from: i64,
    /// All attempts of the minute of the newest one and of the minute before, oldest first.
    #[serde(default)]
    pub minutes: Vec<Minute>,
}

const fn whole() -> i32 {
    10_000
}

/// What happened in one slice of time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Slice {
    /// Start, microseconds since the epoch.
    pub at: i64,
    /// Attempts that went well.
    pub good: i64,
    /// Attempts that failed and count against health.
    pub bad: i64,
}

/// What happened in one minute, for people.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Minute {
    /// Start, microseconds since the epoch.
    pub at: i64,
    /// Attempts that went well.
    pub good: i64,
    /// The others by what went wrong, in the order of its name.
    pub errors: Vec<ErrorCount>,
    /// Time to the first content of those that went well, microseconds.
    pub ttft: Sketch,
    /// Time to the end of those that went well, microseconds.
    pub duration: Sketch,
}

/// How often something went wrong.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ErrorCount {
    /// A symbol of [`AttemptError`](super::AttemptError).
    pub error: Arc<str>,
    /// How often.
    pub count: i64,
}

/// What health is kept of.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SubjectKind {
    /// Written by a newer version.
    Other,
    /// A model behind a credential.
    Target,
    /// A credential.
    Credential,
    /// A provider, as far as one partition knows it; for people only.
    Provider,
    /// A provider's model whosever, as far as one partition knows it; for people only.
    Model,
}
symbols!(SubjectKind {
    Other = "other",
    Target = "target",
    Credential = "credential",
    Provider = "provider",
    Model = "model",
});

/// What the router makes of a target.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthState {
    /// Written by a newer version.
    Other,
    /// Takes calls.
    Healthy,
    /// Takes calls, but others are better.
    Degraded,
    /// Tried last, until a time.
    Ejected,
    /// Gets a trickle of calls to see whether it is well again.
    Probing,
    /// Bad credential or no money: tried last until it changes.
    Disabled,
}
symbols!(HealthState {
    Other = "other",
    Healthy = "healthy",
    Degraded = "degraded",
    Ejected = "ejected",
    Probing = "probing",
    Disabled = "disabled",
});

/// A record that a processor refused, whole.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Dead {
    /// Which processor.
    pub processor: String,
    /// Where the record stands.
    pub topic: String,
    /// Where the record stands.
    pub partition: i32,
    /// Where the record stands.
    pub offset: i64,
    /// Log-append time of the record, microseconds since the epoch.
    pub at: i64,
    /// Stable code of the refusal.
    pub code: String,
    /// In words.
    pub reason: String,
    /// The record's key.
    #[serde(with = "serde_bytes")]
    pub key: Vec<u8>,
    /// The record's value.
    #[serde(default, with = "serde_bytes")]
    pub value: Option<Vec<u8>>,
    /// The record's headers.
    #[serde(default)]
    pub headers: BTreeMap<String, serde_bytes::ByteBuf>,
}

/// One item of what a processor needs to go on with a partition.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct State {
    /// Which item this is; the fields that it uses are named `item: …`.
    pub item: StateItem,
    /// The input it speaks of.
    #[serde(default)]
    pub topic: String,
    /// The input it speaks of.
    #[serde(default)]
    pub partition: i32,
    /// Which making of the input topic.
    #[serde(default)]
    pub log_id: String,
    /// position: the next offset to read.
    #[serde(default)]
    pub offset: i64,
    /// mark: whose seqs were seen.
    #[serde(default)]
    pub origin: Option<Origin>,
    /// mark: the greatest seq seen.
    #[serde(default)]
    pub seq: i64,
    /// mark: seqs below it that were not seen, as first and last of each gap in turn.
    #[serde(default)]
    pub missing: Vec<i64>,
    /// command: its id.
    #[serde(default)]
    pub command: Option<String>,
    /// command: SHA-256 of its body.
    #[serde(default, with = "serde_bytes")]
    pub digest: Vec<u8>,
}

/// Which item of a processor's state.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StateItem {
    /// Written by a newer version.
    Other,
    /// How far an input is read.
    Position,
    /// Which seqs of an origin were seen.
    Mark,
    /// A command that was done.
    Command,
}
symbols!(StateItem { Other = "other", Position = "position", Mark = "mark", Command = "command" });
