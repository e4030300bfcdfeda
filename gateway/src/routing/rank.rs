//! Whether a candidate can serve a call, and how well it is: derived from the log, and as this
//! process sees it.

use runtime::clock::Micros;
use schemas::event::HealthState;

use super::local::View;
use super::mix::{mix, of_bytes, unit};
use super::{Condition, HealthMap, Load, Needs, RouteTarget, Standing, Terms, Wanted};

/// Of a hundred calls, how many may try a target first of which health says that it is probing.
const TRICKLE_PERCENT: u64 = 30;
/// The least part of its weight that a target gets in slow start (Envoy's `min_weight_percent`).
const LEAST_SHARE: f32 = 0.1;

/// Why a candidate can't serve a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unfit {
    /// Its weight is 0.
    Weight,
    /// The call does not carry its tags.
    Tags,
    /// The call is none of its share.
    Canary,
    /// It is not in the regions of the call or of the route.
    Region,
    /// Its model is known to lack these.
    Lacks(Needs),
    /// Its price is above the route's.
    Price,
}

/// How well a candidate is; the smaller, the better.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Class {
    /// It takes calls.
    Well,
    /// It takes calls, but others are better.
    Degraded,
    /// It waits for its turn to be tried.
    Probing,
    /// Only as the last resort.
    Ejected,
    /// Its credential is refused: after all others.
    Disabled,
}

impl Class {
    /// Its name.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Degraded => "degraded",
            Self::Probing => "probing",
            Self::Ejected => "ejected",
            Self::Disabled => "disabled",
        }
    }
}

/// Class, and which part of its weight holds.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Wellness {
    pub(super) class: Class,
    pub(super) share: f32,
}

/// What all candidates of a call are held against.
pub(super) struct Scale<'a> {
    pub(super) wanted: &'a Wanted<'a>,
    pub(super) health: &'a HealthMap,
    pub(super) view: &'a View<'a>,
    pub(super) now: Micros,
    pub(super) seed: u64,
    pub(super) needs: Needs,
}

impl Scale<'_> {
    /// The percent of the calls to which this one belongs: the same for all calls of an end user,
    /// where the call names one.
    pub(super) fn percentile(&self) -> u8 {
        let who = self.wanted.user.map_or(self.seed, |user| of_bytes(user.as_bytes()));
        let model = of_bytes(self.wanted.model.as_str().as_bytes());
        (mix(who, model) % 100) as u8
    }

    /// Why it can't serve the call at all. `pinned`: the caller named its provider, so who it is
    /// meant for does not matter, but what it can do and where it is do.
    pub(super) fn unfit(
        &self,
        candidate: &RouteTarget,
        terms: &Terms,
        percentile: u8,
        pinned: bool,
    ) -> Option<Unfit> {
        let (only, facts, wanted) = (&*candidate.only, &candidate.known, self.wanted);
        let inside = |regions: &[String]| {
            regions.is_empty() || only.region.as_ref().is_some_and(|own| regions.contains(own))
        };
        if !inside(wanted.regions) || !inside(&terms.regions) {
            return Some(Unfit::Region);
        }
        let lacks = facts.lacks.common(self.needs);
        if !lacks.is_none() {
            return Some(Unfit::Lacks(lacks));
        }
        let above = |rate: Option<i64>, most: Option<i64>| {
            most.is_some_and(|most| rate.is_none_or(|rate| rate > most))
        };
        if above(facts.input_rate, terms.max_rates.0) || above(facts.output_rate, terms.max_rates.1)
        {
            return Some(Unfit::Price);
        }
        if pinned {
            return None;
        }
        if candidate.weight == 0 {
            return Some(Unfit::Weight);
        }
        if !only.tags.iter().all(|(tag, value)| wanted.tags.get(tag) == Some(value)) {
            return Some(Unfit::Tags);
        }
        only.canary.is_some_and(|percent| percentile >= percent).then_some(Unfit::Canary)
    }

    /// The call is longer than its model's context, as far as can be told before it is asked.
    pub(super) fn is_too_long(&self, candidate: &RouteTarget) -> bool {
        candidate.known.context.is_some_and(|context| self.wanted.input > context)
    }

    pub(super) fn load(&self, candidate: &RouteTarget) -> Option<Load> {
        self.view.at(candidate.keys.target, self.now)
    }

    /// The worse of what the log and this process say, of the target and of its credential.
    pub(super) fn wellness(&self, candidate: &RouteTarget, load: Option<&Load>) -> Wellness {
        let keys = candidate.keys;
        let trickle = mix(self.seed, !keys.target) % 100 < TRICKLE_PERCENT;
        let mut worst = Wellness { class: Class::Well, share: 1.0 };
        let mut take = |one: Wellness| {
            worst.class = worst.class.max(one.class);
            worst.share = worst.share.min(one.share);
        };
        for key in [keys.target, keys.credential] {
            if let Some(condition) = self.health.at(key) {
                take(self.derived(condition, trickle));
            }
        }
        let credential = self.view.at(keys.credential, self.now);
        for load in [load, credential.as_ref()].into_iter().flatten() {
            take(local(load.state));
        }
        worst
    }

    fn derived(&self, condition: &Condition, trickle: bool) -> Wellness {
        let probing = if trickle { Class::Well } else { Class::Probing };
        let over = condition.until.is_some_and(|until| until <= self.now);
        let class = match condition.state {
            HealthState::Healthy | HealthState::Other => Class::Well,
            HealthState::Degraded => Class::Degraded,
            HealthState::Probing => probing,
            HealthState::Ejected | HealthState::Disabled if over => probing,
            HealthState::Ejected => Class::Ejected,
            HealthState::Disabled => Class::Disabled,
        };
        let back = self.now.since(condition.since);
        let slow_start = self.view.rules.slow_start;
        let recovering = class == Class::Well && condition.ejections > 0 && back < slow_start;
        let share = match recovering {
            true => back.as_secs_f32() / slow_start.as_secs_f32(),
            false => 1.0,
        };
        Wellness { class, share: share.max(LEAST_SHARE) }
    }

    /// Where a candidate stands by chance among those that are equal: exponential with its weight as
    /// rate, so that the least of them are a weighted sample (Efraimidis and Spirakis, 2006).
    pub(super) fn chance(&self, candidate: &RouteTarget, source: u64) -> f64 {
        unit(mix(source, candidate.keys.target))
    }
}

fn local(standing: Standing) -> Wellness {
    let (class, share) = match standing {
        Standing::Free | Standing::Trial => (Class::Well, 1.0),
        Standing::SlowStart(share) => (Class::Well, share.max(LEAST_SHARE)),
        Standing::Ejected(_) | Standing::Limited(_) | Standing::Silent => (Class::Ejected, 1.0),
    };
    Wellness { class, share }
}
