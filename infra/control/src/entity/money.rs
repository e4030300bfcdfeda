//! Who pays.

use std::collections::BTreeMap;

use schemas::event::Meter;
use schemas::price::{Prices, per_million_units};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Misfit;

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

/// What a model of a provider costs, in place of what price lists say.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Price {
    /// The provider, or the vendor for all of its providers that have no price of their own.
    pub provider: String,
    /// Its model; `*` for those that have no price.
    pub model: String,
    /// What holds when: the last one whose conditions are met.
    pub tiers: Vec<Tier>,
}

/// What is asked for what.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Tier {
    /// Only for calls with more input tokens than this.
    #[serde(default)]
    pub above_input: i64,
    /// Only for calls that began in these hours of the day (UTC): from, and before which.
    #[serde(default)]
    pub hours: Vec<[u8; 2]>,
    /// By meter, such as `input`, `output`, `input_cached`, `image`: USD per million tokens or characters, or for one
    /// image, request or second.
    #[serde(default)]
    pub rates: BTreeMap<String, String>,
    /// What the provider says that a call cost is its price, where it says so.
    #[serde(default)]
    pub reported: bool,
}

impl Tier {
    /// As the price book has it.
    ///
    /// # Errors
    /// The field, and what would be right.
    pub fn prices(&self) -> Result<Prices, Misfit> {
        if self.above_input < 0 {
            return Err(Misfit::new("above_input", "a number of tokens, 0 or more, is wanted"));
        }
        if self.hours.iter().any(|[from, to]| from >= to || *to > 24) {
            return Err(Misfit::new("hours", "pairs such as [1, 4] are wanted, up to 24"));
        }
        let rates = self.rates.iter().map(|(name, text)| {
            let field = || format!("rates.{name}");
            let mut meters = Meter::ALL.iter().filter(|meter| **meter != Meter::Other);
            let meter = *meters
                .find(|meter| meter.as_str() == name)
                .ok_or_else(|| Misfit::new(field(), "is no meter"))?;
            let price = per_million_units(meter, text).map_err(|why| Misfit::new(field(), why))?;
            Ok((meter, price))
        });
        Ok(Prices {
            above_input: self.above_input,
            hours: self.hours.iter().map(|[from, to]| (*from, *to)).collect(),
            rates: rates.collect::<Result<_, Misfit>>()?,
            reported: self.reported,
        })
    }
}
