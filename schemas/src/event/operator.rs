//! What operators leave behind, and what gateways tell each other.

use serde::{Deserialize, Serialize};
use std::sync::Arc;

use super::Hash;
use crate::ids::Origin;

/// One change of one entity of the configuration.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Control {
    /// Kind of entity, such as `price_book`.
    pub kind: String,
    /// Which one.
    pub id: String,
    /// Version of the entity after the change.
    pub version: i64,
    /// The change counts only if the entity is at this version.
    #[serde(default)]
    pub expected_version: Option<i64>,
    /// Whether the change removed it.
    #[serde(default)]
    pub deleted: bool,
    /// The entity after the change, JSON; secrets sealed.
    #[serde(with = "serde_bytes")]
    pub body: Vec<u8>,
    /// Who changed it.
    pub actor: String,
    /// In the actor's words.
    #[serde(default)]
    pub reason: Option<String>,
    /// Id of the command: the same id again is not done again.
    #[serde(default)]
    pub command: Option<String>,
    /// The network address that it came from.
    #[serde(default)]
    pub address: Option<String>,
    /// The request that it came with.
    #[serde(default)]
    pub request: Option<String>,
}

/// What one gateway uses of a shared limit: all of it, so that reading a record twice changes nothing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Limit {
    /// Which gateway.
    pub origin: Origin,
    /// Rises with each record of the origin.
    pub seq: i64,
    /// Whose limit, such as `project/team`.
    pub scope: Arc<str>,
    /// Which limit of the scope, such as `team-rate/tokens_per_minute`.
    pub limit: Arc<str>,
    /// How much: since the gateway started (rates), now (calls in flight, holds), or since the window began
    /// (budgets, nano USD).
    pub used: i64,
    /// Start of the window, microseconds since the epoch; 0 where there is none.
    pub window_at: i64,
}

/// A sign-in, refused admin call, secret use or export.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Audit {
    /// The process start that wrote it; each has a chain of its own.
    #[serde(default)]
    pub origin: Origin,
    /// Rises by one per origin, from 1.
    #[serde(default)]
    pub seq: i64,
    /// When, by the clock of who wrote it, microseconds since the epoch.
    #[serde(default)]
    pub at: i64,
    /// What was done or tried.
    pub action: String,
    /// To what.
    pub entity: String,
    /// By whom.
    pub actor: String,
    /// From which network address.
    #[serde(default)]
    pub address: Option<String>,
    /// In which request.
    #[serde(default)]
    pub request: Option<String>,
    /// Whether it was allowed.
    pub allowed: bool,
    /// JSON, redacted.
    #[serde(default, with = "serde_bytes")]
    pub before: Option<Vec<u8>>,
    /// JSON, redacted.
    #[serde(default, with = "serde_bytes")]
    pub after: Option<Vec<u8>>,
    /// Hash of the origin's record before; zeros in its first.
    pub prev_hash: Hash,
    /// See [`seal`](crate::audit::seal).
    pub hash: Hash,
}
