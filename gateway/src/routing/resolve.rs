//! From a model's name to the candidates for it, level by level.

use std::borrow::Cow;
use std::sync::Arc;

use schemas::ids::{ModelId, ProviderId};

use super::{Needs, Route, RouteTarget, Wanted};
use crate::control::{Origin, Routes, Snapshot};
use crate::error::{Error, Kind};

/// Candidates of which all are tried before those of the next level.
pub(super) struct Level<'a> {
    /// The name that led to it.
    pub(super) name: ModelId,
    pub(super) route: Cow<'a, Route>,
    pub(super) which: Which<'a>,
}

/// Which targets of a route a level holds.
#[derive(Clone, Copy)]
pub(super) enum Which<'a> {
    All,
    /// Those of the provider that the caller named.
    Pinned(&'a ProviderId),
    /// The others.
    Beside(&'a ProviderId),
}

impl Level<'_> {
    pub(super) fn candidates(&self) -> impl Iterator<Item = &RouteTarget> + Clone {
        self.route.targets.iter().filter(|candidate| match self.which {
            Which::All => true,
            Which::Pinned(provider) => candidate.target.provider == *provider,
            Which::Beside(provider) => candidate.target.provider != *provider,
        })
    }

    /// What some of its models are known not to do.
    pub(super) fn lacking(&self) -> Needs {
        self.candidates().fold(Needs::NONE, |all, known| all.and(known.known.lacks))
    }

    pub(super) const fn is_pinned(&self) -> bool {
        matches!(self.which, Which::Pinned(_))
    }
}

/// A first segment that names a configured provider is a pin (`openai/gpt-4o`), else the whole
/// string is the model. The first level is what was asked for; the others are its fallbacks.
///
/// # Errors
/// [`Kind::UnknownModel`]: nothing serves it.
pub(super) fn resolve<'a>(
    wanted: &Wanted<'_>,
    snapshot: &'a Snapshot,
) -> Result<Vec<Level<'a>>, Error> {
    let mut levels = named(wanted.model, wanted, snapshot);
    let Some(last) = levels.last() else {
        return Err(unknown(wanted.model));
    };
    // a pin's own level has no fallbacks but those that its route allows
    if !last.is_pinned() {
        let terms = Arc::clone(&last.route.terms);
        for name in &terms.fallbacks {
            levels.extend(named(name, wanted, snapshot));
        }
    }
    // another name of a model has no targets of its own
    levels.retain(|level| !level.route.targets.is_empty());
    Ok(levels)
}

fn named<'a>(name: &ModelId, wanted: &Wanted<'_>, snapshot: &'a Snapshot) -> Vec<Level<'a>> {
    let own = wanted.project.and_then(|project| snapshot.projects.get(project));
    let pin = name.as_str().split_once('/').and_then(|(provider, model)| {
        Some((snapshot.providers.get_key_value(&provider.into())?, ModelId::from(model)))
    });
    let Some(((provider, targets), model)) = pin else {
        let level = |route| Level { name: name.clone(), route, which: Which::All };
        return route(name, own, snapshot).map(level).into_iter().collect();
    };
    if model.as_str().is_empty() {
        return Vec::new();
    }
    // known without making anything: the route of the price list, or of a listing
    let serves =
        |known: &RouteTarget| known.target.provider == *provider && known.target.model == model;
    let ready = [&model, name].into_iter().filter_map(|name| snapshot.routes.get(name));
    let ready = ready.filter(|route| route.origin != Origin::Configured);
    let mut ready = ready.filter(|route| route.targets.iter().any(serves));
    let pinned = match ready.next() {
        Some(route) => Cow::Borrowed(&**route),
        None => {
            let made = targets.iter().map(|known| snapshot.asked_for(known, &model));
            Cow::Owned(Route::new(made.collect(), Origin::Known))
        }
    };
    let mut levels =
        vec![Level { name: name.clone(), route: pinned, which: Which::Pinned(provider) }];
    let beside = route(&model, own, snapshot).filter(|route| route.terms.pin_fallback);
    let which = Which::Beside(provider);
    levels.extend(beside.map(|route| Level { name: model.clone(), route, which }));
    levels
}

/// A project's routes go before all others, and what an operator says before what lists say.
fn route<'a>(
    name: &ModelId,
    own: Option<&'a Routes>,
    snapshot: &'a Snapshot,
) -> Option<Cow<'a, Route>> {
    let known = snapshot.routes.get(name);
    let configured = known.filter(|route| route.origin == Origin::Configured);
    let own = own.and_then(|own| found(own, name, snapshot));
    own.or_else(|| configured.map(|route| Cow::Borrowed(&**route)))
        .or_else(|| pattern(&snapshot.patterns, name, snapshot))
        .or_else(|| known.map(|route| Cow::Borrowed(&**route)))
}

fn found<'a>(routes: &'a Routes, name: &ModelId, snapshot: &Snapshot) -> Option<Cow<'a, Route>> {
    let exact = routes.named.get(name).map(|route| Cow::Borrowed(&**route));
    exact.or_else(|| pattern(&routes.patterns, name, snapshot))
}

/// The route of the longest pattern that fits, made for this name.
fn pattern<'a>(
    patterns: &'a [(Box<str>, Arc<Route>)],
    name: &ModelId,
    snapshot: &Snapshot,
) -> Option<Cow<'a, Route>> {
    let fits =
        |(start, route): &'a (Box<str>, _)| Some((name.as_str().strip_prefix(&**start)?, route));
    let (rest, route) = patterns.iter().find_map(fits)?;
    let made = route.targets.iter().map(|known| {
        let model = known.target.model.as_str().replace('*', rest);
        snapshot.asked_for(known, &model.into())
    });
    let (targets, terms) = (made.collect(), Arc::clone(&route.terms));
    Some(Cow::Owned(Route { targets, origin: route.origin, listed: None, terms }))
}

fn unknown(model: &ModelId) -> Error {
    let name: String = model.as_str().chars().take(100).collect();
    let message = format!(
        "the model {name:?} is not served here; GET /v1/models lists what is, and provider/model names one of a configured provider"
    );
    Error::new(Kind::UnknownModel, message).at("model")
}
