//! Snapshots of a few lines, and plans over them.

use std::collections::BTreeMap;
use std::time::Duration;

use gateway::config::{CredentialSeed, ModelSeed, ProviderSeed, Seed, TargetSeed};
use gateway::control::{Snapshot, catalogue, seed};
use gateway::error::Error;
use gateway::providers::compat;
use gateway::routing::{Condition, HealthMap, Local, Plan, Wanted, plan};
use runtime::clock::Micros;
use runtime::secret::SecretRef;
use schemas::event::HealthState;
use schemas::price::{PriceBook, parse_catalogue};

/// A moment.
pub(crate) const NOW: Micros = Micros(1_800_000_000_000_000);

/// So many seconds after it.
pub(crate) fn after(seconds: f64) -> Micros {
    Micros(NOW.0 + (seconds * 1e6) as i64)
}

/// A provider with credentials of these weights, named `c0` and so on.
pub(crate) fn provider(id: &str, weights: &[u32]) -> ProviderSeed {
    let credential = |(index, weight): (usize, &u32)| CredentialSeed {
        id: format!("c{index}"),
        secret: SecretRef::Variable("KEY".into()),
        version: 1,
        weight: *weight,
    };
    ProviderSeed {
        id: id.into(),
        vendor: Some("openai".into()),
        base_url: Some("http://127.0.0.1:9/v1".into()),
        credentials: weights.iter().enumerate().map(credential).collect(),
        models: Vec::new(),
        weight: 1,
        region: None,
        allow_private: true,
    }
}

/// A target of the model `m`.
pub(crate) fn target(provider: &str) -> TargetSeed {
    TargetSeed {
        provider: provider.into(),
        model: Some("m".into()),
        weight: 1,
        priority: 0,
        tags: BTreeMap::new(),
        canary: None,
    }
}

/// A model of these targets.
pub(crate) fn model(name: &str, targets: Vec<TargetSeed>) -> ModelSeed {
    ModelSeed {
        name: name.into(),
        targets,
        strategy: Default::default(),
        fallbacks: Vec::new(),
        pin_fallback: false,
        regions: Vec::new(),
        max_price: Default::default(),
        projects: Vec::new(),
    }
}

/// What is known of models: `text` takes text alone and 8,000 tokens, `all` takes all and 200,000, of
/// `m` nothing is known.
const MODELS: &str = "provider,model,context,input,output,features\n\
    openai,text,8000,text,text,stream -tools\n\
    openai,all,200000,text image audio video file,text,stream tools json_schema\n";

/// USD per million tokens.
const PRICES: &str = "provider,model,input,output\nopenai,text,1,2\nopenai,all,5,25\n";

pub(crate) fn refused(providers: Vec<ProviderSeed>, models: Vec<ModelSeed>) -> seed::Error {
    made(providers, models).unwrap_err()
}

fn made(providers: Vec<ProviderSeed>, models: Vec<ModelSeed>) -> Result<Snapshot, seed::Error> {
    let own: PriceBook = parse_catalogue(PRICES).unwrap();
    let prices = seed::price_book(&PriceBook::default(), Some(own), &providers);
    let catalogue = catalogue::parse(MODELS).unwrap().into();
    let seed = Seed { providers, models, catalogue, ..Seed::default() };
    let vendors = compat::shipped().unwrap();
    let secret = |_: &str| Some("secret".to_owned());
    seed::snapshot(&seed, &vendors, prices, Duration::from_secs(60), &secret)
}

/// A hub with these providers and models, and nothing that is known of their health.
pub(crate) struct Rig {
    pub(crate) snapshot: Snapshot,
    pub(crate) health: HealthMap,
    pub(crate) local: Local,
}

impl Rig {
    pub(crate) fn new(providers: Vec<ProviderSeed>, models: Vec<ModelSeed>) -> Self {
        let snapshot = made(providers, models).unwrap();
        Self { snapshot, health: HealthMap::default(), local: Local::default() }
    }

    pub(crate) fn plan(&self, wanted: &Wanted<'_>, seed: u64) -> Result<Plan, Error> {
        self.plan_at(wanted, NOW, seed)
    }

    pub(crate) fn plan_at(
        &self,
        wanted: &Wanted<'_>,
        at: Micros,
        seed: u64,
    ) -> Result<Plan, Error> {
        plan(wanted, &self.snapshot, &self.health, &self.local.view(), at, seed)
    }

    /// The plan for a model, as `provider/credential/model`.
    pub(crate) fn names(&self, wanted: &Wanted<'_>, seed: u64) -> Vec<String> {
        names(&self.plan(wanted, seed).unwrap())
    }

    /// How often each target is the first in so many calls.
    pub(crate) fn firsts(&self, wanted: &Wanted<'_>, calls: u64) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for seed in 0..calls {
            // seeds of calls are random
            let seed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let first = self.names(wanted, seed).swap_remove(0);
            *counts.entry(first).or_default() += 1;
        }
        counts
    }

    /// Says of a provider's credential how its target of the model `m` is.
    pub(crate) fn is(&mut self, provider: &str, credential: &str, state: HealthState) {
        let until = matches!(state, HealthState::Ejected).then(|| after(30.0));
        let subject = format!("{provider}/{credential}@1/m").into();
        self.health.insert(subject, Condition::of(state, until));
    }
}

pub(crate) fn names(plan: &Plan) -> Vec<String> {
    let name = |planned: &gateway::routing::Planned| {
        let target = &planned.target;
        format!("{}/{}/{}", target.provider, target.credential, target.model)
    };
    plan.targets.iter().map(name).collect()
}
