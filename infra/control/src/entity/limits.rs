//! What is bounded, and who is told.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Held;

/// Whose calls are meant.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, ToSchema)]
pub struct Scope {
    /// Of which kind.
    pub kind: ScopeKind,
    /// Which one; every one of the kind, each by itself, when not given.
    #[serde(default)]
    pub id: Option<String>,
}

/// What a limit can be set on.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ScopeKind {
    /// All calls.
    Organisation,
    /// Those of a project.
    Project,
    /// Those that an account pays for.
    Account,
    /// Those on behalf of a user.
    User,
    /// Those of a key.
    Key,
    /// Those for a model.
    Model,
}

/// Rates that are bounded; a bound that is not given does not exist.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Limit {
    /// Whose.
    pub scope: Scope,
    /// Requests in a minute.
    #[serde(default)]
    pub requests_per_minute: Option<u32>,
    /// Tokens in a minute, input and output.
    #[serde(default)]
    pub tokens_per_minute: Option<u64>,
    /// Calls at a time.
    #[serde(default)]
    pub concurrent: Option<u32>,
    /// The most that one call may cost, USD.
    #[serde(default)]
    pub max_cost_per_call: Option<String>,
    /// Does not count.
    #[serde(default)]
    pub disabled: bool,
}

/// Money that is bounded.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Budget {
    /// Whose.
    pub scope: Scope,
    /// Over which time.
    pub period: Period,
    /// How much, USD.
    pub amount: String,
    /// Calls beyond it are refused; else it only tells.
    #[serde(default)]
    pub hard: bool,
    /// Percent of the amount at which webhooks are told, once a period each.
    #[serde(default)]
    pub thresholds: Vec<u32>,
    /// Which webhooks.
    #[serde(default)]
    pub webhooks: Vec<String>,
    /// Does not count.
    #[serde(default)]
    pub disabled: bool,
}

/// A calendar period, in UTC.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// From midnight.
    Day,
    /// From the first.
    Month,
}

/// What webhooks are told of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// What was spent of a budget has reached a threshold.
    BudgetThreshold,
}

/// Who is told.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Webhook {
    /// Where.
    pub url: String,
    /// What signs it (HMAC-SHA256, as Standard Webhooks says).
    #[serde(default)]
    pub secret: Option<Held>,
    /// Of what; of everything when empty.
    #[serde(default)]
    pub events: Vec<Event>,
    /// May be at a private address.
    #[serde(default)]
    pub allow_private: bool,
    /// Is told nothing.
    #[serde(default)]
    pub disabled: bool,
}
