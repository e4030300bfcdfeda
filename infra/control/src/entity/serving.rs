//! What serves calls.

use std::collections::BTreeMap;

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
    /// Where it is, such as `eu`: for keys and models that are held to regions.
    #[serde(default)]
    pub region: Option<String>,
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

/// A name that callers use, and what serves it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Model {
    /// The name; the id when not given. A trailing `*` stands for any ending, which a `*` in a target's model repeats.
    #[serde(default)]
    pub name: Option<String>,
    /// What serves it. With none, it is another name of its first fallback.
    #[serde(default)]
    pub targets: Vec<TargetOf>,
    /// How targets of the same priority are ordered that are equally well.
    #[serde(default)]
    pub strategy: Strategy,
    /// Models that are asked when no target of this one answers, in this order.
    #[serde(default)]
    pub fallbacks: Vec<String>,
    /// Whether a call that names one of its providers (`openai/NAME`) may go on to the others.
    #[serde(default)]
    pub pin_fallback: bool,
    /// Regions of providers that its calls must not leave; any when empty.
    #[serde(default)]
    pub regions: Vec<String>,
    /// Prices above which a target is left out.
    #[serde(default)]
    pub max_price: MaxPrice,
    /// Projects for whose keys this holds, in place of what holds for others; all when empty.
    #[serde(default)]
    pub projects: Vec<String>,
    /// Not served.
    #[serde(default)]
    pub disabled: bool,
}

/// How targets of the same priority are ordered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// By chance, in proportion to their weights.
    #[default]
    Weighted,
    /// Of two by chance, the one that answers sooner.
    Latency,
    /// What the call costs least at.
    Cost,
    /// That with the fewest calls in flight for its weight.
    Busy,
    /// Conversations that begin alike go to the same target.
    Affinity,
}

/// USD per million tokens, such as `"2.50"`; a target without a price is above it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct MaxPrice {
    /// Of input.
    #[serde(default)]
    pub input: Option<String>,
    /// Of output.
    #[serde(default)]
    pub output: Option<String>,
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
    /// Tags that a call must carry to come here.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Percent of the calls that try it before the others, an end user's all or none; the rest never come here.
    #[serde(default)]
    pub canary: Option<u8>,
}
