//! From what is configured to what a call sees. Total: what can't be used is left out, and told.

mod keys;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use gateway::config::{
    AccountKind as Terms, CredentialSeed, MaxPriceSeed, ModelSeed, ProviderSeed, Seed, TargetSeed,
    Unpriced,
};
use gateway::control::catalogue::Catalogue;
use gateway::control::seed::{self, Made};
use gateway::control::{AccountTerms, KeyHash, Snapshot};
use gateway::limits::Rules;
use gateway::providers::compat::Vendors;
use gateway::routing::Strategy as By;
use runtime::log::Offset;
use runtime::secret::{Secret, SecretRef};
use schemas::ids::AccountId;
use schemas::price::PriceBook;

use crate::entity::{
    AccountKind, Body, Credential, Held, Kind, Model, Provider, Strategy, TargetOf, Tier,
};
use crate::state::State;
use crate::vault::Subject;
use keys::Keys;

/// Who pays, and what a key belongs to, where nothing is said.
pub const DEFAULT: &str = "default";

/// What a node knows beside what is configured.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// The table of vendors.
    pub vendors: Arc<Vendors>,
    /// What is known of models.
    pub catalogue: Arc<Catalogue>,
    /// The shipped prices.
    pub prices: Arc<PriceBook>,
    /// The operator's own.
    pub own_prices: Option<Arc<PriceBook>>,
    /// Longest time for a whole call.
    pub call_time: Duration,
    /// What happens to calls for models without a price.
    pub unpriced: Unpriced,
    /// Providers of this process alone, such as the demo.
    pub providers: Vec<ProviderSeed>,
    /// The environment, for references to secrets.
    pub environment: Arc<HashMap<String, String>>,
}

/// A secret that was opened, or why it does not open.
#[derive(Clone, Debug)]
pub struct OpenedSecret {
    /// What it was opened from.
    pub sealed: String,
    /// The secret.
    pub secret: Result<Secret, String>,
}

/// Secrets that were opened, by what they are of.
pub type Opened = BTreeMap<Subject, OpenedSecret>;

/// What can't be used, and why.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Problem {
    /// Kind and id.
    pub entity: String,
    /// In words.
    pub why: String,
}

/// A name of the environment, or several joined by colons: their texts, joined the same way.
pub fn lookup(environment: &HashMap<String, String>, names: &str) -> Option<String> {
    let parts: Option<Vec<&str>> =
        names.split(':').map(|name| environment.get(name).map(String::as_str)).collect();
    Some(parts?.join(":"))
}

/// What a held secret is of.
pub fn subject_of(credential: &str, version: u32) -> Subject {
    Subject::new(format!("{}/{credential}", Kind::Credential), version)
}

/// What a key's signing secret is of.
pub fn signing_subject(key: &str) -> Subject {
    Subject::new(format!("{}/{key}/aws", Kind::Key), 1)
}

/// The snapshot of a state.
pub fn compile(
    state: &State,
    local: &Surroundings,
    key_hash: &KeyHash,
    opened: &Opened,
) -> (Snapshot, Vec<Problem>) {
    Compiled::default().update(state, local, key_hash, opened)
}

/// What was compiled of a state: when it has gone on, only what changed is compiled anew. The outcome
/// is the same as that of [`compile`].
#[derive(Debug, Default)]
pub struct Compiled {
    serving: Option<Serving>,
    /// Providers at these prices: every change of one before this position is in them.
    made: (Offset, Made),
    limits: Option<Limits>,
    keys: Keys,
}

/// What is bounded.
#[derive(Debug)]
struct Limits {
    upto: Offset,
    rules: Arc<Rules>,
    problems: Vec<Problem>,
}

/// Providers, models and prices: all of a snapshot but keys and accounts.
#[derive(Debug)]
struct Serving {
    /// Every change before this is in it.
    upto: Offset,
    snapshot: Snapshot,
    problems: Vec<Problem>,
}

impl Compiled {
    /// Forgets what was made of secrets: some open by now, or do not any more.
    pub fn secrets_changed(&mut self) {
        *self = Self::default();
    }

    /// The snapshot of the state, which is the one of before or has gone on from it.
    pub fn update(
        &mut self,
        state: &State,
        local: &Surroundings,
        key_hash: &KeyHash,
        opened: &Opened,
    ) -> (Snapshot, Vec<Problem>) {
        let serves = [Kind::Provider, Kind::Credential, Kind::Model, Kind::Price];
        let upto = serves.into_iter().map(|kind| state.upto(kind)).max().unwrap_or(0);
        let serving = match self.serving.take().filter(|known| known.upto == upto) {
            Some(known) => known,
            None => {
                let priced = state.upto(Kind::Price);
                if self.made.0 != priced {
                    self.made = (priced, Made::default());
                }
                serving(state, local, opened, upto, &mut self.made.1)
            }
        };
        let mut problems = serving.problems.clone();
        let mut snapshot = Snapshot { key_hash: key_hash.clone(), ..serving.snapshot.clone() };
        self.serving = Some(serving);
        let limits = limits(state, self.limits.take());
        snapshot.limits = Arc::clone(&limits.rules);
        problems.extend_from_slice(&limits.problems);
        self.limits = Some(limits);
        snapshot.accounts = accounts(state);
        self.keys.update(state, local, opened);
        snapshot.keys.clone_from(&self.keys.shown);
        snapshot.signing.clone_from(&self.keys.signing);
        problems.extend(self.keys.problems());
        snapshot.scripts = snapshot.keys.values().any(|key| !key.origins.is_empty());
        (snapshot, problems)
    }
}

fn limits(state: &State, known: Option<Limits>) -> Limits {
    let upto = state.upto(Kind::Limit).max(state.upto(Kind::Budget));
    if let Some(known) = known.filter(|known| known.upto == upto) {
        return known;
    }
    let mut problems = Vec::new();
    let mut tell = |entity: String, why: String| problems.push(Problem { entity, why });
    let rules = Arc::new(crate::limits::rules(state, &mut tell));
    Limits { upto, rules, problems }
}

fn serving(
    state: &State,
    local: &Surroundings,
    opened: &Opened,
    upto: Offset,
    made: &mut Made,
) -> Serving {
    let mut problems = Vec::new();
    let mut tell = |entity: String, why: String| problems.push(Problem { entity, why });
    let credentials = credentials(state, local, opened, &mut tell);
    let mut providers = local.providers.clone();
    for (id, body) in state.bodies(Kind::Provider) {
        match body {
            Body::Provider(provider) if provider.disabled => {}
            Body::Provider(provider) => {
                let (all, usable) = credentials.get(&**id).map_or((0, &[][..]), |(n, of)| (*n, of));
                if all > 0 && usable.is_empty() {
                    tell(format!("provider/{id}"), "none of its credentials can be used".into());
                } else {
                    providers.push(provider_seed(id, provider, usable));
                }
            }
            _ => tell(format!("provider/{id}"), UNREADABLE.into()),
        }
    }
    let mut models = Vec::new();
    for (id, body) in state.bodies(Kind::Model) {
        match body {
            Body::Model(model) if model.disabled => {}
            Body::Model(model) => models.push(model_seed(id, model)),
            _ => tell(format!("model/{id}"), UNREADABLE.into()),
        }
    }
    made.revisions = revisions(state);
    let own = own_prices(state, local, &mut tell);
    let prices = seed::price_book(&local.prices, own, &providers);
    let seed = Seed {
        unpriced: local.unpriced,
        providers,
        models,
        catalogue: Arc::clone(&local.catalogue),
        ..Seed::default()
    };
    let find = |names: &str| lookup(&local.environment, names);
    let (snapshot, wrong) =
        seed::assemble(&seed, &local.vendors, prices, local.call_time, &find, made);
    for error in wrong {
        tell(String::new(), error.to_string());
    }
    Serving { upto, snapshot, problems }
}

/// What tells whether a provider, or one of its credentials, is another than before.
fn revisions(state: &State) -> HashMap<String, u64> {
    let mut all: HashMap<&str, DefaultHasher> = HashMap::new();
    for (id, entity) in state.all(Kind::Provider) {
        let mut hash = DefaultHasher::new();
        entity.changed.offset.hash(&mut hash);
        all.insert(id, hash);
    }
    for (id, entity) in state.all(Kind::Credential) {
        if let Some(Body::Credential(credential)) = &entity.body
            && let Some(hash) = all.get_mut(&*credential.provider)
        {
            (id, entity.changed.offset).hash(hash);
        }
    }
    all.into_iter().map(|(id, hash)| (id.to_owned(), hash.finish())).collect()
}

const UNREADABLE: &str = "this version of the hub can't read it";

type Tell<'a> = &'a mut dyn FnMut(String, String);

/// Per provider: how many credentials it has, and those that can be used.
fn credentials<'s>(
    state: &'s State,
    local: &Surroundings,
    opened: &Opened,
    tell: Tell<'_>,
) -> HashMap<&'s str, (usize, Vec<CredentialSeed>)> {
    let mut of: HashMap<&str, (usize, Vec<CredentialSeed>)> = HashMap::new();
    for (id, body) in state.bodies(Kind::Credential) {
        let Body::Credential(credential) = body else {
            tell(format!("credential/{id}"), UNREADABLE.into());
            continue;
        };
        let (all, usable) = of.entry(&credential.provider).or_default();
        *all += 1;
        if credential.disabled {
            continue;
        }
        match secret(id, credential, local, opened) {
            Ok(secret) => usable.push(CredentialSeed {
                id: credential.name.clone(),
                secret: SecretRef::Literal(secret),
                version: credential.secret_version,
                weight: credential.weight,
            }),
            Err(why) => tell(format!("credential/{id}"), why),
        }
    }
    of
}

fn secret(
    id: &str,
    credential: &Credential,
    local: &Surroundings,
    opened: &Opened,
) -> Result<Secret, String> {
    match &credential.secret {
        Held::Reference(text) => referred(text, local),
        Held::Sealed(_) => {
            let subject = subject_of(id, credential.secret_version);
            held(opened, &subject)
        }
    }
}

fn held(opened: &Opened, subject: &Subject) -> Result<Secret, String> {
    let none = || Err("it was not opened yet".to_owned());
    opened.get(subject).map_or_else(none, |it| it.secret.clone())
}

/// The secret behind `env:NAME` or `file:PATH`.
fn referred(text: &str, local: &Surroundings) -> Result<Secret, String> {
    let reference: SecretRef = text.parse().map_err(|error| format!("{error}"))?;
    let find = |names: &str| lookup(&local.environment, names);
    reference.resolve(find).map_err(|error| error.to_string())
}

/// A provider as the router is told of it.
pub fn provider_seed(
    id: &str,
    provider: &Provider,
    credentials: &[CredentialSeed],
) -> ProviderSeed {
    ProviderSeed {
        id: id.to_owned(),
        vendor: provider.vendor.clone(),
        base_url: provider.base_url.clone(),
        credentials: credentials.to_vec(),
        models: provider.models.clone(),
        weight: provider.weight,
        region: provider.region.clone(),
        allow_private: provider.allow_private,
    }
}

/// A model as the router is told of it.
pub fn model_seed(id: &str, model: &Model) -> ModelSeed {
    let target = |target: &TargetOf| TargetSeed {
        provider: target.provider.clone(),
        model: target.model.clone(),
        weight: target.weight,
        priority: target.priority,
        tags: target.tags.clone(),
        canary: target.canary,
    };
    ModelSeed {
        name: model.name.clone().unwrap_or_else(|| id.to_owned()),
        targets: model.targets.iter().map(target).collect(),
        strategy: match model.strategy {
            Strategy::Weighted => By::Weighted,
            Strategy::Latency => By::Latency,
            Strategy::Cost => By::Cost,
            Strategy::Busy => By::Busy,
            Strategy::Affinity => By::Affinity,
        },
        fallbacks: model.fallbacks.clone(),
        pin_fallback: model.pin_fallback,
        regions: model.regions.clone(),
        max_price: MaxPriceSeed {
            input: model.max_price.input.clone(),
            output: model.max_price.output.clone(),
        },
        projects: model.projects.clone(),
    }
}

/// What this node's own list and entities say of prices; entities go first.
fn own_prices(state: &State, local: &Surroundings, tell: Tell<'_>) -> Option<PriceBook> {
    let mut book = local.own_prices.as_deref().cloned();
    for (id, body) in state.bodies(Kind::Price) {
        let Body::Price(price) = body else {
            tell(format!("price/{id}"), UNREADABLE.into());
            continue;
        };
        match price.tiers.iter().map(Tier::prices).collect() {
            Ok(tiers) => {
                let list =
                    book.get_or_insert_default().prices.entry(price.provider.as_str().into());
                list.or_default().insert(price.model.as_str().into(), tiers);
            }
            Err(error) => tell(format!("price/{id}"), error.to_string()),
        }
    }
    book
}

fn accounts(state: &State) -> HashMap<AccountId, AccountTerms> {
    let terms = state.bodies(Kind::Account).filter_map(|(id, body)| match body {
        Body::Account(account) => {
            let kind = match account.kind {
                AccountKind::Metered => Terms::Metered,
                AccountKind::Prepaid => Terms::Prepaid,
            };
            Some((AccountId::from(&**id), AccountTerms { kind }))
        }
        _ => None,
    });
    terms.collect()
}

/// A network, or one address.
///
/// # Errors
/// In words.
pub fn network(text: &str) -> Result<ipnet::IpNet, String> {
    let one = text.parse::<std::net::IpAddr>().map(ipnet::IpNet::from);
    one.or_else(|_| text.parse()).map_err(|_| {
        let text: String = text.chars().take(60).collect();
        format!("{text:?} is no network; 10.0.0.0/8 or 192.0.2.7 would be one")
    })
}
