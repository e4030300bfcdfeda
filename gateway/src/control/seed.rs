//! From what an operator's file and the environment say to a snapshot.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use schemas::ids::{ModelId, ProviderId};
use schemas::price::PriceBook;

use super::routes::{Offers, Sources};
use super::{AccountTerms, Snapshot, keys};
use crate::config::{ProviderSeed, Seed};
use crate::providers::compat::{Vendor, Vendors};
use crate::providers::{Auth, Deadlines, Endpoint, Unfit};
use crate::routing::{Only, Route, RouteTarget, Target};
use crate::upstream::Zone;

/// What is wrong with a seed. Names the field and what would be right.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The provider's vendor is not in the table.
    #[error("providers[{provider}].vendor = {vendor:?} is not known; known are {known}")]
    Vendor {
        /// Which provider.
        provider: String,
        /// What it names.
        vendor: String,
        /// What there is.
        known: String,
    },
    /// An id is used twice, or can't be the first segment of a model.
    #[error("{field}: id {id:?} must be there once, and be of letters, digits, -, _ and .")]
    Id {
        /// Which list.
        field: &'static str,
        /// Which id.
        id: String,
    },
    /// The address is none.
    #[error("providers[{provider}].base_url = {value:?}: {why}")]
    Address {
        /// Which provider.
        provider: String,
        /// As given.
        value: String,
        /// What is wrong.
        why: String,
    },
    /// A secret can't be had.
    #[error("{field}: {source}")]
    Secret {
        /// Whose.
        field: String,
        /// Why.
        source: runtime::secret::Error,
    },
    /// A secret can't be shown to the provider.
    #[error("{field}: {source}")]
    Unfit {
        /// Whose.
        field: String,
        /// Why.
        source: Unfit,
    },
    /// A target names a provider that is not there.
    #[error(
        "models[{model}].targets: provider {provider:?} is not configured; configured are {known}"
    )]
    Target {
        /// Which model.
        model: String,
        /// What it names.
        provider: String,
        /// What there is.
        known: String,
    },
    /// A route's name would be taken for a pin, or is empty, or is there twice.
    #[error(
        "models: the name {0:?} must be there once (for a project), not begin with a configured provider's id and a slash, and have a * at its end alone"
    )]
    Name(String),
    /// A route has no targets.
    #[error("models[{0}].targets must name at least one provider, or fallbacks a model")]
    Empty(String),
    /// A fallback is the model itself, or none.
    #[error("models[{0}].fallbacks must name other models")]
    Fallback(String),
    /// A share that is none.
    #[error("models[{0}].targets: canary must be a percentage from 1 to 100")]
    Canary(String),
    /// A price that can't be read.
    #[error("models[{model}].max_price must be USD per million tokens, such as \"2.50\": {source}")]
    MaxPrice {
        /// Which model.
        model: String,
        /// Why.
        source: schemas::money::Error,
    },
    /// A key has no secret, or two.
    #[error("keys[{0}] must have either secret or sha256 (64 hex digits)")]
    Key(String),
    /// Two keys would be one.
    #[error("keys[{key}] has the same secret as keys[{other}]; give each key its own")]
    SameSecret {
        /// Which key.
        key: String,
        /// The one before it.
        other: String,
    },
    /// An access key id is none, or that of two keys.
    #[error(
        "keys[{key}].aws.access_key_id = {id:?} must be there once, and be of at most 128 letters and digits"
    )]
    AccessKey {
        /// Which key.
        key: String,
        /// Which id.
        id: String,
    },
    /// What signs is also sent: who sees it sent could sign.
    #[error("keys[{key}].aws.secret is the secret of keys[{other}]; give it one of its own")]
    SigningSecret {
        /// Which key.
        key: String,
        /// Whose secret it is.
        other: String,
    },
    /// A credential's id is used twice: the health of two would be one.
    #[error("providers[{provider}].credentials: id {id:?} must be there once")]
    Credential {
        /// Which provider.
        provider: String,
        /// Which id.
        id: String,
    },
}

/// How references to secrets are resolved.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The price book that a seed means: the catalogue, with each provider priced by its vendor's list.
pub fn price_book(
    catalogue: &PriceBook,
    own: Option<PriceBook>,
    providers: &[ProviderSeed],
) -> PriceBook {
    let mut book = catalogue.clone();
    for (provider, models) in own.map(|own| own.prices).unwrap_or_default() {
        book.prices.entry(provider).or_default().extend(models);
    }
    let lists = providers.iter().filter_map(|provider| {
        let vendor = provider.vendor.as_deref().filter(|vendor| *vendor != provider.id)?;
        Some((ProviderId::from(provider.id.as_str()), ProviderId::from(vendor)))
    });
    book.lists = lists.collect();
    book
}

/// The snapshot of a seed.
///
/// # Errors
/// [`Error`] names the field and what would be right.
pub fn snapshot(
    seed: &Seed,
    vendors: &Vendors,
    prices: PriceBook,
    call_time: Duration,
    lookup: Lookup<'_>,
) -> Result<Snapshot, Error> {
    let (mut snapshot, wrong) = assemble(seed, vendors, prices, call_time, lookup);
    if let Some(error) = wrong.into_iter().next() {
        return Err(error);
    }
    for account in &seed.accounts {
        let terms = AccountTerms { kind: account.kind };
        if snapshot.accounts.insert(account.id.as_str().into(), terms).is_some() {
            return Err(Error::Id { field: "accounts", id: account.id.clone() });
        }
    }
    snapshot.keys = keys::shown(&seed.keys, &seed.key_hash, lookup)?;
    snapshot.scripts = snapshot.keys.values().any(|key| !key.origins.is_empty());
    snapshot.signing = keys::signing(&seed.keys, &snapshot.keys, &seed.key_hash, lookup)?;
    Ok(snapshot)
}

/// The providers, models and prices of a seed, without its keys and accounts; what is wrong is left out, and told.
pub fn assemble(
    seed: &Seed,
    vendors: &Vendors,
    prices: PriceBook,
    call_time: Duration,
    lookup: Lookup<'_>,
) -> (Snapshot, Vec<Error>) {
    let mut wrong = Vec::new();
    let mut providers: BTreeMap<ProviderId, Arc<[RouteTarget]>> = BTreeMap::new();
    let (mut routes, mut offered) = (BTreeMap::new(), Vec::new());
    for provider in &seed.providers {
        let id = ProviderId::from(provider.id.as_str());
        let made = check_id("providers", &provider.id).and_then(|()| {
            let vendor = vendor_of(provider, vendors)?;
            if providers.contains_key(&id) {
                return Err(Error::Id { field: "providers", id: provider.id.clone() });
            }
            Ok((vendor, targets(provider, vendor, call_time, lookup)?))
        });
        match made {
            Ok((vendor, targets)) => {
                offered.push((provider, vendor));
                providers.insert(id, targets.into());
            }
            Err(error) => wrong.push(error),
        }
    }
    let sources = Sources { providers: &providers, catalogue: &seed.catalogue, prices: &prices };
    let mut offers = Offers::default();
    for (provider, vendor) in &offered {
        let targets = providers.get(&provider.id.as_str().into());
        offers.add(&mut routes, provider, vendor, targets.map_or(&[], |all| all), &sources);
    }
    let mut routes: BTreeMap<ModelId, Arc<Route>> =
        routes.into_iter().map(|(name, route)| (name, Arc::new(route))).collect();
    let (configured, projects) = sources.configured(&seed.models, &mut wrong);
    routes.extend(configured.named);
    let snapshot = Snapshot {
        key_hash: seed.key_hash.clone(),
        signing: HashMap::new(),
        keys: HashMap::new(),
        scripts: false,
        routes,
        patterns: configured.patterns,
        projects,
        providers,
        accounts: HashMap::new(),
        price_version: prices.version(),
        prices: Arc::new(prices),
        catalogue: Arc::clone(&seed.catalogue),
        unpriced: seed.unpriced,
        limits: Arc::default(),
    };
    (snapshot, wrong)
}

pub(super) fn check_id(field: &'static str, id: &str) -> Result<(), Error> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if id.is_empty() || !id.bytes().all(plain) {
        return Err(Error::Id { field, id: id.to_owned() });
    }
    Ok(())
}

fn vendor_of<'v>(provider: &ProviderSeed, vendors: &'v Vendors) -> Result<&'v Vendor, Error> {
    let name = provider.vendor.as_deref().unwrap_or(&provider.id);
    vendors.get(name).ok_or_else(|| Error::Vendor {
        provider: provider.id.clone(),
        vendor: name.to_owned(),
        known: join(vendors.keys()),
    })
}

pub(super) fn join<T: ToString>(names: impl Iterator<Item = T>) -> String {
    names.map(|name| name.to_string()).collect::<Vec<_>>().join(", ")
}

/// A target per credential, the model left to be filled in.
fn targets(
    provider: &ProviderSeed,
    vendor: &Vendor,
    call_time: Duration,
    lookup: Lookup<'_>,
) -> Result<Vec<RouteTarget>, Error> {
    let endpoint = Arc::new(endpoint(provider, vendor, call_time)?);
    let target = |credential, version, auth| {
        Target::new(Arc::clone(&endpoint), credential, version, auth, "*".into())
    };
    let only = Only { region: provider.region.clone(), ..Only::default() }.shared();
    if provider.credentials.is_empty() {
        let target = target("none".into(), 1, Auth::None);
        return Ok(vec![RouteTarget { only, ..RouteTarget::new(target, provider.weight) }]);
    }
    let mut ids = std::collections::BTreeSet::new();
    let targets = provider.credentials.iter().map(|credential| {
        if !ids.insert(&credential.id) {
            return Err(Error::Credential {
                provider: provider.id.clone(),
                id: credential.id.clone(),
            });
        }
        let field = || format!("providers[{}].credentials[{}].secret", provider.id, credential.id);
        let secret = credential
            .secret
            .resolve(lookup)
            .map_err(|source| Error::Secret { field: field(), source })?;
        let host = endpoint.base_url.host_str().unwrap_or_default();
        let auth = vendor.auth.of(&secret, host, vendor.region.as_deref());
        let auth = auth.map_err(|source| Error::Unfit { field: field(), source })?;
        let target = target(credential.id.as_str().into(), credential.version, auth);
        let weight = credential.weight.saturating_mul(provider.weight);
        Ok(RouteTarget { only: only.clone(), ..RouteTarget::new(target, weight) })
    });
    targets.collect()
}

/// The address as it may be told: a user, a password or a query may be a secret.
fn without_secrets(address: &str) -> String {
    let told = address.split_once('?').map_or(address, |(told, _)| told);
    match (told.split_once("://"), told.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://...@{host}"),
        (None, Some((_, host))) => format!("...@{host}"),
        (_, None) => told.to_owned(),
    }
}

fn endpoint(
    provider: &ProviderSeed,
    vendor: &Vendor,
    call_time: Duration,
) -> Result<Endpoint, Error> {
    let text = vendor.base(provider.base_url.as_deref().unwrap_or(&vendor.base_url));
    let refuse = |why: &str| Error::Address {
        provider: provider.id.clone(),
        value: without_secrets(text),
        why: why.to_owned(),
    };
    if text.is_empty() {
        let like = vendor.base_url_example.as_deref().unwrap_or("https://api.openai.com/v1");
        return Err(refuse(&format!("it must be given, such as {like}")));
    }
    let base_url = url::Url::parse(text).map_err(|error| refuse(&error.to_string()))?;
    if !matches!(base_url.scheme(), "http" | "https") || base_url.host().is_none() {
        return Err(refuse("an address such as https://api.openai.com/v1 is wanted"));
    }
    if !base_url.username().is_empty()
        || base_url.password().is_some()
        || base_url.query().is_some()
    {
        return Err(refuse("it must hold no user, password or query"));
    }
    let deadlines = Deadlines {
        connect: Duration::from_secs(10),
        first_byte: vendor.first_byte.into(),
        idle: vendor.idle.into(),
        total: call_time,
    };
    Endpoint::new(provider.id.as_str().into(), vendor.clone(), base_url, deadlines)
        .map(|endpoint| endpoint.within(Zone::of(provider.allow_private)))
        .map_err(|error| refuse(&error.to_string()))
}
