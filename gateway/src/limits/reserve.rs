//! What a call takes of its bounds before it starts, and gives back when it has ended.

use std::sync::Arc;
use std::time::Duration;

use runtime::clock::Micros;
use schemas::money::Nano;

use super::book::Book;
use super::calendar::{rfc3339, short};
use super::counter::{Counter, Full, Taken};
use super::rule::{Caller, Measure, Rule, Rules, Scope};
use super::shown::{Left, Shown};
use crate::error::{Error, Kind};
use crate::routing::Plan;

/// The bounds that hold for a call, with their counters.
#[derive(Debug)]
pub struct Bounds<'a> {
    found: Vec<Bound<'a>>,
    now: Micros,
}

#[derive(Debug)]
struct Bound<'a> {
    rule: &'a Rule,
    whose: &'a str,
    /// `None` for what is not counted.
    counter: Option<Arc<Counter>>,
}

/// Why a call is refused: what the caller is told, and which kind of bound that was.
#[derive(Debug)]
pub struct Refused {
    /// For the caller.
    pub error: Error,
    /// What is bounded.
    pub measure: Measure,
    /// For whom.
    pub scope: Scope,
}

impl Book {
    /// The bounds that hold for a call.
    pub fn bounds<'a>(&self, rules: &'a Rules, caller: Caller<'a>) -> Bounds<'a> {
        let found = rules.of(caller).map(|(rule, whose)| {
            let counter = self.counter(rule, whose);
            Bound { rule, whose, counter }
        });
        Bounds { found: found.collect(), now: self.clock.now() }
    }
}

impl Bounds<'_> {
    /// Whether one of them says how much the call may cost at most.
    pub fn bounds_cost(&self) -> bool {
        self.found.iter().any(|bound| bound.rule.bounds_cost())
    }

    /// Leaves in the plan the targets at which the call can cost no more than it may. `costs`: the most
    /// that it can cost at each; those of the targets that are left stay.
    ///
    /// # Errors
    /// There are none.
    pub fn narrow(&self, plan: &mut Plan, costs: &mut Vec<Nano>) -> Result<(), Box<Refused>> {
        let money = self.found.iter().filter(|bound| bound.rule.bounds_cost());
        let ceilings = money.map(|bound| (bound.money_left(self.now), bound));
        let Some((most, tightest)) = ceilings.min_by_key(|(left, _)| *left) else {
            return Ok(());
        };
        // told what the cheapest would cost: less than that serves nobody
        let least = costs.iter().min().copied().unwrap_or(Nano(0));
        if least.0 > most {
            let (resets_at, left) = (tightest.resets_at(self.now), Nano(most.max(0)));
            return Err(match tightest.rule.measure {
                Measure::CallCost => tightest.too_dear(least),
                _ => tightest.refused(Full::Spent { left, resets_at }, least, self.now),
            });
        }
        let mut each = costs.iter();
        plan.targets.retain(|_| each.next().is_some_and(|cost| cost.0 <= most));
        costs.retain(|cost| cost.0 <= most);
        Ok(())
    }

    /// Takes what the call needs of all of them, or nothing but a request.
    ///
    /// # Errors
    /// Which bound has no room.
    pub fn reserve(&self, tokens: i64, cost: Nano) -> Result<Reserved, Box<Refused>> {
        let mut reserved = Reserved { taken: Vec::with_capacity(self.found.len()) };
        // requests last: they are not given back
        let is_request = |bound: &&Bound<'_>| bound.rule.measure == Measure::Requests;
        let others = self.found.iter().filter(|bound| !is_request(bound));
        let mut refused = None;
        for bound in others.chain(self.found.iter().filter(is_request)) {
            let Some(counter) = &bound.counter else {
                continue;
            };
            match counter.take((bound.rule.most, bound.rule.hard), tokens, cost, self.now) {
                Ok(taken) => reserved.taken.push((Arc::clone(counter), taken)),
                Err(full) => {
                    refused = Some(bound.refused(full, cost, self.now));
                    break;
                }
            }
        }
        refused.map_or(Ok(reserved), Err)
    }

    /// What is left of rates now.
    pub fn show(&self, shown: &mut Shown) {
        *shown = Shown::at(self.now);
        for Bound { rule, counter, .. } in &self.found {
            let left = counter.as_ref().and_then(|counter| counter.left(rule.most, self.now));
            if let Some((left, reset)) = left {
                shown.see(rule.measure, Left { most: rule.most, left, reset });
            }
        }
    }
}

impl Bound<'_> {
    /// How much a call may cost, as far as this bound goes.
    fn money_left(&self, now: Micros) -> i64 {
        let left = self.counter.as_ref().and_then(|it| it.money_left(self.rule.most, now));
        left.unwrap_or(self.rule.most)
    }

    fn resets_at(&self, now: Micros) -> Micros {
        let standing = self.counter.as_ref().and_then(|counter| counter.standing(now));
        standing.map_or(now, |standing| standing.resets_at)
    }

    /// Whose it is, in words.
    fn owner(&self) -> String {
        match self.rule.scope {
            Scope::Organisation => "the organisation".to_owned(),
            scope => format!("{} {:?}", scope.as_str(), self.whose),
        }
    }

    fn refused(&self, full: Full, cost: Nano, now: Micros) -> Box<Refused> {
        let Rule { measure, scope, most, .. } = *self.rule;
        let (id, owner) = (self.rule.id(), self.owner());
        let (kind, wait, message) = match full {
            Full::For(wait) => {
                let what = match measure {
                    Measure::Tokens => "tokens",
                    _ => "requests",
                };
                let message = format!(
                    "limit {id:?} of {owner}: {most} {what} per minute are used up; try again in {}",
                    short(wait)
                );
                (Kind::RateLimited, wait, message)
            }
            Full::InFlight => {
                let message = format!(
                    "limit {id:?} of {owner}: {most} calls are in flight, no more are served at a time; try again when one has ended"
                );
                (Kind::RateLimited, Duration::from_secs(1), message)
            }
            Full::Spent { left, resets_at } => {
                let message = format!(
                    "budget {id:?} of {owner}: of {} USD per {} {} USD are left, and this call may cost {cost} USD; it resets at {}",
                    Nano(most),
                    measure.as_str(),
                    Nano(left.0.max(0)),
                    rfc3339(resets_at)
                );
                (Kind::BudgetSpent, resets_at.since(now), message)
            }
        };
        let mut error = Error::new(kind, message);
        error.retry_after = Some(wait);
        Box::new(Refused { error, measure, scope })
    }

    fn too_dear(&self, cost: Nano) -> Box<Refused> {
        let message = format!(
            "limit {:?} of {}: a call may cost {} USD at most, and this one may cost {cost} USD; ask for fewer tokens",
            self.rule.id(),
            self.owner(),
            Nano(self.rule.most),
        );
        let error = Error::new(Kind::TooExpensive, message).at("max_tokens");
        Box::new(Refused { error, measure: self.rule.measure, scope: self.rule.scope })
    }
}

/// What a call has taken of its bounds. Dropped, it gives back all but the request: nothing was used.
#[derive(Debug)]
#[must_use = "dropped, it gives back what the call has taken"]
pub struct Reserved {
    taken: Vec<(Arc<Counter>, Taken)>,
}

impl Reserved {
    /// The call has ended: it used so many tokens, and cost so much; `None` where that can't be known.
    pub fn settle(mut self, tokens: i64, cost: Option<Nano>) {
        for (counter, taken) in self.taken.drain(..) {
            counter.end(taken, tokens, cost);
        }
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        for (counter, taken) in self.taken.drain(..) {
            counter.end(taken, 0, Some(Nano(0)));
        }
    }
}
