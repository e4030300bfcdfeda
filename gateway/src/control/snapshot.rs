//! The immutable view that a call sees from start to end.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use schemas::ids::{AccountId, KeyId, ModelId, PriceVersion, ProjectId, ProviderId};
use schemas::price::PriceBook;

use crate::config::{AccountKind, Unpriced};
use crate::routing::Target;

/// Keys, providers, models, accounts and prices at one moment.
#[derive(Debug)]
pub struct Snapshot {
    /// API keys by their SHA-256.
    pub keys: HashMap<[u8; 32], Arc<Key>>,
    /// What serves each model by the name that callers use.
    pub routes: BTreeMap<ModelId, Arc<Route>>,
    /// Targets by provider, for models pinned to it: each credential with its weight, the model
    /// left to be filled in.
    pub providers: BTreeMap<ProviderId, Arc<[RouteTarget]>>,
    /// Accounts that differ from the default (metered).
    pub accounts: HashMap<AccountId, AccountTerms>,
    /// The price book.
    pub prices: Arc<PriceBook>,
    /// Its version.
    pub price_version: PriceVersion,
    /// What happens to calls for models without a price.
    pub unpriced: Unpriced,
}

/// An API key; its secret is known only as a hash.
#[derive(Debug)]
pub struct Key {
    /// Its public name.
    pub id: KeyId,
    /// Who pays.
    pub account: AccountId,
    /// What it belongs to.
    pub project: ProjectId,
    /// Models that it may use, all when empty; a trailing `*` stands for any ending.
    pub models: Vec<String>,
}

impl Key {
    /// Whether the key may use the model.
    pub fn allows(&self, model: &ModelId) -> bool {
        self.models.is_empty()
            || self.models.iter().any(|pattern| match pattern.strip_suffix('*') {
                Some(start) => model.as_str().starts_with(start),
                None => pattern == model.as_str(),
            })
    }
}

/// What serves a model.
#[derive(Debug)]
pub struct Route {
    /// In no order.
    pub targets: Vec<RouteTarget>,
}

/// A target of a route.
#[derive(Clone, Debug)]
pub struct RouteTarget {
    /// The target.
    pub target: Arc<Target>,
    /// Share of the calls among targets of the same priority.
    pub weight: u32,
    /// Lower is tried first.
    pub priority: u32,
}

/// How an account pays.
#[derive(Clone, Copy, Debug)]
pub struct AccountTerms {
    /// Before or after.
    pub kind: AccountKind,
}

impl RouteTarget {
    /// The same, asked for another model.
    #[must_use]
    pub fn with_model(&self, model: &ModelId) -> Self {
        Self { target: Arc::new(self.target.with_model(model)), ..*self }
    }
}

impl Snapshot {
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
