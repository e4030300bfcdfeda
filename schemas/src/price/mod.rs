//! The price book: what a unit of each meter costs, per provider and model.
//!
//! A version of the book is immutable and named by its content, so an event that names the
//! version it was admitted under is priced the same for ever.

mod catalogue;
mod import;
mod rate;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use catalogue::{
    Error as CatalogueError, Source, Sources, parse as parse_catalogue, per_million_units, shipped,
    shipped_sources, sources,
};
pub use import::{Error as ImportError, Imported, Row, import};
pub use rate::{Error as RateError, Most, Rated, upper_bound};

use crate::event::Meter;
use crate::ids::{ModelId, PriceVersion, ProviderId};
use crate::money::Nano;

/// Prices of a model that hold above some input and in some hours.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// Holds for calls with more input tokens than this, all input meters together.
    #[serde(default)]
    pub above_input: i64,
    /// Holds only when the call was admitted in these hours of the day (UTC), from and before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hours: Vec<(u8, u8)>,
    /// Nano USD per million units.
    #[serde(default)]
    pub rates: BTreeMap<Meter, Nano>,
    /// The cost that the provider reports is the price, when it reports one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reported: bool,
}

/// Prices by provider, then model; the model `*` stands for those that are not listed.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceBook {
    /// Providers as operators name them, and whose list they are priced by.
    #[serde(default)]
    pub lists: BTreeMap<ProviderId, ProviderId>,
    /// The lists.
    pub prices: BTreeMap<ProviderId, BTreeMap<ModelId, Vec<Prices>>>,
}

impl PriceBook {
    /// The book as JSON, always the same for the same book.
    pub fn to_json(&self) -> Vec<u8> {
        #[expect(clippy::expect_used, reason = "maps with text keys and integers always serialise")]
        serde_json::to_vec(self).expect("a price book is plain data")
    }

    /// The version of the book: the first 16 hex digits of the SHA-256 of its JSON.
    pub fn version(&self) -> PriceVersion {
        version_of(&self.to_json())
    }

    /// All prices of a model, or `None` if it has no price: its own list first, then the list its
    /// provider is priced by; a listed model before `*`.
    pub fn find(&self, provider: &ProviderId, model: &ModelId) -> Option<&[Prices]> {
        let any = ModelId::from("*");
        [Some(provider), self.lists.get(provider)]
            .into_iter()
            .flatten()
            .filter_map(|list| self.prices.get(list))
            .find_map(|list| list.get(model).or_else(|| list.get(&any)))
            .map(Vec::as_slice)
    }
}

/// The version of the book of this JSON.
pub fn version_of(json: &[u8]) -> PriceVersion {
    let digest = Sha256::digest(json);
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect::<String>().into()
}
