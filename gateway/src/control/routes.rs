//! The routes of a seed: what price lists offer, and what an operator says of models.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use schemas::ids::{ModelId, ProjectId, ProviderId};
use schemas::money::Nano;
use schemas::price::PriceBook;

use super::catalogue::Catalogue;
use super::seed::{Error, join};
use super::snapshot::offered_as;
use super::{Origin, Routes};
use crate::config::{ModelSeed, ProviderSeed, TargetSeed};
use crate::providers::compat::Vendor;
use crate::routing::{Known, Only, Route, RouteTarget, Terms};

/// What routes are made of.
pub(super) struct Sources<'a> {
    pub(super) providers: &'a BTreeMap<ProviderId, Arc<[RouteTarget]>>,
    pub(super) catalogue: &'a Catalogue,
    pub(super) prices: &'a PriceBook,
}

/// A model that a provider offers by itself.
#[derive(Debug)]
pub(super) struct Offer {
    /// The name that callers use.
    pub(super) name: ModelId,
    pub(super) targets: Vec<RouteTarget>,
}

/// The models of the provider's price list, and those that the operator names, under their own
/// names. Names of other vendors' models (with a slash) are had by a pin alone.
pub(super) fn offers(
    provider: &ProviderSeed,
    vendor: &Vendor,
    targets: &[RouteTarget],
    catalogue: &Catalogue,
    prices: &PriceBook,
) -> Vec<Offer> {
    let lists = [provider.id.as_str(), vendor.id.as_str()].map(ProviderId::from);
    let listed = lists.iter().filter_map(|list| prices.prices.get(list)).flat_map(BTreeMap::keys);
    let named = provider.models.iter().map(|name| ModelId::from(name.as_str()));
    let models: BTreeSet<ModelId> = listed.cloned().chain(named).collect();
    let [id, _] = lists;
    let offers = models.into_iter().filter(|model| model.as_str() != "*").map(|model| {
        let known = Known::of((&id, &vendor.id, &model), catalogue, prices);
        let targets = targets.iter().map(|target| target.with_model(&model, known)).collect();
        Offer { name: offered_as(&id, &model), targets }
    });
    offers.collect()
}

impl Sources<'_> {
    fn asked_for(&self, known: &RouteTarget, model: &ModelId) -> RouteTarget {
        let (provider, vendor) = (&known.target.provider, &known.target.endpoint.vendor.id);
        known.with_model(model, Known::of((provider, vendor, model), self.catalogue, self.prices))
    }

    fn targets(&self, name: &str, seed: &TargetSeed) -> Result<Vec<RouteTarget>, Error> {
        let known = self.providers.get(&seed.provider.as_str().into());
        let known = known.ok_or_else(|| Error::Target {
            model: name.to_owned(),
            provider: seed.provider.clone(),
            known: join(self.providers.keys()),
        })?;
        if seed.canary.is_some_and(|percent| !(1..=100).contains(&percent)) {
            return Err(Error::Canary(name.to_owned()));
        }
        let model = ModelId::from(seed.model.as_deref().unwrap_or(name));
        let targets = known.iter().map(|target| RouteTarget {
            weight: target.weight.saturating_mul(seed.weight),
            priority: seed.priority,
            only: Only {
                region: target.only.as_ref().and_then(|only| only.region.clone()),
                tags: seed.tags.clone(),
                canary: seed.canary,
            }
            .shared(),
            ..self.asked_for(target, &model)
        });
        Ok(targets.collect())
    }

    /// A route with those of its targets that are there; none, where nothing is left of it.
    fn route(&self, seed: &ModelSeed, wrong: &mut Vec<Error>) -> Option<Route> {
        let mut targets = Vec::new();
        for target in &seed.targets {
            match self.targets(&seed.name, target) {
                Ok(more) => targets.extend(more),
                Err(error) => wrong.push(error),
            }
        }
        match self.terms(seed, targets.is_empty()) {
            Ok(terms) => {
                let route = Route::new(targets, Origin::Configured);
                Some(Route { terms: Arc::new(terms), ..route })
            }
            Err(error) => {
                wrong.push(error);
                None
            }
        }
    }

    fn terms(&self, seed: &ModelSeed, is_empty: bool) -> Result<Terms, Error> {
        let name = &seed.name;
        if is_empty && seed.fallbacks.is_empty() {
            return Err(Error::Empty(name.clone()));
        }
        if seed.fallbacks.iter().any(|other| other.is_empty() || other == name) {
            return Err(Error::Fallback(name.clone()));
        }
        let rate = |price: &Option<String>| {
            let rate = price.as_ref().map(|price| price.parse::<Nano>());
            rate.transpose().map(|rate| rate.map(|nano| nano.0))
        };
        let max_rates = rate(&seed.max_price.input)
            .and_then(|input| Ok((input, rate(&seed.max_price.output)?)))
            .map_err(|source| Error::MaxPrice { model: name.clone(), source })?;
        Ok(Terms {
            strategy: seed.strategy,
            fallbacks: seed.fallbacks.iter().map(|name| name.as_str().into()).collect(),
            pin_fallback: seed.pin_fallback,
            regions: seed.regions.clone(),
            max_rates,
        })
    }

    /// What an operator says of models: for all keys, and for those of projects. What is wrong is left
    /// out, and told.
    pub(super) fn configured(
        &self,
        seeds: &[ModelSeed],
        wrong: &mut Vec<Error>,
    ) -> (Routes, HashMap<ProjectId, Routes>) {
        let (mut all, mut projects) = (Routes::default(), HashMap::<ProjectId, Routes>::new());
        for seed in seeds {
            let pin = seed.name.split_once('/');
            let pin = pin.is_some_and(|(first, _)| self.providers.contains_key(&first.into()));
            if seed.name.is_empty() || pin {
                wrong.push(Error::Name(seed.name.clone()));
                continue;
            }
            let Some(route) = self.route(seed, wrong).map(Arc::new) else {
                continue;
            };
            if seed.projects.is_empty() {
                wrong.extend(all.add(&seed.name, &route).err());
            }
            for project in &seed.projects {
                let own = projects.entry(project.as_str().into()).or_default();
                wrong.extend(own.add(&seed.name, &route).err());
            }
        }
        (all, projects)
    }
}

impl Routes {
    fn add(&mut self, name: &str, route: &Arc<Route>) -> Result<(), Error> {
        let twice = || Error::Name(name.to_owned());
        let Some(start) = name.strip_suffix('*') else {
            let before = self.named.insert(name.into(), Arc::clone(route));
            return before.map_or(Ok(()), |_| Err(twice()));
        };
        if start.contains('*') || self.patterns.iter().any(|(known, _)| **known == *start) {
            return Err(twice());
        }
        let place = self.patterns.partition_point(|(known, _)| known.len() > start.len());
        self.patterns.insert(place, (start.into(), Arc::clone(route)));
        Ok(())
    }
}
