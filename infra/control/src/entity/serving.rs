//! What serves calls.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::one;
use crate::vault::Sealed;

/// An endpoint of a vendor. The id is the first segment of a pinned model.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Provider {
    /// For people.
    #[serde(default)]
    pub title: String,
    /// Its row in the table of vendors; the id when not given.
    #[serde(default)]
    pub vendor: Option<String>,
    /// Where it is, when not at the vendor's usual address.
    #[serde(default)]
    pub base_url: Option<String>,
    /// Models that it serves beside those of its price list.
    #[serde(default)]
    pub models: Vec<String>,
    /// Share of the calls for models that several providers serve.
    #[serde(default = "one")]
    pub weight: u32,
    /// May be at a private address, such as a local Ollama.
    #[serde(default)]
    pub allow_private: bool,
    /// Gets no calls.
    #[serde(default)]
    pub disabled: bool,
}

/// What is shown to a provider. The id is the provider's, a dot and the name.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Credential {
    /// Whose.
    pub provider: String,
    /// Its name there.
    pub name: String,
    /// Share of the provider's calls.
    #[serde(default = "one")]
    pub weight: u32,
    /// The secret.
    pub secret: Held,
    /// Rises with each new secret, so that its health starts anew.
    #[serde(default = "one")]
    pub secret_version: u32,
    /// Gets no calls.
    #[serde(default)]
    pub disabled: bool,
}

/// Where a secret is kept.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// In the environment or in a file of each node: `env:NAME`, `file:PATH`.
    Reference(String),
    /// Here.
    Sealed(Sealed),
}

/// A name that callers use, and what serves it. The id is the name.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Model {
    /// What serves it.
    #[serde(default)]
    pub targets: Vec<TargetOf>,
    /// Not served.
    #[serde(default)]
    pub disabled: bool,
}

/// A provider's model.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct TargetOf {
    /// The provider's id.
    pub provider: String,
    /// Its model; the caller's name when not given.
    #[serde(default)]
    pub model: Option<String>,
    /// Share of the calls.
    #[serde(default = "one")]
    pub weight: u32,
    /// Targets of a lower priority are tried only after all of the higher ones.
    #[serde(default)]
    pub priority: u32,
}
