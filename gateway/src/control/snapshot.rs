//! The immutable view that a call sees from start to end.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use hmac::{Hmac, Mac as _};
use ipnet::IpNet;
use runtime::clock::Micros;
use runtime::secret::Secret;
use schemas::ids::{AccountId, KeyId, ModelId, PriceVersion, ProjectId, ProviderId};
use schemas::price::PriceBook;
use sha2::{Digest as _, Sha256};

use super::catalogue::{Catalogue, Facts};
use crate::config::{AccountKind, Unpriced};
use crate::limits::{Caller, Rules};
use crate::routing::{Known, Route, RouteTarget, Target};

/// Keys, providers, models, accounts and prices at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// How keys are hashed.
    pub key_hash: KeyHash,
    /// API keys by their hash.
    pub keys: HashMap<[u8; 32], Arc<Key>>,
    /// Whether any of them may be used by scripts of pages.
    pub scripts: bool,
    /// Those that may sign requests as AWS's clients do, by access key id.
    pub signing: HashMap<Box<str>, SigningKey>,
    /// What serves each model by the name that callers use.
    pub routes: BTreeMap<ModelId, Arc<Route>>,
    /// What serves models whose names begin so, the longest beginning first.
    pub patterns: Patterns,
    /// What holds for the keys of a project before that.
    pub projects: HashMap<ProjectId, Routes>,
    /// Targets by provider, for models pinned to it: each credential with its weight, the model
    /// left to be filled in.
    pub providers: BTreeMap<ProviderId, Arc<[RouteTarget]>>,
    /// Accounts that differ from the default (metered).
    pub accounts: HashMap<AccountId, AccountTerms>,
    /// The price book.
    pub prices: Arc<PriceBook>,
    /// Its version.
    pub price_version: PriceVersion,
    /// What is known of models.
    pub catalogue: Arc<Catalogue>,
    /// What happens to calls for models without a price.
    pub unpriced: Unpriced,
    /// What is bounded, and for whom.
    pub limits: Arc<Rules>,
}

/// Hashes keys with a secret of the hub's own: who reads the log can't try guesses.
#[derive(Clone)]
pub struct KeyHash(Arc<Hmac<Sha256>>);

impl KeyHash {
    /// Hashes with this secret.
    pub fn new(secret: &[u8; 32]) -> Self {
        // HMAC fills a short secret up with zeros (RFC 2104)
        let mut block = [0; 64];
        for (to, from) in block.iter_mut().zip(secret) {
            *to = *from;
        }
        Self(Arc::new(Hmac::new((&block).into())))
    }

    /// The hash of a key: HMAC-SHA256 of its SHA-256. Keys are random and long, so a slow hash would
    /// add nothing.
    pub fn of(&self, shown: &[u8]) -> [u8; 32] {
        self.of_sha256(&Sha256::digest(shown).into())
    }

    /// The same where only the key's SHA-256 is known.
    pub fn of_sha256(&self, digest: &[u8; 32]) -> [u8; 32] {
        let mut mac = Hmac::clone(&self.0);
        mac.update(digest);
        mac.finalize().into_bytes().into()
    }
}

impl Default for KeyHash {
    /// With a secret of zeros, where hashes are never kept.
    fn default() -> Self {
        Self::new(&[0; 32])
    }
}

impl std::fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyHash(redacted)")
    }
}

/// Routes by the beginning of a model's name, the longest first.
pub type Patterns = Vec<(Box<str>, Arc<Route>)>;

/// Routes of a project.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    /// By name.
    pub named: BTreeMap<ModelId, Arc<Route>>,
    /// By the beginning of the name.
    pub patterns: Patterns,
}

/// An API key; the secret that it shows is known only as a hash.
#[derive(Clone, Debug)]
pub struct Key {
    /// Its public name.
    pub id: KeyId,
    /// Who pays.
    pub account: AccountId,
    /// What it belongs to.
    pub project: ProjectId,
    /// On whose behalf it acts.
    pub user: Option<Arc<str>>,
    /// Models that it may use, all when empty; a trailing `*` stands for any ending.
    pub models: Vec<String>,
    /// Dialects that it may speak, all when empty; as models.
    pub dialects: Vec<String>,
    /// Providers that may serve it, all when empty; as models.
    pub providers: Vec<String>,
    /// Origins of pages whose scripts may call with it; `*` for any.
    pub origins: Vec<String>,
    /// Networks that it is taken from, all when empty.
    pub networks: Vec<IpNet>,
    /// Not taken from then on.
    pub expires_at: Option<Micros>,
    /// Regions of providers that its calls must not leave; any when empty.
    pub regions: Vec<String>,
}

/// A key that has opted in to signing.
#[derive(Clone, Debug)]
pub struct SigningKey {
    /// What it signs with; to check a signature is to sign again, so no hash would do.
    pub secret: Secret,
    /// The key.
    pub key: Arc<Key>,
}

impl Key {
    /// A key that may do everything, from everywhere.
    pub fn new(id: KeyId, account: AccountId, project: ProjectId) -> Self {
        let (models, dialects, providers) = (Vec::new(), Vec::new(), Vec::new());
        let (origins, networks) = (Vec::new(), Vec::new());
        Self {
            id,
            account,
            project,
            user: None,
            models,
            dialects,
            providers,
            origins,
            networks,
            expires_at: None,
            regions: Vec::new(),
        }
    }

    /// Whether scripts of pages from this origin may call with the key.
    pub fn allows_origin(&self, origin: &[u8]) -> bool {
        self.origins.iter().any(|allowed| allowed == "*" || allowed.as_bytes() == origin)
    }

    /// Whether the key may use the model.
    pub fn allows(&self, model: &ModelId) -> bool {
        in_scope(&self.models, model.as_str())
    }

    /// Whether the key may speak the dialect.
    pub fn allows_dialect(&self, dialect: &str) -> bool {
        in_scope(&self.dialects, dialect)
    }

    /// Whether the provider may serve the key's calls.
    pub fn allows_provider(&self, provider: &ProviderId) -> bool {
        in_scope(&self.providers, provider.as_str())
    }

    /// Whether the key is taken from this address; an address that is not known is in no network.
    pub fn allows_address(&self, address: Option<IpAddr>) -> bool {
        self.networks.is_empty()
            || address.is_some_and(|address| self.networks.iter().any(|net| net.contains(&address)))
    }
}

/// Whether a list, which stands for all when it is empty, has the name; a trailing `*` stands for any
/// ending.
fn in_scope(list: &[String], name: &str) -> bool {
    list.is_empty()
        || list.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => pattern == name,
        })
}

/// Why a route is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// An operator named it and its targets.
    Configured,
    /// A price list or an operator says that the provider has the model.
    Known,
    /// The provider lists it.
    Listed,
}

/// How an account pays.
#[derive(Clone, Copy, Debug)]
pub struct AccountTerms {
    /// Before or after.
    pub kind: AccountKind,
}

/// The name under which a provider's model is offered: its own, or, where that is another vendor's name (with a
/// slash), behind a pin alone.
pub(super) fn offered_as(provider: &ProviderId, model: &ModelId) -> ModelId {
    match model.as_str().contains('/') {
        true => format!("{provider}/{model}").into(),
        false => model.clone(),
    }
}

/// What each provider lists, by its id.
pub type Listings = BTreeMap<ProviderId, BTreeSet<ModelId>>;

impl Snapshot {
    /// The same with the models that providers list, beside those that it knows: new ones are there
    /// under their names, and those that are not listed any more are marked.
    #[must_use]
    pub fn with_listings(&self, listings: &Listings) -> Self {
        let mut all = self.clone();
        let mut routes: BTreeMap<ModelId, Route> =
            self.routes.iter().map(|(name, route)| (name.clone(), (**route).clone())).collect();
        for (provider, models) in listings {
            let Some(targets) = self.providers.get(provider) else {
                continue;
            };
            for model in models {
                let route = routes
                    .entry(offered_as(provider, model))
                    .or_insert_with(|| Route::new(Vec::new(), Origin::Listed));
                let serves = route.targets.iter().any(|known| known.target.provider == *provider);
                if !serves && route.origin != Origin::Configured {
                    let known = targets.iter().map(|known| self.asked_for(known, model));
                    route.targets.extend(known);
                }
            }
        }
        for route in routes.values_mut() {
            let asked = route.targets.iter().filter_map(|known| {
                Some(listings.get(&known.target.provider)?.contains(&known.target.model))
            });
            route.listed = asked.fold(None, |any, listed| Some(any.unwrap_or(false) || listed));
        }
        all.routes = routes.into_iter().map(|(name, route)| (name, Arc::new(route))).collect();
        all
    }

    /// What serves a name, or a name that is pinned to a provider (`openai/gpt-4o`) which is known to have the model.
    pub fn route(&self, name: &ModelId) -> Option<Arc<Route>> {
        if let Some(route) = self.routes.get(name) {
            return Some(Arc::clone(route));
        }
        let (provider, model) = name.as_str().split_once('/')?;
        let (provider, model) = (ProviderId::from(provider), ModelId::from(model));
        self.providers.get(&provider)?;
        let serves =
            |known: &&RouteTarget| known.target.provider == provider && known.target.model == model;
        self.routes.values().find_map(|route| {
            let targets: Vec<_> = route.targets.iter().filter(serves).cloned().collect();
            // of several providers, the route does not say which of them lists it
            let listed = route.listed.filter(|_| targets.len() == route.targets.len());
            (!targets.is_empty()).then(|| Arc::new(Route { targets, listed, ..(**route).clone() }))
        })
    }

    /// A provider's target, asked for a model, with what is known of that.
    pub(crate) fn asked_for(&self, known: &RouteTarget, model: &ModelId) -> RouteTarget {
        let (provider, vendor) = (&known.target.provider, &known.target.endpoint.vendor.id);
        let facts = Known::of((provider, vendor, model), &self.catalogue, &self.prices);
        known.with_model(model, facts)
    }

    /// Whether all of a route's targets have a price.
    pub fn is_priced(&self, route: &Route) -> bool {
        route
            .targets
            .iter()
            .all(|known| self.prices.find(&known.target.provider, &known.target.model).is_some())
    }

    /// What is known of a target's model.
    pub fn facts(&self, target: &Target) -> Option<&Arc<Facts>> {
        self.catalogue.find(&target.provider, &target.endpoint.vendor.id, &target.model)
    }

    /// A key that asks for a model, as far as bounds go. A pin to a provider is no other model.
    pub fn caller<'a>(&self, key: &'a Key, model: &'a ModelId) -> Caller<'a> {
        let pinned = model.as_str().split_once('/');
        let pinned =
            pinned.filter(|(first, _)| self.providers.contains_key(&ProviderId::from(*first)));
        Caller {
            project: key.project.as_str(),
            account: key.account.as_str(),
            user: key.user.as_deref(),
            key: key.id.as_str(),
            model: pinned.map_or(model.as_str(), |(_, model)| model),
        }
    }

    /// How the account pays.
    pub fn account_kind(&self, account: &AccountId) -> AccountKind {
        self.accounts.get(account).map_or(AccountKind::Metered, |terms| terms.kind)
    }
}

#[cfg(test)]
mod tests {
    use arc_swap::ArcSwap;

    use super::*;
    use crate::config::{AccountSeed, Seed};
    use crate::control::seed::snapshot;
    use crate::providers::compat::shipped;

    fn of(account: &str, kind: AccountKind) -> Snapshot {
        let mut prices = PriceBook::default();
        prices.lists.insert(account.into(), account.into());
        let accounts = vec![AccountSeed { id: account.into(), kind, grant: None }];
        let seed = Seed { accounts, ..Seed::default() };
        let time = std::time::Duration::from_secs(1);
        snapshot(&seed, &shipped().unwrap(), prices, time, &|_| None).unwrap()
    }

    #[test]
    fn a_pinned_name_is_found_where_its_provider_has_the_model() {
        let provider = |id: &str| crate::config::ProviderSeed {
            id: id.into(),
            vendor: None,
            base_url: None,
            credentials: vec![crate::config::CredentialSeed {
                id: "main".into(),
                secret: runtime::secret::SecretRef::Variable("KEY".into()),
                version: 1,
                weight: 1,
            }],
            models: Vec::new(),
            weight: 1,
            region: None,
            allow_private: true,
        };
        let seed =
            Seed { providers: vec![provider("openai"), provider("anthropic")], ..Seed::default() };
        let prices = schemas::price::shipped().unwrap();
        let time = std::time::Duration::from_secs(1);
        let secret = |_: &str| Some("secret".to_owned());
        let snapshot = snapshot(&seed, &shipped().unwrap(), prices, time, &secret).unwrap();
        for (name, found) in [
            ("gpt-4o-mini", true),
            ("openai/gpt-4o-mini", true),
            ("anthropic/gpt-4o-mini", false),
            ("nobody/gpt-4o-mini", false),
            ("openai/", false),
            ("openai/gpt-none", false),
            ("/gpt-4o-mini", false),
        ] {
            let route = snapshot.route(&name.into());
            assert_eq!(route.is_some(), found, "{name}");
            let owners = route.iter().flat_map(|route| &route.targets);
            assert!(owners.into_iter().all(|known| known.target.provider.as_str() == "openai"));
        }
    }

    /// A reader sees the prices and the accounts of the same snapshot, however often it is swapped.
    #[test]
    fn config_swaps_whole() {
        let versions = ["a", "b"].map(|id| Arc::new(of(id, AccountKind::Prepaid)));
        assert_ne!(versions[0].price_version, versions[1].price_version);
        let current = ArcSwap::new(Arc::clone(&versions[0]));
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for turn in 0..20_000 {
                    current.store(Arc::clone(&versions[turn % 2]));
                }
            });
            let mut seen = [0_u32; 2];
            while !writer.is_finished() || seen.iter().sum::<u32>() < 100 {
                let snapshot = current.load_full();
                let own =
                    versions.iter().position(|one| one.price_version == snapshot.price_version);
                let own = own.unwrap();
                seen[own] += 1;
                for (at, id) in ["a", "b"].into_iter().enumerate() {
                    let kind = snapshot.account_kind(&id.into());
                    assert_eq!(
                        kind == AccountKind::Prepaid,
                        at == own,
                        "accounts of another snapshot"
                    );
                }
            }
        });
    }
}
