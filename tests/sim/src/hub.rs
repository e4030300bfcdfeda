//! The hub's own router: its plan, its sight of what it does itself, its policy and budgets.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;
use gateway::config::{ModelSeed, ProviderSeed, Seed};
use gateway::control::{Snapshot, seed};
use gateway::providers::compat;
use gateway::routing::{Keys, Local, Route, RouteTarget};
use schemas::ids::{ModelId, credential_subject, target_subject};
use serde_json::json;

/// What callers ask for.
pub const MODEL: &str = "m";
/// The providers that serve it.
pub const PROVIDERS: [&str; 3] = ["a", "b", "c"];

/// A snapshot of one model at three providers, each with one key.
///
/// # Errors
/// The shipped tables can't be read.
pub fn snapshot() -> anyhow::Result<Snapshot> {
    let provider = |id| {
        let seed = json!({
            "id": id,
            "vendor": "openai",
            "base_url": format!("http://{id}.invalid/v1"),
            "credentials": [{"id": "main", "secret": "secret"}],
        });
        serde_json::from_value::<ProviderSeed>(seed)
    };
    let targets = PROVIDERS.map(|id| json!({"provider": id}));
    let model: ModelSeed = serde_json::from_value(json!({"name": MODEL, "targets": targets}))?;
    let seed = Seed {
        providers: PROVIDERS.into_iter().map(provider).collect::<Result<_, _>>()?,
        models: vec![model],
        ..Seed::default()
    };
    let (vendors, prices) = (compat::shipped()?, schemas::price::shipped()?);
    let time = std::time::Duration::from_secs(60);
    let mut snapshot = seed::snapshot(&seed, &vendors, prices, time, &|_| None)?;
    let served = snapshot.routes.remove(&ModelId::from(MODEL)).context("the model is served")?;
    snapshot.routes = BTreeMap::from([(MODEL.into(), served)]);
    Ok(snapshot)
}

/// One gateway.
pub struct Gateway {
    /// What it serves; replaced when a key is.
    snapshot: RefCell<Arc<Snapshot>>,
    /// What it sees itself.
    pub local: Local,
}

impl Gateway {
    /// A gateway that has served nothing yet.
    pub fn new(snapshot: &Snapshot) -> Self {
        Self { snapshot: RefCell::new(Arc::new(snapshot.clone())), local: Local::default() }
    }

    /// What it serves now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.borrow())
    }

    /// Another key is put in for a provider.
    pub fn rotate(&self, provider: &str) {
        let mut snapshot = Snapshot::clone(&self.snapshot.borrow());
        for route in snapshot.routes.values_mut() {
            let mut new = Route::clone(route);
            let of = |target: &&mut RouteTarget| target.target.provider.as_str() == provider;
            for known in new.targets.iter_mut().filter(of) {
                let mut target = (*known.target).clone();
                target.credential_version += 1;
                let version = target.credential_version;
                let (provider, credential) = (&target.provider, &target.credential);
                let owner = credential_subject(provider, credential, version);
                target.subject = target_subject(provider, credential, version, &target.model);
                target.credential_subject = owner;
                (known.keys, known.target) = (Keys::of(&target), Arc::new(target));
            }
            *route = Arc::new(new);
        }
        *self.snapshot.borrow_mut() = Arc::new(snapshot);
    }
}
