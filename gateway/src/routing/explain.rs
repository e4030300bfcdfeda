//! Why a call goes where it goes: every candidate, what is known of it, and its place in the plan.

use runtime::clock::Micros;
use schemas::event::{AttemptError, HealthState};
use schemas::ids::{CredentialId, ModelId, ProviderId};
use serde::Serialize;

use super::local::View;
use super::plan::{plan_of, scale};
use super::rank::{Scale, Unfit};
use super::resolve::{Level, resolve};
use super::{Condition, HealthMap, Load, RouteTarget, Standing, Wanted};
use crate::control::Snapshot;
use crate::error::Error;

/// What the router makes of a call.
#[derive(Clone, Debug, Serialize)]
pub struct Explained {
    /// The model that was asked for.
    pub model: ModelId,
    /// Microseconds since the epoch, of the health that it is explained by.
    pub at: i64,
    /// The chance that the call was given.
    pub seed: u64,
    /// Why the first target is the first; `None` when there is none.
    pub why: Option<&'static str>,
    /// What the caller would be told, when there is none.
    pub error: Option<String>,
    /// All that was considered: the plan's targets in their order, then the others.
    pub candidates: Vec<Considered>,
}

/// A candidate.
#[derive(Clone, Debug, Serialize)]
pub struct Considered {
    /// Its place in the plan, from 1.
    pub place: Option<usize>,
    /// The provider.
    pub provider: ProviderId,
    /// Its credential.
    pub credential: CredentialId,
    /// The model that it is asked for.
    pub model: ModelId,
    /// The route that it is of: what was asked for, or a fallback of that.
    pub route: ModelId,
    /// Why it stands there, or why it was left out.
    pub verdict: String,
    /// Share of the calls.
    pub weight: u32,
    /// Lower is tried first.
    pub priority: u32,
    /// Percent of the calls, where it is a canary.
    pub canary: Option<u8>,
    /// Where it is.
    pub region: Option<String>,
    /// What the log says of the target; `None` for nothing.
    pub health: Option<Health>,
    /// And of its credential.
    pub credential_health: Option<Health>,
    /// What this process has seen of the target itself; `None` for nothing.
    pub local: Option<Local>,
    /// And of its credential.
    pub credential_local: Option<Local>,
}

/// Health as derived from the log.
#[derive(Clone, Debug, Serialize)]
pub struct Health {
    /// The state.
    pub state: HealthState,
    /// 0 to 100.
    pub score: i32,
    /// Why.
    pub reason: String,
    /// Since when, microseconds since the epoch.
    pub since: i64,
    /// Until when.
    pub until: Option<i64>,
}

/// What a process has seen itself.
#[derive(Clone, Debug, Serialize)]
pub struct Local {
    /// `free`, `slow_start`, `trial`, `ejected`, `limited` or `silent`.
    pub state: &'static str,
    /// Until when, microseconds since the epoch.
    pub until: Option<i64>,
    /// What ejected it last.
    pub reason: Option<AttemptError>,
    /// Calls that run.
    pub in_flight: u32,
    /// Peak-EWMA of the time to a stream's first content, microseconds.
    pub latency_us: Option<i64>,
    /// The same, of the time to a whole answer.
    pub whole_us: Option<i64>,
}

/// The plan of a call, and what became of everything that was considered for it.
///
/// # Errors
/// [`UnknownModel`](crate::error::Kind::UnknownModel): nothing serves the model at all.
pub fn explain(
    wanted: &Wanted<'_>,
    snapshot: &Snapshot,
    health: &HealthMap,
    view: &View<'_>,
    now: Micros,
    seed: u64,
) -> Result<Explained, Error> {
    let levels = resolve(wanted, snapshot)?;
    let scale = scale(&levels, wanted, health, view, now, seed);
    let plan = plan_of(&levels, &scale);
    let place = |candidate: &RouteTarget| {
        let targets = &plan.as_ref().ok()?.targets;
        Some(targets.iter().position(|planned| planned.keys == candidate.keys)? + 1)
    };
    let all = levels.iter().flat_map(|level| level.candidates().map(move |known| (level, known)));
    let mut candidates: Vec<Considered> =
        all.map(|(level, known)| considered(level, known, place(known), &scale)).collect();
    candidates.sort_by_key(|one| one.place.unwrap_or(usize::MAX));
    Ok(Explained {
        model: wanted.model.clone(),
        at: now.0,
        seed,
        why: plan.as_ref().ok().map(|plan| plan.why.as_str()),
        error: plan.as_ref().err().map(|error| error.message.to_string()),
        candidates,
    })
}

fn considered(
    level: &Level<'_>,
    candidate: &RouteTarget,
    place: Option<usize>,
    scale: &Scale<'_>,
) -> Considered {
    let RouteTarget { target, weight, priority, keys, only, .. } = candidate;
    let seen = |key| scale.view.at(key, scale.now);
    let derived = |key| scale.health.at(key).map(Health::from);
    Considered {
        place,
        provider: target.provider.clone(),
        credential: target.credential.clone(),
        model: target.model.clone(),
        route: level.name.clone(),
        verdict: verdict(level, candidate, place, scale),
        weight: *weight,
        priority: *priority,
        canary: only.as_ref().and_then(|only| only.canary),
        region: only.as_ref().and_then(|only| only.region.clone()),
        health: derived(keys.target),
        credential_health: derived(keys.credential),
        local: seen(keys.target).map(Local::from),
        credential_local: seen(keys.credential).map(Local::from),
    }
}

fn verdict(
    level: &Level<'_>,
    candidate: &RouteTarget,
    place: Option<usize>,
    scale: &Scale<'_>,
) -> String {
    let percentile = scale.percentile();
    if let Some(unfit) = scale.unfit(candidate, &level.route.terms, percentile, level.is_pinned()) {
        return format!("left out: {}", words(unfit, percentile));
    }
    let wellness = scale.wellness(candidate);
    let mut told = match place {
        Some(_) => wellness.class.as_str().to_owned(),
        None => format!("{}, but others go before it", wellness.class.as_str()),
    };
    if wellness.share < 1.0 {
        told.push_str(&format!(", with {:.0} % of its weight", wellness.share * 100.0));
    }
    if scale.is_too_long(candidate) {
        told.push_str(", the last resort: the input looks longer than its model's context");
    }
    told
}

fn words(unfit: Unfit, percentile: u8) -> String {
    match unfit {
        Unfit::Weight => "its weight is 0".to_owned(),
        Unfit::Tags => "the call does not carry its tags".to_owned(),
        Unfit::Canary => format!("a canary, and the call is in percentile {percentile}"),
        Unfit::Region => "its region is none that the key and the route allow".to_owned(),
        Unfit::Price => "it costs more than the route's max_price, or has no price".to_owned(),
        Unfit::Lacks(needs) => {
            let names: Vec<_> = needs.names().collect();
            format!("its model is known to lack {}", names.join(", "))
        }
    }
}

impl From<&Condition> for Health {
    fn from(condition: &Condition) -> Self {
        Self {
            state: condition.state,
            score: condition.score,
            reason: condition.reason.to_string(),
            since: condition.since.0,
            until: condition.until.map(|until| until.0),
        }
    }
}

impl From<Load> for Local {
    fn from(load: Load) -> Self {
        let (state, until) = match load.state {
            Standing::Free => ("free", None),
            Standing::SlowStart(_) => ("slow_start", None),
            Standing::Trial => ("trial", None),
            Standing::Ejected(until) => ("ejected", Some(until.0)),
            Standing::Limited(until) => ("limited", Some(until.0)),
            Standing::Silent => ("silent", None),
        };
        Self {
            state,
            until,
            reason: Some(load.reason).filter(|reason| *reason != AttemptError::None),
            in_flight: load.in_flight,
            latency_us: load.latency_us.map(|micros| micros as i64),
            whole_us: load.whole_us.map(|micros| micros as i64),
        }
    }
}
