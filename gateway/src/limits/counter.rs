//! One counter: of one bound, for one of those that it is set on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use runtime::clock::{Clock, Micros};
use schemas::ids::Origin;
use schemas::money::Nano;

use super::bucket::Bucket;
use super::calendar::Period;
use super::flying::Flying;
use super::others::{Heard, Others};
use super::rate::Rate;
use super::rule::Measure;
use super::spend::{Spend, Standing};

/// What is behind the name of a budget's counter for what its calls in flight hold.
pub(super) const HELD: &str = "held";

/// A counter. It outlives snapshots; how much there may be is passed in.
#[derive(Debug)]
pub struct Counter {
    /// The bound: `team-rate/requests_per_minute`.
    pub limit: Arc<str>,
    /// Whose: `project/team`.
    pub whose: Arc<str>,
    state: State,
    /// Whether there is something that was not published yet.
    changed: AtomicBool,
}

#[derive(Debug)]
enum State {
    Requests(Rate),
    Tokens(Mutex<Tokens>),
    Concurrent(Flying),
    Spend(Period, Mutex<Spend>),
}

#[derive(Debug)]
struct Tokens {
    bucket: Bucket,
    clock: Clock,
    /// How much there was at the last look.
    most: i64,
    /// Used here since the counter was made.
    used: i64,
    others: Others,
}

/// What a call took of a counter.
#[derive(Clone, Copy, Debug)]
pub(super) enum Taken {
    Request,
    Tokens(i64),
    Flight,
    Held { nano: i64, window_at: i64 },
}

/// Why a counter gives nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Full {
    /// There is room after this time.
    For(Duration),
    /// Nobody knows when one of the calls ends.
    InFlight,
    /// So much money is left until then.
    Spent { left: Nano, resets_at: Micros },
}

/// How much is in use, and when that is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Used {
    /// Requests, tokens, calls, nano USD.
    pub used: i64,
    /// Of that, held for calls in flight.
    pub held: i64,
    /// When all of it is there again; `None` where calls in flight decide that.
    pub resets_at: Option<Micros>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tokens {
    fn correct(&mut self, units: i64) {
        self.bucket.correct(units, self.most, self.clock.now());
    }
}

impl Counter {
    /// A counter without use; `None` for what is not counted.
    pub(super) fn new(
        limit: Arc<str>,
        whose: Arc<str>,
        measure: Measure,
        clock: &Clock,
    ) -> Option<Self> {
        let state = match measure {
            Measure::Requests => State::Requests(Rate::new(clock.clone())),
            Measure::Tokens => {
                let (bucket, others) = Default::default();
                State::Tokens(Mutex::new(Tokens {
                    bucket,
                    clock: clock.clone(),
                    most: 1,
                    used: 0,
                    others,
                }))
            }
            Measure::Concurrent => State::Concurrent(Flying::default()),
            Measure::Spend(period) => State::Spend(period, Mutex::default()),
            Measure::CallCost => return None,
        };
        Some(Self { limit, whose, state, changed: AtomicBool::new(false) })
    }

    fn change(&self) {
        if !self.changed.load(Ordering::Relaxed) {
            self.changed.store(true, Ordering::Release);
        }
    }

    /// Takes what a call needs: one request, one flight, `tokens`, or `cost`.
    pub(super) fn take(
        &self,
        (most, hard): (i64, bool),
        tokens: i64,
        cost: Nano,
        now: Micros,
    ) -> Result<Taken, Full> {
        let taken = match &self.state {
            State::Requests(rate) => rate.take(most).map(|()| Taken::Request).map_err(Full::For),
            State::Tokens(state) => {
                let mut state = lock(state);
                state.most = most;
                let took = state.bucket.take(tokens, most, now);
                took.map_err(Full::For).map(|()| {
                    state.used = state.used.saturating_add(tokens);
                    Taken::Tokens(tokens)
                })
            }
            State::Concurrent(flying) => {
                flying.take(most).then_some(Taken::Flight).ok_or(Full::InFlight)
            }
            State::Spend(period, spend) => {
                let mut spend = lock(spend);
                spend.roll(*period, now);
                let nano = cost.0.max(0);
                let held = spend.hold(nano, most, hard);
                held.map(|window_at| Taken::Held { nano, window_at }).map_err(|left| Full::Spent {
                    left: Nano(left),
                    resets_at: spend.standing(*period).resets_at,
                })
            }
        };
        if taken.is_ok() {
            self.change();
        }
        taken
    }

    /// The call has ended: it used so many tokens, and cost so much. `None`: that it can't be known,
    /// what was held stands for it.
    pub(super) fn end(&self, taken: Taken, tokens: i64, cost: Option<Nano>) {
        match (&self.state, taken) {
            (State::Tokens(state), Taken::Tokens(took)) => {
                let mut state = lock(state);
                let change = tokens.saturating_sub(took);
                state.correct(change);
                state.used = state.used.saturating_add(change);
            }
            (State::Concurrent(flying), Taken::Flight) => flying.end(),
            (State::Spend(_, spend), Taken::Held { nano, window_at }) => {
                lock(spend).settle(window_at, nano, cost.map_or(nano, |cost| cost.0));
            }
            _ => return,
        }
        self.change();
    }

    /// What is left of a budget.
    pub(super) fn money_left(&self, most: i64, now: Micros) -> Option<i64> {
        let State::Spend(period, spend) = &self.state else { return None };
        let mut spend = lock(spend);
        spend.roll(*period, now);
        Some(most.saturating_sub(spend.used()))
    }

    /// Where a budget stands.
    pub fn standing(&self, now: Micros) -> Option<Standing> {
        let State::Spend(period, spend) = &self.state else { return None };
        let mut spend = lock(spend);
        spend.roll(*period, now);
        Some(spend.standing(*period))
    }

    /// How many requests or tokens are left, and how long until all are there again.
    pub(super) fn left(&self, most: i64, now: Micros) -> Option<(i64, Duration)> {
        match &self.state {
            State::Requests(rate) => Some(rate.left(most)),
            State::Tokens(state) => Some(lock(state).bucket.left(most, now)),
            State::Concurrent(_) | State::Spend(..) => None,
        }
    }

    /// How much is in use.
    pub fn used(&self, most: i64, now: Micros) -> Used {
        match &self.state {
            State::Concurrent(flying) => Used { used: flying.all(), held: 0, resets_at: None },
            State::Spend(..) | State::Requests(_) | State::Tokens(_) => {
                if let Some(standing) = self.standing(now) {
                    let used = standing.spent.saturating_add(standing.held);
                    let resets_at = Some(standing.resets_at);
                    return Used { used, held: standing.held, resets_at };
                }
                let (left, reset) = self.left(most, now).unwrap_or_default();
                let reset = i64::try_from(reset.as_micros()).unwrap_or(i64::MAX);
                let resets_at = Some(Micros(now.0.saturating_add(reset)));
                Used { used: most.saturating_sub(left), held: 0, resets_at }
            }
        }
    }

    /// What other gateways must know, as (name, how much, window), where there is news, or where it
    /// is to be said again.
    pub(super) fn say(&self, again: bool) -> Vec<(Arc<str>, i64, i64)> {
        let changed = self.changed.swap(false, Ordering::AcqRel);
        let name = || Arc::clone(&self.limit);
        match &self.state {
            State::Concurrent(flying) if changed || again && flying.own() > 0 => {
                vec![(name(), flying.own(), 0)]
            }
            _ if !changed => Vec::new(),
            State::Concurrent(_) => Vec::new(),
            State::Requests(rate) => vec![(name(), rate.used(), 0)],
            State::Tokens(state) => vec![(name(), lock(state).used, 0)],
            State::Spend(_, spend) => {
                let spend = lock(spend);
                let held = format!("{}/{HELD}", self.limit).into();
                vec![(name(), spend.spent, spend.window_at), (held, spend.held, spend.window_at)]
            }
        }
    }

    /// What was taken out of [`say`](Self::say) did not come there.
    pub(super) fn say_again(&self) {
        self.changed.store(true, Ordering::Release);
    }

    /// Takes in what another gateway said. `most`: how much there may be; `None` where nothing is bounded,
    /// or what was used may be long ago.
    pub(super) fn hear(&self, held: bool, origin: Origin, heard: Heard, most: Option<i64>) {
        match &self.state {
            State::Requests(rate) => rate.hear(origin, heard, most),
            State::Tokens(state) => {
                let mut state = lock(state);
                if let Some(before) = state.others.hear(origin, heard) {
                    let new = heard.used.saturating_sub(before.map_or(0, |before| before.used));
                    if let Some(most) = most {
                        state.most = most;
                        state.correct(new);
                    }
                }
            }
            State::Concurrent(flying) => flying.hear(origin, heard),
            State::Spend(_, spend) => lock(spend).hear(origin, heard, held),
        }
    }

    /// Forgets what another gateway said.
    pub(super) fn forget(&self, held: bool, origin: Origin, now: Micros) {
        match &self.state {
            State::Requests(rate) => rate.others().forget(origin),
            State::Tokens(state) => lock(state).others.forget(origin),
            State::Concurrent(flying) => flying.forget(origin, now),
            State::Spend(_, spend) => lock(spend).forget(origin, held),
        }
    }

    /// Does what time does: leaves out calls in flight of gateways that are silent, and takes out what
    /// others let through.
    pub(super) fn pass(&self, now: Micros) {
        match &self.state {
            State::Requests(rate) => rate.pay_debt(),
            State::Concurrent(flying) => flying.expire(now),
            State::Tokens(_) | State::Spend(..) => {}
        }
    }

    /// Takes out what gateways that are gone said, and what is of a window that is over: (name,
    /// origin, window).
    pub(super) fn take_old(
        &self,
        is_gone: &dyn Fn(Origin) -> bool,
        now: Micros,
    ) -> Vec<(Arc<str>, Origin, i64)> {
        let gone = |others: &mut Others, name: Arc<str>| {
            let old = others.take_gone(is_gone);
            old.into_iter()
                .map(|(origin, heard)| (Arc::clone(&name), origin, heard.window_at))
                .collect()
        };
        let name = Arc::clone(&self.limit);
        match &self.state {
            State::Requests(rate) => gone(&mut rate.others(), name),
            State::Tokens(state) => gone(&mut lock(state).others, name),
            State::Concurrent(flying) => gone(&mut flying.others(), name),
            State::Spend(period, spend) => {
                let mut spend = lock(spend);
                let from = period.around(now).0.0;
                let over = |heard: &Heard| heard.window_at >= from;
                let spent =
                    spend.others.take_old(over).into_iter().map(|it| (Arc::clone(&name), it));
                let mut old: Vec<_> = spent.collect();
                let held: Arc<str> = format!("{name}/{HELD}").into();
                let more = spend.others_held.take_old(over).into_iter();
                old.extend(more.map(|it| (Arc::clone(&held), it)));
                old.into_iter()
                    .map(|(name, (origin, heard))| (name, origin, heard.window_at))
                    .collect()
            }
        }
    }

    /// Whether a new one would be the same.
    pub(super) fn is_idle(&self, now: Micros) -> bool {
        match &self.state {
            State::Requests(rate) => rate.others().is_empty() && rate.is_idle(now),
            State::Tokens(state) => {
                let mut state = lock(state);
                let most = state.most;
                state.others.is_empty() && state.bucket.is_empty(most, now)
            }
            State::Concurrent(flying) => flying.own() == 0 && flying.others().is_empty(),
            State::Spend(period, spend) => {
                let spend = lock(spend);
                spend.window_at < period.around(now).0.0
                    && spend.others.is_empty()
                    && spend.others_held.is_empty()
            }
        }
    }
}
