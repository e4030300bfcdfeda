//! The order of targets for a call: a pure function of call, snapshot, health, what this process
//! has seen, time and a seed.

use std::cmp::Ordering;
use std::sync::Arc;

use runtime::clock::Micros;

use super::local::View;
use super::rank::{Class, Scale, Unfit};
use super::resolve::{Level, resolve};
use super::{HealthMap, Load, Needs, Plan, Planned, RouteTarget, Strategy, Wanted, Why};
use crate::control::Snapshot;
use crate::error::{Error, Kind};

/// The most targets that one call tries.
pub const MAX_TARGETS: usize = 6;

/// The targets for a call, best first: those that take calls before those that do not, then by
/// level (what was asked for, its fallbacks), health, priority, and the strategy of the route. An
/// unhealthy target is tried last, never left out. Among more than [`MAX_TARGETS`] the last place is
/// kept for one of another provider than all before it.
///
/// # Errors
/// [`Kind::UnknownModel`]: nothing serves it. [`Kind::UnsupportedField`]: nothing that serves it can
/// do what the call needs.
pub fn plan(
    wanted: &Wanted<'_>,
    snapshot: &Snapshot,
    health: &HealthMap,
    view: &View<'_>,
    now: Micros,
    seed: u64,
) -> Result<Plan, Error> {
    let levels = resolve(wanted, snapshot)?;
    plan_of(&levels, &scale(&levels, wanted, health, view, now, seed))
}

/// What the candidates of these levels are held against.
pub(super) fn scale<'a>(
    levels: &[Level<'_>],
    wanted: &'a Wanted<'a>,
    health: &'a HealthMap,
    view: &'a View<'a>,
    now: Micros,
    seed: u64,
) -> Scale<'a> {
    let lacking = match wanted.call {
        Some(_) => levels.iter().fold(Needs::NONE, |all, level| all.and(level.lacking())),
        None => Needs::NONE,
    };
    Scale { wanted, health, view, now, seed, needs: wanted.all_needs(lacking) }
}

pub(super) fn plan_of(levels: &[Level<'_>], scale: &Scale<'_>) -> Result<Plan, Error> {
    let percentile = scale.percentile();
    let mut best = Best::default();
    // of those that are not well, where the best would stand if it were
    let (mut first_unfit, mut unwell) = (None, None);
    for (depth, level) in levels.iter().enumerate() {
        let terms = &*level.route.terms;
        let source = match terms.strategy {
            Strategy::Affinity => Some(scale.wanted.beginning()).filter(|prefix| *prefix != 0),
            _ => None,
        };
        let source = source.unwrap_or(scale.seed);
        for candidate in level.candidates() {
            if let Some(unfit) = scale.unfit(candidate, terms, percentile, level.is_pinned()) {
                first_unfit.get_or_insert(unfit);
                continue;
            }
            let hoped = Place::hoped(candidate, depth, terms.strategy, scale);
            let chance = scale.chance(candidate, source);
            let weight = f64::from(candidate.weight.max(1));
            if best.is_out(hoped, chance, weight) {
                continue;
            }
            let hoped = Place { key: -chance.ln() / weight, ..hoped };
            if best.is_full_before(&hoped) {
                continue;
            }
            let place = hoped.seen(candidate, terms.strategy, scale);
            if place.class() != Class::Well as u64 {
                let would = (depth, candidate.priority);
                unwell = Some(unwell.map_or(would, |best: (usize, u32)| best.min(would)));
            }
            best.put(Entry { place, candidate, level });
        }
    }
    let Some(first) = best.entries().next() else {
        return Err(nothing(scale.wanted, first_unfit));
    };
    let why = first.why(best.len, unwell);
    best.choose_of_two(scale);
    best.other_provider(levels, scale, percentile);
    let targets = best.entries().map(|entry| {
        let RouteTarget { target, keys, known, .. } = entry.candidate;
        Planned { target: Arc::clone(target), keys: *keys, context: known.context }
    });
    Ok(Plan { targets: targets.collect(), why })
}

/// Where a candidate stands.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Place {
    /// From the highest bit: only as the last resort (not well, or too small for the call), the depth of
    /// its level, its class, whether the call is none of a share that tries it first, its priority.
    group: u64,
    /// What the strategy looks at first; 0 where that is chance alone.
    cost: u64,
    /// Chance.
    key: f64,
}

const LAST: u64 = 1 << 63;
const DEPTH: u32 = 48;
const CLASS: u32 = 40;
const COMMON: u64 = 1 << 39;

impl Place {
    /// The best that it can be, before anything is looked up.
    fn hoped(candidate: &RouteTarget, depth: usize, strategy: Strategy, scale: &Scale<'_>) -> Self {
        let cost = match strategy {
            Strategy::Cost => price(candidate, scale.wanted),
            _ => 0,
        };
        let canary = candidate.only.as_ref().is_some_and(|only| only.canary.is_some());
        let last = if scale.is_too_long(candidate) { LAST } else { 0 };
        let common = if canary { 0 } else { COMMON };
        let depth = (depth.min(0x7fff) as u64) << DEPTH;
        let group = last | depth | common | u64::from(candidate.priority);
        Self { group, cost, key: 0.0 }
    }

    /// Where it stands, by what is looked up.
    fn seen(self, candidate: &RouteTarget, strategy: Strategy, scale: &Scale<'_>) -> Self {
        let wellness = scale.wellness(candidate);
        let cost = match strategy {
            Strategy::Busy => {
                let in_flight = u64::from(scale.view.in_flight(candidate.keys.target));
                in_flight * 1_000_000 / u64::from(candidate.weight.max(1))
            }
            _ => self.cost,
        };
        let last = if wellness.class >= Class::Ejected { LAST } else { 0 };
        let group = self.group | last | (wellness.class as u64) << CLASS;
        Self { group, cost, key: self.key / f64::from(wellness.share) }
    }

    const fn class(&self) -> u64 {
        self.group >> CLASS & 0xff
    }

    const fn depth(&self) -> usize {
        (self.group >> DEPTH & 0x7fff) as usize
    }

    fn order(&self, other: &Self) -> Ordering {
        let all = |place: &Self| (place.group, place.cost);
        all(self).cmp(&all(other)).then(self.key.total_cmp(&other.key))
    }
}

/// What the call costs about, in nano USD per million; the dearest when nobody knows.
fn price(candidate: &RouteTarget, wanted: &Wanted<'_>) -> u64 {
    /// Output of a call that names no maximum.
    const USUAL_OUTPUT: i64 = 500;
    let facts = &candidate.known;
    let (Some(input), Some(output)) = (facts.input_rate, facts.output_rate.or(Some(0))) else {
        return u64::MAX;
    };
    let tokens = (wanted.input.max(1), wanted.max_output.unwrap_or(USUAL_OUTPUT).max(0));
    let sum = i128::from(input) * i128::from(tokens.0) + i128::from(output) * i128::from(tokens.1);
    u64::try_from(sum).unwrap_or(u64::MAX)
}

#[derive(Clone, Copy)]
struct Entry<'a> {
    place: Place,
    candidate: &'a RouteTarget,
    level: &'a Level<'a>,
}

impl Entry<'_> {
    fn why(&self, of: usize, unwell: Option<(usize, u32)>) -> Why {
        let place = &self.place;
        let stands = (place.depth(), self.candidate.priority);
        match of {
            _ if place.group & LAST != 0 => Why::LastResort,
            _ if place.depth() > 0 => Why::Failover,
            _ if self.level.is_pinned() => Why::Pin,
            1 => Why::Only,
            _ if place.group & COMMON == 0 => Why::Canary,
            _ if unwell.is_some_and(|best| best < stands) => Why::Failover,
            _ => Why::Strategy(self.level.route.terms.strategy),
        }
    }
}

/// The best so far, in order, without allocating.
#[derive(Default)]
struct Best<'a> {
    entries: [Option<Entry<'a>>; MAX_TARGETS],
    len: usize,
    /// The last one's place, when all are taken.
    last: Option<Place>,
    /// Candidates that did not come in.
    more: bool,
}

impl<'a> Best<'a> {
    fn entries(&self) -> impl Iterator<Item = &Entry<'a>> {
        self.entries.iter().flatten()
    }

    /// Whether a candidate is out by its chance alone, whatever would be looked up: -ln(u) is no less
    /// than 1 - u. Most candidates of a long route are.
    fn is_out(&mut self, hoped: Place, chance: f64, weight: f64) -> bool {
        let Some(last) = self.last.as_ref() else {
            return false;
        };
        let (group, bar) = ((hoped.group, hoped.cost), (last.group, last.cost));
        let out = group > bar || group == bar && 1.0 - chance >= last.key * weight;
        self.more |= out;
        out
    }

    /// Whether all places are taken by better ones.
    fn is_full_before(&mut self, hoped: &Place) -> bool {
        let out = self.last.is_some_and(|last| hoped.order(&last) != Ordering::Less);
        self.more |= out;
        out
    }

    fn put(&mut self, entry: Entry<'a>) {
        if self.is_full_before(&entry.place) {
            return;
        }
        self.more |= self.len == MAX_TARGETS;
        self.len = (self.len + 1).min(MAX_TARGETS);
        let mut entry = Some(entry);
        for place in &mut self.entries {
            let before = match (&entry, &*place) {
                (Some(new), Some(old)) => new.place.order(&old.place) == Ordering::Less,
                (Some(_), None) => true,
                (None, _) => break,
            };
            if before {
                std::mem::swap(place, &mut entry);
            }
        }
        self.last = self.entries.last().and_then(|last| Some(last.as_ref()?.place));
    }

    /// The power of two choices: of each two neighbours the one that answers sooner goes first, and
    /// the other one is compared with the next.
    fn choose_of_two(&mut self, scale: &Scale<'_>) {
        let slow = |entry: &Entry<'_>| {
            let load = scale.load(entry.candidate);
            let stream = !scale.needs.common(Needs::STREAM).is_none();
            let of = |load: Load| if stream { load.latency_us } else { load.whole_us };
            let known = load.and_then(of);
            let derived = || {
                let condition = scale.health.at(entry.candidate.keys.target)?;
                (condition.latency_us > 0).then_some(condition.latency_us as f32)
            };
            let in_flight = load.map_or(0, |load| load.in_flight);
            known.or_else(derived).unwrap_or(0.0).max(1.0) * (in_flight as f32 + 1.0)
        };
        for at in 1..MAX_TARGETS {
            let Some([Some(first), Some(second)]) = self.entries.get(at - 1..=at) else {
                return;
            };
            let by_latency = first.level.route.terms.strategy == Strategy::Latency;
            if by_latency && first.place.group == second.place.group && slow(second) < slow(first) {
                self.entries.swap(at - 1, at);
            }
        }
    }

    /// Where all are of one provider, the best of the others takes the last place: it may be the
    /// provider that is down.
    fn other_provider(&mut self, levels: &'a [Level<'a>], scale: &Scale<'_>, percentile: u8) {
        let provider = |entry: &Entry<'_>| Arc::clone(&entry.candidate.target.provider.0);
        let Some(first) = self.entries().next().map(provider) else {
            return;
        };
        if !self.more || self.entries().any(|entry| provider(entry) != first) {
            return;
        }
        let mut other: Option<Entry<'a>> = None;
        for (depth, level) in levels.iter().enumerate() {
            let terms = &*level.route.terms;
            let others = level.candidates().filter(|known| known.target.provider.0 != first);
            for candidate in others {
                if scale.unfit(candidate, terms, percentile, level.is_pinned()).is_some() {
                    continue;
                }
                let weight = f64::from(candidate.weight.max(1));
                let key = -scale.chance(candidate, scale.seed).ln() / weight;
                let hoped = Place { key, ..Place::hoped(candidate, depth, terms.strategy, scale) };
                if other.is_some_and(|best| hoped.order(&best.place) != Ordering::Less) {
                    continue;
                }
                let place = hoped.seen(candidate, terms.strategy, scale);
                if other.is_none_or(|best| place.order(&best.place) == Ordering::Less) {
                    other = Some(Entry { place, candidate, level });
                }
            }
        }
        if let (Some(other), Some(last)) = (other, self.entries.last_mut()) {
            *last = Some(other);
        }
    }
}

fn nothing(wanted: &Wanted<'_>, unfit: Option<Unfit>) -> Error {
    let name: String = wanted.model.as_str().chars().take(100).collect();
    let (kind, why) = match unfit {
        Some(Unfit::Lacks(needs)) => {
            let names: Vec<_> = needs.names().collect();
            (Kind::UnsupportedField, format!("can't do what it needs: {}", names.join(", ")))
        }
        Some(Unfit::Region) => (Kind::UnknownModel, "is in a region that it may go to".to_owned()),
        Some(Unfit::Price) => {
            (Kind::UnknownModel, "costs as little as the route's max_price says".to_owned())
        }
        Some(Unfit::Tags) => (Kind::UnknownModel, "is for calls of these tags".to_owned()),
        Some(Unfit::Canary | Unfit::Weight) | None => {
            (Kind::UnknownModel, "takes calls by its weight".to_owned())
        }
    };
    let message = match kind {
        Kind::UnsupportedField => format!("what serves the model {name:?} {why}"),
        _ => format!("nothing that serves the model {name:?} {why}"),
    };
    Error::new(kind, message).at("model")
}
