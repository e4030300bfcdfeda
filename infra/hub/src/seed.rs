//! What this machine knows of providers, keys and prices at start, and telling the log of it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use control::compile::{Surroundings, lookup};
use gateway::config::{CredentialSeed, KeySeed, ProviderSeed, Seed, UpstreamConfig};
use gateway::control::catalogue::{self, Catalogue};
use gateway::control::{KeyHash, Snapshot, seed};
use gateway::providers::compat::{self, Vendor, Vendors};
use gateway::routing::Local;
use gateway::upstream;
use runtime::log::{NewRecord, Outgoing};
use runtime::secret::SecretRef;
use schemas::event::{Credit, CreditKind};
use schemas::partition::partition_of;
use schemas::price::{PriceBook, parse_catalogue, shipped, shipped_sources, sources};
use schemas::topics::Topic;
use schemas::wire::Event;

use crate::config::{Config, Environment};
use crate::secrets::Secrets;
use crate::serve::Shared;

/// What the settings, the environment and the data folder say, and what this process knows beside.
///
/// # Errors
/// Names the field and what would be right.
pub(crate) fn seed(shared: &Shared, demo: SocketAddr) -> anyhow::Result<(Seed, Surroundings)> {
    let (config, environment) = (&*shared.config, &*shared.environment);
    let demo = ProviderSeed {
        id: "demo".into(),
        base_url: Some(format!("http://{demo}/v1")),
        ..blank("demo")
    };
    let mut keys = config.keys.clone();
    // made before it is referred to
    Secrets::new(&config.data).client_key()?;
    keys.push(KeySeed {
        id: "client".into(),
        secret: Some(SecretRef::File(Secrets::new(&config.data).client_key_path())),
        sha256: None,
        account: "default".into(),
        project: "default".into(),
        models: Vec::new(),
        origins: Vec::new(),
        aws: None,
        regions: Vec::new(),
    });
    let made = Made::of(config, environment, keys)?;
    // what is wrong with the settings is told before anything is written
    let whole = made.seed.providers.iter().cloned().chain([demo.clone()]).collect();
    made.snapshot(config, environment, Seed { providers: whole, ..made.seed.clone() })?;
    let local = Surroundings {
        vendors: Arc::new(made.vendors),
        catalogue: Arc::clone(&made.seed.catalogue),
        prices: Arc::new(shipped()?),
        own_prices: made.own_prices.map(Arc::new),
        call_time: config.limits.call_time.into(),
        unpriced: config.unpriced,
        providers: vec![demo],
        environment: Arc::clone(&shared.environment),
    };
    Ok((made.seed, local))
}

/// What a command knows that serves no calls.
///
/// # Errors
/// Names the file that can't be read.
pub(crate) fn bare(config: &Config) -> anyhow::Result<Surroundings> {
    Ok(Surroundings {
        vendors: Arc::new(vendors(config)?),
        catalogue: Arc::new(Catalogue::default()),
        prices: Arc::new(shipped()?),
        own_prices: own_prices(config)?.map(Arc::new),
        call_time: config.limits.call_time.into(),
        unpriced: config.unpriced,
        providers: Vec::new(),
        environment: Arc::default(),
    })
}

/// The providers of the settings and the environment, for who does not serve callers.
///
/// # Errors
/// Names the field and what would be right.
pub(crate) fn providers(config: &Config, environment: &Environment) -> anyhow::Result<Snapshot> {
    let made = Made::of(config, environment, Vec::new())?;
    made.snapshot(config, environment, made.seed.clone())
}

/// A seed and what it is read with.
struct Made {
    seed: Seed,
    vendors: Vendors,
    own_prices: Option<PriceBook>,
}

impl Made {
    fn of(config: &Config, environment: &Environment, keys: Vec<KeySeed>) -> anyhow::Result<Self> {
        let vendors = vendors(config)?;
        let mut providers = config.providers.clone();
        providers.extend(from_environment(config, environment, &vendors));
        let seed = Seed {
            unpriced: config.unpriced,
            providers,
            models: config.models.clone(),
            keys,
            key_hash: KeyHash::default(),
            accounts: config.accounts.clone(),
            catalogue: Arc::new(catalogue(config)?),
        };
        Ok(Self { seed, vendors, own_prices: own_prices(config)? })
    }

    fn snapshot(
        &self,
        config: &Config,
        environment: &Environment,
        seed: Seed,
    ) -> anyhow::Result<Snapshot> {
        let prices = seed::price_book(&shipped()?, self.own_prices.clone(), &seed.providers);
        let lookup = |names: &str| lookup(environment, names);
        let time = config.limits.call_time.into();
        Ok(seed::snapshot(&seed, &self.vendors, prices, time, &lookup)?)
    }
}

fn vendors(config: &Config) -> anyhow::Result<Vendors> {
    let mut vendors = compat::shipped()?;
    if let Some(path) = &config.vendors_file {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("vendors_file {}", path.display()))?;
        vendors.extend(
            compat::parse(&text).with_context(|| format!("vendors_file {}", path.display()))?,
        );
    }
    Ok(vendors)
}

fn own_prices(config: &Config) -> anyhow::Result<Option<PriceBook>> {
    own(&config.prices_file, "prices_file", parse_catalogue)
}

/// What is known of models, and where their prices are from; the operator's own over the shipped.
fn catalogue(config: &Config) -> anyhow::Result<Catalogue> {
    let mut known = catalogue::shipped()?.with_prices(shipped_sources()?);
    if let Some(sources) = own(&config.prices_file, "prices_file", sources)? {
        known = known.with_prices(sources);
    }
    if let Some(models) = own(&config.models_file, "models_file", catalogue::parse)? {
        known = known.with(models);
    }
    Ok(known)
}

/// What a file of the settings holds, if one is named.
fn own<T, E: std::error::Error + Send + Sync + 'static>(
    path: &Option<PathBuf>,
    setting: &str,
    parse: impl Fn(&str) -> Result<T, E>,
) -> anyhow::Result<Option<T>> {
    let Some(path) = path else {
        return Ok(None);
    };
    let named = || format!("{setting} {}", path.display());
    let text = std::fs::read_to_string(path).with_context(named)?;
    Ok(Some(parse(&text).with_context(named)?))
}

fn blank(id: &str) -> ProviderSeed {
    ProviderSeed {
        id: id.into(),
        vendor: None,
        base_url: None,
        credentials: Vec::new(),
        models: Vec::new(),
        weight: 1,
        region: None,
        allow_private: true,
    }
}

/// A provider for each vendor whose key is in the environment, or, where it wants none, whose
/// address is; what the file says of the same id goes before.
fn from_environment(
    config: &Config,
    environment: &Environment,
    vendors: &Vendors,
) -> Vec<ProviderSeed> {
    let set = |name: &Option<String>| {
        let (name, value) = environment.get_key_value(name.as_deref()?)?;
        (!value.is_empty()).then_some((name, value))
    };
    // a key in parts: all but the last must be there
    let parts = |vendor: &Vendor| {
        let names = &vendor.key_env_parts;
        let there: Vec<&str> =
            names.iter().filter_map(|name| Some(set(&Some(name.clone()))?.0.as_str())).collect();
        let needed = names.split_last().map_or(&names[..], |(_, needed)| needed);
        let complete = needed.iter().all(|name| there.contains(&name.as_str()));
        (complete && !there.is_empty()).then(|| there.join(":"))
    };
    // the usual address in the region of the environment
    let elsewhere = |vendor: &Vendor| {
        let (_, region) = vendor.region_env.iter().find_map(|name| set(&Some(name.clone())))?;
        Some(vendor.base_url.replace(vendor.region.as_deref()?, region))
    };
    let configured = |id: &str| config.providers.iter().any(|provider| provider.id == id);
    let found = vendors.values().filter(|vendor| !configured(&vendor.id)).filter_map(|vendor| {
        let key = set(&vendor.key_env).map(|(name, _)| name.clone()).or_else(|| parts(vendor));
        let address = set(&vendor.base_url_env).map(|(_, address)| address.clone());
        if key.is_none() && (vendor.key_env.is_some() || address.is_none()) {
            return None;
        }
        if vendor.base_url.is_empty() && address.is_none() {
            // many have such a key in their environment that was never meant for the hub
            tracing::info!(vendor = %vendor.id, "its key is in the environment, but no address: it is not used; \
                to use it, set its base_url under [[providers]]");
            return None;
        }
        let credentials = key.map(|name| CredentialSeed {
            id: "env".into(),
            secret: SecretRef::Variable(name),
            version: 1,
            weight: 1,
        });
        Some(ProviderSeed {
            base_url: address.or_else(|| elsewhere(vendor)),
            credentials: credentials.into_iter().collect(),
            ..blank(&vendor.id)
        })
    });
    found.collect()
}

/// The client of providers.
///
/// # Errors
/// A proxy or certificate file is not good.
pub(crate) fn upstream(shared: &Shared, local: Arc<Local>) -> anyhow::Result<upstream::Client> {
    let config = upstream_config(&shared.config, &shared.environment);
    let options = upstream::Options {
        answer: shared.config.limits.answer.as_usize(),
        clock: shared.clock.clone(),
        metrics: shared.metrics.clone(),
        local,
    };
    Ok(upstream::Client::new(&config, options)?)
}

/// How providers are reached: as the settings say, else as the usual variables do.
pub(crate) fn upstream_config(config: &Config, environment: &Environment) -> UpstreamConfig {
    let mut config = config.upstream.clone();
    let variable = |names: [&str; 2]| names.iter().find_map(|name| environment.get(*name).cloned());
    config.https_proxy = config.https_proxy.or_else(|| variable(["HTTPS_PROXY", "https_proxy"]));
    config.no_proxy = config.no_proxy.or_else(|| variable(["NO_PROXY", "no_proxy"]));
    config
}

/// Tells the log of first grants.
///
/// # Errors
/// The log can't be read or written.
pub(crate) async fn grant(shared: &Shared) -> anyhow::Result<()> {
    for account in &shared.config.accounts {
        let Some(grant) = &account.grant else {
            continue;
        };
        let amount = grant.parse().with_context(|| format!("accounts[{}].grant", account.id))?;
        if has_balance(shared, &account.id).await? {
            continue;
        }
        // the fixed command id makes it count once, however often it is sent
        let credit = Credit {
            command: "seed".into(),
            account: account.id.as_str().into(),
            kind: CreditKind::Grant,
            amount,
            actor: "hub".into(),
            reason: Some("first grant of the settings".into()),
        };
        append(shared, Topic::Credits, &account.id, &credit).await?;
    }
    Ok(())
}

async fn has_balance(shared: &Shared, account: &str) -> anyhow::Result<bool> {
    let partition = partition_of(account.as_bytes(), shared.log.partitions(Topic::Balances));
    let latest = shared.log.latest(Topic::Balances.at(partition)).await?;
    Ok(latest.records.iter().any(|record| record.key == account.as_bytes()))
}

/// Appends one event under its key.
///
/// # Errors
/// The log can't be written.
pub(crate) async fn append<E: Event>(
    shared: &Shared,
    topic: Topic,
    key: &str,
    event: &E,
) -> anyhow::Result<()> {
    let partition = partition_of(key.as_bytes(), shared.log.partitions(topic));
    let record = NewRecord {
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: Some(shared.codec.to_vec(event)?.into()),
        headers: Vec::new(),
    };
    shared.log.append(vec![Outgoing { to: topic.at(partition), record }]).await?;
    Ok(())
}
