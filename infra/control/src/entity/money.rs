//! Who pays.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An account.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Account {
    /// For people.
    #[serde(default)]
    pub title: String,
    /// How it pays.
    #[serde(default)]
    pub kind: AccountKind,
    /// Its keys are refused.
    #[serde(default)]
    pub disabled: bool,
}

/// How an account pays.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccountKind {
    /// Afterwards, without limit.
    #[default]
    Metered,
    /// Before: a spent account gets 402.
    Prepaid,
}
