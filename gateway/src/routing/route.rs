//! What serves a model: made when the snapshot is made, looked at by each call.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemas::event::Meter;
use schemas::ids::{ModelId, ProviderId};
use schemas::price::PriceBook;
use serde::{Deserialize, Serialize};

use super::{Keys, Needs, Target};
use crate::control::Origin;
use crate::control::catalogue::Catalogue;

/// How a route orders targets that are equally well and of the same priority.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// By chance, in proportion to their weights.
    #[default]
    Weighted,
    /// Of two by chance, the one that answers sooner: peak-EWMA times calls in flight (Finagle's
    /// `p2cPeakEwma`; Mitzenmacher, 2001, on the power of two choices).
    Latency,
    /// What the call costs least at.
    Cost,
    /// That with the fewest calls in flight for its weight.
    Busy,
    /// Conversations that begin alike go to the same target, whose cache of prompts then serves:
    /// weighted rendezvous hashing (Thaler and Ravishankar, 1998).
    Affinity,
}

impl Strategy {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Weighted => "weighted",
            Self::Latency => "latency",
            Self::Cost => "cost",
            Self::Busy => "busy",
            Self::Affinity => "affinity",
        }
    }
}

/// What serves a model.
#[derive(Clone, Debug)]
pub struct Route {
    /// In no order.
    pub targets: Vec<RouteTarget>,
    /// Why it is there.
    pub origin: Origin,
    /// Whether a provider of its targets lists the model; `None` while none was asked.
    pub listed: Option<bool>,
    /// What the operator says of it.
    pub terms: Arc<Terms>,
}

/// What an operator says of a route.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Terms {
    /// How targets are ordered.
    pub strategy: Strategy,
    /// Models that are asked when no target of this one answers, in this order.
    pub fallbacks: Vec<ModelId>,
    /// Whether a call that pins one of its providers may go on to the others.
    pub pin_fallback: bool,
    /// Regions that its calls must not leave; empty for any.
    pub regions: Vec<String>,
    /// The most nano USD per million tokens of input and of output; targets above are left out.
    pub max_rates: (Option<i64>, Option<i64>),
}

/// A target of a route.
#[derive(Clone, Debug)]
pub struct RouteTarget {
    /// The target.
    pub target: Arc<Target>,
    /// Share of the calls among targets of the same priority; 0 for none.
    pub weight: u32,
    /// Lower is tried first.
    pub priority: u32,
    /// Its subjects.
    pub keys: Keys,
    /// What is known of its model.
    pub known: Known,
    /// Which calls it is for; `None` for all.
    pub only: Option<Arc<Only>>,
}

/// Which calls a target is for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Only {
    /// Where it is, as the operator names regions.
    pub region: Option<String>,
    /// Tags that a call must carry.
    pub tags: BTreeMap<String, String>,
    /// Percent of the calls; they try it before the others.
    pub canary: Option<u8>,
}

/// What is known of a target's model.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Known {
    /// What it is known not to do.
    pub lacks: Needs,
    /// The most input tokens.
    pub context: Option<i64>,
    /// Price of input, nano USD per million tokens.
    pub input_rate: Option<i64>,
    /// Price of output, nano USD per million tokens.
    pub output_rate: Option<i64>,
}

impl Route {
    /// A route of these targets, without terms.
    pub fn new(targets: Vec<RouteTarget>, origin: Origin) -> Self {
        Self { targets, origin, listed: None, terms: Arc::default() }
    }
}

impl RouteTarget {
    /// A target with this share, of which nothing is known.
    pub fn new(target: Target, weight: u32) -> Self {
        let keys = Keys::of(&target);
        let (known, only) = (Known::default(), None);
        Self { target: Arc::new(target), weight, priority: 0, keys, known, only }
    }

    /// The same, asked for another model.
    #[must_use]
    pub fn with_model(&self, model: &ModelId, known: Known) -> Self {
        let target = self.target.with_model(model);
        let keys = Keys { target: super::key(&target.subject), ..self.keys };
        Self { target: Arc::new(target), keys, known, only: self.only.clone(), ..*self }
    }
}

impl Only {
    /// It, unless it is for all calls, and nobody says where it is.
    pub fn shared(self) -> Option<Arc<Self>> {
        (self != Self::default()).then(|| Arc::new(self))
    }
}

impl Known {
    /// What is known of a provider's model.
    pub fn of(
        (provider, vendor, model): (&ProviderId, &str, &ModelId),
        catalogue: &Catalogue,
        prices: &PriceBook,
    ) -> Self {
        let facts = catalogue.find(provider, vendor, model);
        let prices = prices.find(provider, model).and_then(|prices| prices.first());
        let rate = |meter| Some(prices?.rates.get(&meter)?.0);
        Self {
            lacks: facts.map_or(Needs::NONE, |facts| Needs::lacking(facts)),
            context: facts.and_then(|facts| facts.context),
            input_rate: rate(Meter::Input),
            output_rate: rate(Meter::Output),
        }
    }
}
