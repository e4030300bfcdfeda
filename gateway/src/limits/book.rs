//! All counters of a gateway. They outlive snapshots.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use runtime::clock::{Clock, Micros};
use schemas::event::Limit;
use schemas::ids::Origin;

use super::calendar::Period;
use super::counter::{Counter, HELD, Used};
use super::others::Heard;
use super::rule::{Measure, Rule, Rules, Scope};

/// Counters of one bound are spread over so many locks.
const SHARDS: usize = 16;
/// A gateway that says nothing for so long is not there.
const ALIVE: Duration = Duration::from_secs(15);
/// Within so long all that are there say so.
const HEARS: Duration = Duration::from_secs(5);
/// After so long what it said of rates is forgotten.
const GONE: Duration = Duration::from_secs(600);

/// How the names begin under which it is kept what webhooks were told; no limit has a colon in its id.
pub const TOLD: &str = "told:";

/// The counters of one bound, by whose they are.
#[derive(Debug)]
pub(super) struct Instances {
    name: Arc<str>,
    scope: Scope,
    measure: Measure,
    hash: RandomState,
    shards: [RwLock<HashMap<Arc<str>, Arc<Counter>>>; SHARDS],
}

type Shard = RwLock<HashMap<Arc<str>, Arc<Counter>>>;

impl Instances {
    fn new(name: Arc<str>, scope: Scope, measure: Measure) -> Self {
        Self { name, scope, measure, hash: RandomState::new(), shards: Default::default() }
    }

    fn shard(&self, which: &str) -> Option<&Shard> {
        self.shards.get(usize::try_from(self.hash.hash_one(which)).unwrap_or(0) % SHARDS)
    }

    /// The counter of one; made at first sight.
    pub(super) fn counter(&self, which: &str, clock: &Clock) -> Option<Arc<Counter>> {
        let shard = self.shard(which)?;
        let known = shard.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(counter) = known.get(which) {
            return Some(Arc::clone(counter));
        }
        drop(known);
        let whose = match self.scope {
            Scope::Organisation => self.scope.as_str().to_owned(),
            scope => format!("{}/{which}", scope.as_str()),
        };
        let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(counter) = shard.get(which) {
            return Some(Arc::clone(counter));
        }
        let counter = Counter::new(Arc::clone(&self.name), whose.into(), self.measure, clock)?;
        let counter = Arc::new(counter);
        shard.insert(which.into(), Arc::clone(&counter));
        Some(counter)
    }

    fn all(&self) -> Vec<Arc<Counter>> {
        let shards = self.shards.iter();
        let of = |shard: &Shard| -> Vec<_> {
            shard.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
        };
        shards.flat_map(of).collect()
    }

    /// Drops those that nobody holds and that say nothing; returns them.
    fn drop_idle(&self, now: Micros) -> Vec<Arc<Counter>> {
        let idle = |shard: &Shard| -> Vec<_> {
            let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
            let unused = |counter: &Arc<Counter>| Arc::strong_count(counter) == 1;
            shard
                .extract_if(|_, counter| unused(counter) && counter.is_idle(now))
                .map(|(_, counter)| counter)
                .collect()
        };
        self.shards.iter().flat_map(idle).collect()
    }
}

/// What one of those that a bound is set on uses of it.
#[derive(Clone, Debug)]
pub struct Line {
    /// Whose: `project/team`.
    pub whose: Arc<str>,
    /// What is counted.
    pub measure: Measure,
    /// How much there may be.
    pub most: i64,
    /// How much is in use.
    pub used: Used,
}

/// All counters by bound.
#[derive(Debug)]
pub struct Book {
    /// This gateway.
    pub origin: Origin,
    pub(super) clock: Clock,
    began: Micros,
    limits: RwLock<HashMap<(Arc<str>, Scope), Arc<Instances>>>,
    /// Other gateways, and when they were heard of.
    alive: Mutex<HashMap<Origin, Micros>>,
    /// What was told to webhooks, with the window that it is of.
    told: Mutex<HashMap<(Arc<str>, Arc<str>), i64>>,
}

impl Book {
    /// Without use.
    pub fn new(origin: Origin, clock: Clock) -> Self {
        let (limits, alive, told) = Default::default();
        Self { origin, began: clock.now(), clock, limits, alive, told }
    }

    pub(super) fn instances(
        &self,
        name: &Arc<str>,
        scope: Scope,
        measure: Measure,
    ) -> Arc<Instances> {
        let key = (Arc::clone(name), scope);
        let known = self.limits.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(instances) = known.get(&key) {
            return Arc::clone(instances);
        }
        drop(known);
        let mut limits = self.limits.write().unwrap_or_else(PoisonError::into_inner);
        let made = || Arc::new(Instances::new(Arc::clone(name), scope, measure));
        Arc::clone(limits.entry(key).or_insert_with(made))
    }

    /// The counter of a rule for one of those that it is set on.
    pub(super) fn counter(&self, rule: &Rule, which: &str) -> Option<Arc<Counter>> {
        if rule.measure == Measure::CallCost {
            return None;
        }
        let found = || self.instances(&rule.name, rule.scope, rule.measure);
        rule.counters.get_or_init(found).counter(which, &self.clock)
    }

    /// All counters.
    pub(super) fn all(&self) -> Vec<Arc<Counter>> {
        let limits = self.limits.read().unwrap_or_else(PoisonError::into_inner);
        let limits: Vec<_> = limits.values().cloned().collect();
        limits.iter().flat_map(|instances| instances.all()).collect()
    }

    /// The counters of a rule, of all that were seen.
    pub fn counters(&self, rule: &Rule) -> Vec<Arc<Counter>> {
        let which = rule.which.as_deref();
        let whose = which.map(|which| format!("{}/{which}", rule.scope.as_str()));
        let whose = whose.filter(|_| rule.scope != Scope::Organisation);
        let found = || self.instances(&rule.name, rule.scope, rule.measure);
        let mut all = rule.counters.get_or_init(found).all();
        all.retain(|counter| whose.as_deref().is_none_or(|whose| *counter.whose == *whose));
        all.sort_by(|one, other| one.whose.cmp(&other.whose));
        all
    }

    /// What is used of the limit or budget `id`.
    pub fn usage(&self, rules: &Rules, id: &str) -> Vec<Line> {
        let now = self.clock.now();
        let of = rules.all().filter(|rule| rule.id() == id && rule.measure != Measure::CallCost);
        let lines = of.flat_map(|rule| {
            self.counters(rule).into_iter().map(|counter| Line {
                whose: Arc::clone(&counter.whose),
                measure: rule.measure,
                most: rule.most,
                used: counter.used(rule.most, now),
            })
        });
        lines.collect()
    }

    /// Takes in what a gateway said. `rules`: what is bounded now; `None` where that may be long ago.
    pub fn hear(&self, said: &Limit, rules: Option<&Rules>, at: Micros) {
        if said.limit.starts_with(TOLD) {
            self.tell(&said.scope, &said.limit, said.window_at);
            return;
        }
        if said.origin == self.origin {
            return;
        }
        let mut alive = self.alive.lock().unwrap_or_else(PoisonError::into_inner);
        let last = alive.entry(said.origin).or_default();
        *last = at.max(*last);
        drop(alive);
        let heard = Heard { seq: said.seq, used: said.used, window_at: said.window_at, at };
        if let Some((counter, held)) = self.named(&said.scope, &said.limit) {
            let most = rules.and_then(|rules| rules.most(&said.limit));
            counter.hear(held, said.origin, heard, most);
        }
    }

    /// Whether a webhook was told this of a window.
    pub fn was_told(&self, whose: &str, what: &str, window_at: i64) -> bool {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.get(&(whose.into(), what.into())).is_some_and(|window| *window >= window_at)
    }

    /// A webhook was told this of a window.
    pub fn tell(&self, whose: &str, what: &str, window_at: i64) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let window = told.entry((whose.into(), what.into())).or_default();
        *window = window_at.max(*window);
    }

    /// Takes out what a gateway said.
    pub fn forget(&self, scope: &str, limit: &str, origin: Origin) {
        if let Some((counter, held)) = self.named(scope, limit) {
            counter.forget(held, origin, self.clock.now());
        }
    }

    /// The counter that another gateway speaks of, and whether of what is held of it.
    fn named(&self, scope: &str, limit: &str) -> Option<(Arc<Counter>, bool)> {
        let (limit, held) = match limit.strip_suffix(HELD).and_then(|it| it.strip_suffix('/')) {
            Some(limit) => (limit, true),
            None => (limit, false),
        };
        let measure = Measure::named(limit.rsplit_once('/')?.1)?;
        let (kind, which) = scope.split_once('/').unwrap_or((scope, ""));
        let scope = Scope::ALL.into_iter().find(|scope| scope.as_str() == kind)?;
        let counter = self.instances(&limit.into(), scope, measure).counter(which, &self.clock)?;
        Some((counter, held))
    }

    /// Whether this is the gateway that does what one of them has to do: the one with the smallest
    /// origin of those that were heard of in the last seconds. One that has just started has not heard of all.
    pub fn leads(&self) -> bool {
        let now = self.clock.now();
        if now.since(self.began) < HEARS {
            return false;
        }
        let alive = self.alive.lock().unwrap_or_else(PoisonError::into_inner);
        !alive.iter().any(|(origin, at)| *origin < self.origin && now.since(*at) < ALIVE)
    }

    /// Drops what says nothing any more: own counters that are as new, and what gateways that are
    /// gone, or windows that are over, left behind. Returns the records that may go, as (scope, limit,
    /// origin, window).
    pub(super) fn sweep(&self) -> (Vec<Arc<Counter>>, Vec<(Arc<str>, Arc<str>, Origin, i64)>) {
        let now = self.clock.now();
        let alive = self.alive.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let is_gone = |origin: Origin| alive.get(&origin).is_none_or(|at| now.since(*at) > GONE);
        let mut old = Vec::new();
        for counter in self.all() {
            let of = counter.take_old(&is_gone, now).into_iter();
            old.extend(
                of.map(|(name, origin, window)| (Arc::clone(&counter.whose), name, origin, window)),
            );
        }
        let limits = self.limits.read().unwrap_or_else(PoisonError::into_inner);
        let limits: Vec<_> = limits.values().cloned().collect();
        let idle = limits.iter().flat_map(|instances| instances.drop_idle(now)).collect();
        let month = Period::Month.around(now).0.0;
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|_, window| *window >= month);
        (idle, old)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use schemas::money::Nano;

    use super::super::Caller;
    use super::super::reserve::Reserved;
    use super::*;

    const NOW: Micros = Micros(1_768_478_400_000_000);

    fn rules(measure: Measure, most: i64) -> Rules {
        Rules::new([Rule::new("r", (Scope::Organisation, None), measure, most)])
    }

    /// One call, if there is room.
    fn call(book: &Book, rules: &Rules) -> Option<Reserved> {
        let caller = Caller { project: "p", account: "a", user: None, key: "k", model: "m" };
        book.bounds(rules, caller).reserve(1, Nano(1)).ok()
    }

    /// What a gateway says of its one counter.
    fn say(book: &Book, seq: &mut i64) -> Vec<Limit> {
        let said = book.all().into_iter().flat_map(|counter| {
            let whose = Arc::clone(&counter.whose);
            counter.say(true).into_iter().map(move |said| (Arc::clone(&whose), said))
        });
        let record = |(scope, (limit, used, window_at))| {
            *seq += 1;
            Limit { origin: book.origin, seq: *seq, scope, limit, used, window_at }
        };
        said.map(record).collect()
    }

    proptest! {
        /// However gateways admit, publish and read, and however often a record is read again, no more is
        /// let through at one time than the limit and what the others let through that was not heard of.
        #[test]
        fn the_overshoot_is_what_was_not_heard_of(
            measure in prop::sample::select(vec![
                Measure::Requests, Measure::Tokens, Measure::Spend(Period::Month),
            ]),
            most in 1_i64..40,
            steps in prop::collection::vec((0_usize..3, 0_u8..3, 0_usize..30), 1..300),
        ) {
            let (clock, rules) = (Clock::manual(NOW), rules(measure, most));
            let books: Vec<Book> =
                (1..=3).map(|n| Book::new(Origin([n; 16]), clock.clone())).collect();
            let (mut log, mut seqs): (Vec<Limit>, _) = (Vec::new(), [0; 3]);
            // admitted by each; and of each, how much each other one has heard of
            let (mut admitted, mut heard, mut published) = ([0_i64; 3], [[0_i64; 3]; 3], Vec::new());
            for (at, what, upto) in steps {
                match what {
                    0 => if let Some(reserved) = call(&books[at], &rules) {
                        reserved.settle(1, Some(Nano(1)));
                        admitted[at] += 1;
                        let own: i64 = admitted[at];
                        let known: i64 = (0..3).filter(|n| *n != at).map(|n| heard[at][n]).sum();
                        prop_assert!(own + known <= most, "{} and {} of {}", own, known, most);
                    },
                    1 => {
                        log.extend(say(&books[at], &mut seqs[at]));
                        published.push((log.len(), at, admitted[at]));
                    }
                    // from anywhere on, so some is read again and some is late
                    _ => {
                        let upto = (log.len()).saturating_sub(upto);
                        log.iter().take(upto).for_each(|said| books[at].hear(said, Some(&rules), NOW));
                        for (end, who, used) in &published {
                            if *end <= upto && *who != at {
                                heard[at][*who] = (*used).max(heard[at][*who]);
                            }
                        }
                    }
                }
            }
        }

        /// Calls that end in any order leave behind what they used, whatever they had reserved.
        #[test]
        fn what_ends_leaves_what_it_used(
            calls in prop::collection::vec((1_i64..50, 0_i64..50, any::<bool>()), 1..100),
        ) {
            let clock = Clock::manual(NOW);
            let book = Book::new(Origin([1; 16]), clock);
            let rules = Rules::new([
                Rule::new("t", (Scope::Organisation, None), Measure::Tokens, 1_000_000),
                Rule::new("c", (Scope::Organisation, None), Measure::Concurrent, 1_000),
                Rule::new("d", (Scope::Organisation, None), Measure::Spend(Period::Day), 1_000_000),
            ]);
            let caller = Caller { project: "p", account: "a", user: None, key: "k", model: "m" };
            let (mut open, mut used) = (Vec::new(), 0);
            for (most, some, ends) in calls {
                open.push((book.bounds(&rules, caller).reserve(most, Nano(most)).unwrap(), some));
                if ends {
                    let (reserved, some) = open.remove(open.len() / 2);
                    reserved.settle(some, Some(Nano(some)));
                    used += some;
                }
            }
            drop(open);
            let of = |id| book.usage(&rules, id)[0].used.used;
            prop_assert_eq!((of("t"), of("c"), of("d")), (used, 0, used));
        }
    }
}
