//! Health as it comes from the log: the processor's own fold, behind the delays of a log.

use std::cell::RefCell;
use std::rc::Rc;

use gateway::routing::{Condition, HealthMap};
use processors::health::{Event, Healths, Thresholds};
use processors::pipeline::{Fold as _, Output, Place};
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use runtime::clock::Micros;
use schemas::event::{Attempt, Health, HealthState, SubjectKind};
use schemas::topics::Topic;
use schemas::wire::Codec;

use crate::time::{MILLI, SECOND, Time};

/// From the end of an attempt to the log, and from the fold to a gateway: 100 to 300 ms together.
const DELAY: std::ops::Range<i64> = 50 * MILLI..150 * MILLI;
/// How often mere counts are published.
const STEP: i64 = 500 * MILLI;

/// A state that came to the gateways.
#[derive(Clone, Debug)]
pub struct Seen {
    /// When.
    pub at: i64,
    /// Of which provider.
    pub provider: String,
    /// Which state.
    pub state: HealthState,
}

/// The processor and what gateways have read of it.
pub struct Derived {
    time: Time,
    fold: RefCell<(Healths, Output)>,
    random: RefCell<SmallRng>,
    /// As all gateways read it.
    pub map: RefCell<HealthMap>,
    /// All changes of states.
    pub seen: RefCell<Vec<Seen>>,
}

impl Derived {
    /// Starts it.
    pub fn start(time: &Time, rules: Thresholds, seed: u64) -> Rc<Self> {
        let out = Output::new(Codec::fixed(), "health", Topic::Dead.at(0));
        let derived = Rc::new(Self {
            time: time.clone(),
            fold: RefCell::new((Healths::new(0, 1, rules), out)),
            random: RefCell::new(SmallRng::seed_from_u64(seed)),
            map: RefCell::default(),
            seen: RefCell::default(),
        });
        let (steps, ticks) = (Rc::clone(&derived), Rc::clone(&derived));
        time.spawn(async move {
            loop {
                steps.time.sleep(STEP).await;
                steps.close();
            }
        });
        time.spawn(async move {
            let mut waited = 0;
            loop {
                ticks.time.sleep(SECOND).await;
                waited += SECOND;
                let wanted = ticks.fold.borrow().0.tick_in();
                if wanted.is_some_and(|tick| i128::from(waited) * 1000 >= tick.as_nanos() as i128) {
                    waited = 0;
                    ticks.fold(Event::Tick);
                }
            }
        });
        derived
    }

    /// An attempt has ended.
    pub fn log(self: &Rc<Self>, attempt: Attempt) {
        let derived = Rc::clone(self);
        let delay = self.random.borrow_mut().random_range(DELAY);
        self.time.spawn(async move {
            derived.time.sleep(delay).await;
            derived.fold(Event::Attempt(Box::new(attempt)));
        });
    }

    fn fold(self: &Rc<Self>, event: Event) {
        let urgent = {
            let (fold, out) = &mut *self.fold.borrow_mut();
            let at = Micros(self.time.now());
            let place = Place { input: Topic::Attempts.at(0), offset: 0, at, sighting: None };
            fold.apply(&place, event, out);
            out.urgent()
        };
        if urgent {
            self.close();
        }
    }

    /// Publishes what changed.
    fn close(self: &Rc<Self>) {
        let published: Vec<Health> = {
            let (fold, out) = &mut *self.fold.borrow_mut();
            if fold.close(out).is_err() {
                return;
            }
            let values = out.take().into_iter().filter_map(|outgoing| outgoing.record.value);
            values.filter_map(|value| out.codec().decode(&value).ok()).collect()
        };
        if published.is_empty() {
            return;
        }
        let (derived, delay) = (Rc::clone(self), self.random.borrow_mut().random_range(DELAY));
        self.time.spawn(async move {
            derived.time.sleep(delay).await;
            published.into_iter().for_each(|health| derived.read(health));
        });
    }

    fn read(&self, health: Health) {
        if !matches!(health.kind, SubjectKind::Target | SubjectKind::Credential) {
            return;
        }
        let condition = Condition::from(&health);
        let mut map = self.map.borrow_mut();
        // a step of before may come after one of later
        let before = map.get(&health.subject).map(|known| (known.since, known.state));
        if before.is_some_and(|(since, _)| since > condition.since) {
            return;
        }
        if before.is_none_or(|(_, state)| state != condition.state) {
            let provider = health.provider.to_string();
            let seen = Seen { at: self.time.now(), provider, state: condition.state };
            self.seen.borrow_mut().push(seen);
        }
        map.insert(health.subject, condition);
    }
}
