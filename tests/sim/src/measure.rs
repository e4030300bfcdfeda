//! What is read off a run.

use schemas::event::HealthState;

use crate::derived;
use crate::hub::PROVIDERS;
use crate::run::Scene;
use crate::time::{MILLI, SECOND};

/// Each fault is judged over so long from its onset.
const JUDGED: i64 = 60 * SECOND;

/// A target was asked.
#[derive(Clone, Copy, Debug)]
pub struct Pick {
    /// When.
    pub at: i64,
    /// Which.
    pub target: usize,
    /// Whether it was the first that the call asked.
    pub first: bool,
}

/// All that was seen from outside.
#[derive(Debug, Default)]
pub struct Seen {
    picks: Vec<Pick>,
    /// When it began, whether it was answered, until that was known, attempts.
    calls: Vec<(i64, bool, i64, u32)>,
}

impl Seen {
    /// A target is asked.
    pub fn pick(&mut self, pick: Pick) {
        self.picks.push(pick);
    }

    /// A call has ended.
    pub fn call(&mut self, began: i64, success: bool, took: i64, attempts: u32) {
        self.calls.push((began, success, took, attempts));
    }
}

/// What came of a run. Times are microseconds.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// Calls in the minute from the onset, how many were answered, and their attempts.
    pub calls: u64,
    /// See [`calls`](Self::calls).
    pub answered: u64,
    /// See [`calls`](Self::calls).
    pub attempts: u64,
    /// How long each of these calls waited for its first content.
    pub waits: Vec<i64>,
    /// From the onset until all who share derived health had read that the first sick target is out.
    pub ejected: Option<i64>,
    /// From the onset until no more than a tenth of the calls of a second asked a sick target first.
    pub shifted: Option<i64>,
    /// From the repair until the sick targets had half of their share of a second's calls again.
    pub recovered: Option<i64>,
    /// Attempts at sick targets from a second after the onset to the repair, and attempts at all.
    pub at_sick: (u64, u64),
    /// Targets that were ejected, or their key disabled, though they were well.
    pub wronged: u64,
    /// Calls of the whole run.
    pub all: u64,
}

impl Measured {
    /// Reads it off.
    pub fn of(seen: &Seen, states: &[derived::Seen], scene: &Scene, start: i64) -> Self {
        let (onset, repair, end) = scene.times;
        let (onset, repair, end) = (start + onset, start + repair, start + end);
        let count = scene.fault.map_or(0, |(_, count)| count);
        let is_sick = |target: usize| target < count;
        let judged = |at: i64| (onset..onset + JUDGED).contains(&at);
        let calls: Vec<_> = seen.calls.iter().filter(|call| judged(call.0)).collect();
        let answered = calls.iter().filter(|call| call.1);
        let mut picks = seen.picks.clone();
        picks.sort_by_key(|pick| pick.at);
        let sick_of_a_second = |from: i64| {
            let begin = picks.partition_point(|pick| pick.at < from);
            let second = picks.get(begin..).unwrap_or_default();
            let second = second.iter().take_while(|pick| pick.at < from + SECOND);
            let first = second.filter(|pick| pick.first);
            first.fold((0_u64, 0_u64), |(sick, all), pick| {
                (sick + u64::from(is_sick(pick.target)), all + 1)
            })
        };
        let first = |from: i64, to: i64, holds: &dyn Fn(u64, u64) -> bool| {
            let mut from_on = (0..).map(|step| from + step * 100 * MILLI).take_while(|at| *at < to);
            from_on.find(|at| {
                let (sick, all) = sick_of_a_second(*at);
                all > 0 && holds(sick, all)
            })
        };
        let shifted = first(onset, repair, &|sick, all| sick * 10 <= all);
        let fair = u64::try_from(PROVIDERS.len()).unwrap_or(1);
        let sick_count = u64::try_from(count).unwrap_or(0);
        let back = |sick: u64, all: u64| sick * fair * 2 >= all * sick_count;
        let recovered = first(repair, end - SECOND, &back).filter(|_| shifted.is_some());
        let out =
            |state: HealthState| matches!(state, HealthState::Ejected | HealthState::Disabled);
        let provider = |name: &str| PROVIDERS.iter().position(|id| *id == name).unwrap_or(0);
        let sick_now = |one: &derived::Seen| {
            // what began in the trouble may be told a little after it
            is_sick(provider(&one.provider)) && (onset..repair + 15 * SECOND).contains(&one.at)
        };
        let ejected = states.iter().find(|one| out(one.state) && sick_now(one));
        let wronged = states.iter().filter(|one| out(one.state) && !sick_now(one));
        let during = picks.iter().filter(|pick| (onset + SECOND..repair).contains(&pick.at));
        Self {
            calls: number(calls.len()),
            answered: number(answered.count()),
            attempts: calls.iter().map(|call| u64::from(call.3)).sum(),
            waits: calls.iter().map(|call| call.2).collect(),
            ejected: ejected.map(|one| one.at - onset),
            shifted: shifted.map(|at| at - onset),
            recovered: recovered.map(|at| at - repair),
            at_sick: during.fold((0, 0), |(sick, all), pick| {
                (sick + u64::from(is_sick(pick.target)), all + 1)
            }),
            wronged: number(wronged.count()),
            all: number(seen.calls.len()),
        }
    }
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
