//! Runs of many seeds, summed, and the table of them.

use std::fmt::Write as _;

use gateway::control::Snapshot;
use processors::health::Thresholds;

use crate::fault::Fault;
use crate::measure::Measured;
use crate::run::{Router, Scene, run};
use crate::time::SECOND;

/// Ways to fail, and with how many of the three targets.
pub const MATRIX: &[(&str, Fault, usize)] = &[
    ("outage: 500", Fault::Outage, 1),
    ("overload: 529", Fault::Overload, 1),
    ("answers that can't be read", Fault::Malformed, 1),
    ("connections refused", Fault::Refused, 1),
    ("connections never made", Fault::Gone, 1),
    ("a stall: taken, never answered", Fault::Stall, 1),
    ("brown-out: half fails", Fault::BrownOut(50), 1),
    ("brown-out: a fifth fails", Fault::BrownOut(20), 1),
    ("rate limit, Retry-After 2 s", Fault::RateLimit { most: 5, names_reset: true }, 1),
    ("rate limit, no Retry-After", Fault::RateLimit { most: 5, names_reset: false }, 1),
    ("a slow tail: 1 of 10 takes 20 times as long", Fault::SlowTail, 1),
    ("flapping: 3 s out, 3 s well", Fault::Flapping, 1),
    ("a bad key, replaced", Fault::BadKey, 1),
    ("no credit, topped up", Fault::NoCredit, 1),
    ("a region gone: two of three targets", Fault::Gone, 2),
    ("two of three targets: 500", Fault::Outage, 2),
];

/// All who are compared.
pub const ROUTERS: [(&str, Router); 4] = [
    ("hub", Router::Hub),
    ("cool-down", Router::CoolDown),
    ("round robin", Router::RoundRobin),
    ("random", Router::Random),
];

/// Many runs of one scene.
#[derive(Clone, Debug, Default)]
pub struct Sum {
    calls: u64,
    answered: u64,
    attempts: u64,
    at_sick: (u64, u64),
    waits: Vec<i64>,
    ejected: Vec<Option<i64>>,
    shifted: Vec<Option<i64>>,
    recovered: Vec<Option<i64>>,
    /// Healthy targets that were ejected.
    pub wronged: u64,
    /// Calls of all runs, from start to end.
    pub all: u64,
}

/// Plays a scene with each of the seeds.
pub fn many(
    router: Router,
    (fault, count): (Fault, usize),
    seeds: std::ops::Range<u64>,
    snapshot: &Snapshot,
    rules: Thresholds,
) -> Sum {
    let scenes = seeds.map(|seed| Scene::new(router, Some((fault, count)), seed));
    scenes.fold(Sum::default(), |sum, scene| sum.and(run(&scene, snapshot, rules)))
}

impl Sum {
    /// With one more run.
    #[must_use]
    pub fn and(mut self, run: Measured) -> Self {
        self.calls += run.calls;
        self.answered += run.answered;
        self.attempts += run.attempts;
        self.at_sick.0 += run.at_sick.0;
        self.at_sick.1 += run.at_sick.1;
        self.wronged += run.wronged;
        self.all += run.all;
        self.waits.extend(run.waits);
        self.ejected.push(run.ejected);
        self.shifted.push(run.shifted);
        self.recovered.push(run.recovered);
        self
    }

    /// Answered calls, percent.
    pub fn success(&self) -> f64 {
        100.0 * self.answered as f64 / self.calls.max(1) as f64
    }

    /// Attempts beside the first, percent of the calls.
    pub fn added(&self) -> f64 {
        100.0 * (self.attempts as f64 / self.calls.max(1) as f64 - 1.0)
    }

    /// Attempts that went to sick targets from a second after the onset on, percent.
    pub fn at_sick(&self) -> f64 {
        100.0 * self.at_sick.0 as f64 / self.at_sick.1.max(1) as f64
    }

    /// So many percent of the runs had ejected the sick target by then, seconds.
    pub fn ejected(&self, percent: usize) -> Option<f64> {
        percentile(&self.ejected, percent)
    }

    /// So many percent of the runs had moved the traffic by then, seconds.
    pub fn shifted(&self, percent: usize) -> Option<f64> {
        percentile(&self.shifted, percent)
    }

    /// So many percent of the runs had given it back by then, seconds; of those that had moved it.
    pub fn recovered(&self, percent: usize) -> Option<f64> {
        let moved = self.recovered.iter().zip(&self.shifted).filter(|(_, moved)| moved.is_some());
        percentile(&moved.map(|(back, _)| *back).collect::<Vec<_>>(), percent)
    }

    fn waited(&self, percent: usize) -> Option<f64> {
        percentile(&self.waits.iter().map(|wait| Some(*wait)).collect::<Vec<_>>(), percent)
    }

    /// Its line of the table.
    pub fn line(&self, fault: &str, router: &str) -> String {
        let seconds =
            |time: Option<f64>| time.map_or("–".to_owned(), |time| format!("{time:.1}"));
        let pair = |of: &dyn Fn(usize) -> Option<f64>| match of(50) {
            None => "–".to_owned(),
            typical => format!("{} / {}", seconds(typical), seconds(of(99))),
        };
        format!(
            "| {fault} | {router} | {:.3} | {:.1} | {} | {} | {} | {:.1} | {} |",
            self.success(),
            self.added(),
            pair(&|percent| self.ejected(percent)),
            pair(&|percent| self.shifted(percent)),
            pair(&|percent| self.recovered(percent)),
            self.at_sick(),
            seconds(self.waited(99)),
        )
    }
}

/// The value that so many percent do not exceed, in seconds; what never happened is the greatest.
fn percentile(values: &[Option<i64>], percent: usize) -> Option<f64> {
    let mut sorted: Vec<i64> = values.iter().map(|value| value.unwrap_or(i64::MAX)).collect();
    sorted.sort_unstable();
    let rank = (sorted.len() * percent).div_ceil(100).max(1) - 1;
    let value = sorted.get(rank).filter(|value| **value != i64::MAX)?;
    Some(*value as f64 / SECOND as f64)
}

/// The head of the table.
pub fn head() -> String {
    let mut text = String::new();
    let columns = [
        "fault",
        "router",
        "success %",
        "added attempts %",
        "ejected s",
        "shifted s",
        "recovered s",
        "at sick %",
        "wait p99 s",
    ];
    writeln!(text, "| {} |", columns.join(" | ")).ok();
    write!(text, "|{}", "---|".repeat(columns.len())).ok();
    text
}
