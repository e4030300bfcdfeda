//! The order of targets for a call: a pure function of route, health and a seed.

use std::collections::HashMap;
use std::sync::Arc;

use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use runtime::clock::Micros;
use schemas::event::HealthState;
use schemas::ids::{ModelId, SubjectId};

use super::{Plan, Target};
use crate::control::{RouteTarget, Snapshot};
use crate::error::{Error, Kind};

/// How well a subject is, as derived from the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Condition {
    /// The state.
    pub state: HealthState,
    /// Until when it holds.
    pub until: Option<Micros>,
}

/// Health of targets and credentials; what is not in it is healthy.
pub type HealthMap = HashMap<SubjectId, Condition>;

/// The most targets that one call tries.
const MAX_TARGETS: usize = 6;
/// Of a hundred calls, how many try a target first whose ejection is over, to see how it does.
const TRICKLE_PERCENT: u32 = 10;

/// The targets for `model`, best first: healthy before unhealthy, then by priority, then by
/// weighted chance. An unhealthy target is tried last, never left out.
///
/// # Errors
/// [`Kind::UnknownModel`]: nothing serves it.
pub fn plan(
    model: &ModelId,
    snapshot: &Snapshot,
    health: &HealthMap,
    now: Micros,
    seed: u64,
) -> Result<Plan, Error> {
    let candidates = resolve(model, snapshot)?;
    if let [only] = candidates.as_slice() {
        return Ok(Plan { targets: vec![Arc::clone(&only.target)] });
    }
    let mut dice = SmallRng::seed_from_u64(seed);
    let mut ranked: Vec<(u8, u32, f64, &RouteTarget)> = candidates
        .iter()
        .filter(|candidate| candidate.weight > 0)
        .map(|candidate| {
            let trickle = dice.random_ratio(TRICKLE_PERCENT, 100);
            let rank = rank(&candidate.target, health, now, trickle);
            // Efraimidis and Spirakis (2006): the order of ln(u) / weight is a weighted shuffle
            let chance: f64 = dice.random_range(f64::EPSILON..1.0);
            (rank, candidate.priority, -chance.ln() / f64::from(candidate.weight), candidate)
        })
        .collect();
    ranked.sort_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)).then(a.2.total_cmp(&b.2)));
    let targets = ranked.into_iter().take(MAX_TARGETS);
    let targets: Vec<_> = targets.map(|(.., candidate)| Arc::clone(&candidate.target)).collect();
    if targets.is_empty() {
        return Err(unknown(model));
    }
    Ok(Plan { targets })
}

/// A first segment that names a configured provider is a pin (`openai/gpt-4o`), else the whole
/// string is the model.
fn resolve(model: &ModelId, snapshot: &Snapshot) -> Result<Vec<RouteTarget>, Error> {
    let pin = model.as_str().split_once('/').and_then(|(provider, pinned)| {
        Some((snapshot.providers.get(&provider.into())?, ModelId::from(pinned)))
    });
    match pin {
        Some((_, pinned)) if pinned.as_str().is_empty() => Err(unknown(model)),
        Some((targets, pinned)) => {
            Ok(targets.iter().map(|route| route.with_model(&pinned)).collect())
        }
        None => match snapshot.routes.get(model) {
            Some(route) => Ok(route.targets.clone()),
            None => Err(unknown(model)),
        },
    }
}

fn unknown(model: &ModelId) -> Error {
    let name: String = model.as_str().chars().take(100).collect();
    let message = format!(
        "the model {name:?} is not served here; GET /v1/models lists what is, and provider/model names one of a configured provider"
    );
    Error::new(Kind::UnknownModel, message).at("model")
}

/// 0 for targets that take calls, 1 for those that are being tried again, 2 for ejected and
/// disabled ones.
fn rank(target: &Target, health: &HealthMap, now: Micros, trickle: bool) -> u8 {
    [&target.subject, &target.credential_subject]
        .into_iter()
        .filter_map(|subject| health.get(subject))
        .map(|condition| match condition.state {
            HealthState::Healthy | HealthState::Other => 0,
            HealthState::Degraded => 1,
            HealthState::Probing => u8::from(!trickle),
            HealthState::Ejected if condition.until.is_some_and(|until| until <= now) => {
                u8::from(!trickle)
            }
            HealthState::Ejected | HealthState::Disabled => 2,
        })
        .max()
        .unwrap_or(0)
}
