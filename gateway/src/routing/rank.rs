//! Whether a candidate can serve a call, and how well it is: derived from the log, and as this
//! process sees it.

use runtime::clock::Micros;
use schemas::event::HealthState;

use super::health::Hot;
use super::local::View;
use super::mix::{mix, of_bytes, unit};
use super::seen::micros;
use super::{HealthMap, Load, Needs, RouteTarget, Standing, Terms, Wanted};

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

impl Wellness {
    /// The worse of both.
    fn or(self, other: Self) -> Self {
        Self { class: self.class.max(other.class), share: self.share.min(other.share) }
    }
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

    /// Why it can't serve the call at all. Most targets are for all calls, and nothing is looked up. `pinned`: the caller named its provider, so who it is
    /// meant for does not matter, but what it can do and where it is do.
    pub(super) fn unfit(
        &self,
        candidate: &RouteTarget,
        terms: &Terms,
        percentile: u8,
        pinned: bool,
    ) -> Option<Unfit> {
        let (only, facts, wanted) = (candidate.only.as_deref(), &candidate.known, self.wanted);
        let region = only.and_then(|only| only.region.as_ref());
        let inside = |regions: &[String]| {
            regions.is_empty() || region.is_some_and(|own| regions.contains(own))
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
        let only = only?;
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
    pub(super) fn wellness(&self, candidate: &RouteTarget) -> Wellness {
        let keys = candidate.keys;
        let trickle = mix(self.seed, !keys.target) % 100 < TRICKLE_PERCENT;
        let mut worst = Wellness { class: Class::Well, share: 1.0 };
        for key in [keys.target, keys.credential] {
            if let Some(hot) = self.health.hot(key) {
                worst = worst.or(self.derived(hot, trickle));
            }
        }
        // of what the log says is out, this process has nothing better to say
        if worst.class < Class::Ejected {
            for key in [keys.target, keys.credential] {
                if let Some(standing) = self.view.standing(key, self.now) {
                    worst = worst.or(local(standing));
                }
            }
        }
        worst
    }

    fn derived(&self, hot: &Hot, trickle: bool) -> Wellness {
        let probing = if trickle { Class::Well } else { Class::Probing };
        let over = hot.until <= self.now.0;
        let class = match hot.state {
            HealthState::Healthy | HealthState::Other => Class::Well,
            HealthState::Degraded => Class::Degraded,
            HealthState::Probing => probing,
            HealthState::Ejected | HealthState::Disabled if over => probing,
            HealthState::Ejected => Class::Ejected,
            HealthState::Disabled => Class::Disabled,
        };
        let back = self.now.0.saturating_sub(hot.recovered);
        let slow_start = micros(self.view.rules.slow_start);
        let recovering = class == Class::Well && back < slow_start;
        let share = if recovering { back as f32 / slow_start as f32 } else { 1.0 };
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
