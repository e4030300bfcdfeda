//! What the hub costs beside a plain proxy and nothing at all: all of them measured in one run,
//! in turns, so that what the machine does meanwhile meets all alike.

mod about;
pub mod nginx;
mod table;

use std::net::SocketAddr;
use std::time::Duration;

use crate::load::{self, Expect, Load, Outcome, Pace, Phase, as_f64, proc};
use crate::requests;

pub use about::about;
pub use table::{markdown, median};

/// Something that answers, and the processes that it costs.
#[derive(Clone, Debug)]
pub struct Subject {
    /// As the table calls it.
    pub name: String,
    /// Whole answers.
    pub address: SocketAddr,
    /// Streams.
    pub streams: SocketAddr,
    /// Key sent to it.
    pub key: String,
    /// Model asked for whole answers.
    pub model: String,
    /// Model asked for streams.
    pub stream_model: String,
    /// The process whose processor time counts; none for the upstream itself.
    pub pid: Option<u32>,
    /// That process and its children: they must be idle before others are measured.
    pub tree: Vec<u32>,
    /// Resident memory before any load, bytes.
    pub idle_memory: u64,
}

/// How long and how hard.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Turns; the table shows medians over them.
    pub rounds: u32,
    /// Length of each measurement.
    pub time: Duration,
    /// Connections under full and half load.
    pub connections: u32,
    /// Requests per second at one connection.
    pub pace: f64,
    /// Streams per second at one connection.
    pub stream_pace: f64,
}

/// What one turn saw of one subject; microseconds but for the rate.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Sample {
    /// Requests per second under full load.
    pub rate: f64,
    /// Processor time of the subject's process per request under full load.
    pub cpu: f64,
    /// Latency at one connection: p50, p99.
    pub one: [f64; 2],
    /// Latency at half load: p50, p99.
    pub half: [f64; 2],
    /// First content of a stream at one connection: p50, p99.
    pub first: [f64; 2],
    /// Resident memory after full load, bytes.
    pub memory: f64,
    /// Requests that failed.
    pub errors: u64,
}

/// All turns, per subject in the order given.
#[derive(Clone, Debug)]
pub struct Results {
    /// Of each subject.
    pub samples: Vec<Vec<Sample>>,
    /// Requests per second of the half load.
    pub half_rate: f64,
}

fn offer(subject: &Subject, plan: Plan, streams: bool, connections: u32, pace: Pace) -> Load {
    let (address, model) = if streams {
        (subject.streams, &subject.stream_model)
    } else {
        (subject.address, &subject.model)
    };
    let body = requests::body(model, streams);
    Load {
        address,
        request: requests::chat(address, &subject.key, &body),
        expect: Expect {
            first: if streams { b"\"content\":\"x".to_vec() } else { Vec::new() },
            holds: if streams { b"data: [DONE]".to_vec() } else { b"\"choices\"".to_vec() },
        },
        connections,
        pace,
        warmup: plan.time / 5,
        duration: plan.time,
    }
}

fn quantiles(histogram: &hdrhistogram::Histogram<u64>) -> [f64; 2] {
    [0.5, 0.99].map(|quantile| as_f64(histogram.value_at_quantile(quantile)) / 1000.0)
}

/// A load on one subject while all others are idle; gives the subject's processor time too.
fn quiet(
    subjects: &[Subject],
    subject: &Subject,
    load: &Load,
) -> anyhow::Result<(Outcome, Duration)> {
    let all: Vec<u32> = subjects.iter().flat_map(|subject| subject.tree.clone()).collect();
    proc::idle(&all, Duration::from_secs(60));
    let pids: Vec<u32> = subject.pid.into_iter().collect();
    let mut used = [Duration::ZERO; 2];
    let outcome = load::run(load, |phase| {
        let [start, end] = &mut used;
        *(if phase == Phase::Start { start } else { end }) = proc::cpu(&pids);
    })?;
    let [start, end] = used;
    Ok((outcome, end.saturating_sub(start)))
}

/// Measures all subjects in turns. `said` hears of each step.
///
/// # Errors
/// A subject can't be reached.
pub fn run(
    subjects: &[Subject],
    plan: Plan,
    mut said: impl FnMut(&str),
) -> anyhow::Result<Results> {
    let mut samples = vec![Vec::new(); subjects.len()];
    let mut half_rate = f64::INFINITY;
    for round in 0..plan.rounds {
        let mut turn = vec![Sample::default(); subjects.len()];
        for (subject, sample) in subjects.iter().zip(&mut turn) {
            let full = offer(subject, plan, false, plan.connections, Pace::Closed);
            let (outcome, cpu) = quiet(subjects, subject, &full)?;
            sample.rate = outcome.rate();
            sample.cpu = cpu.as_secs_f64() * 1e6 / as_f64(outcome.answers.max(1));
            sample.memory = as_f64(proc::resident(&subject.pid.into_iter().collect::<Vec<_>>()));
            sample.errors += report(&mut said, round, subject, "full load", &outcome);
            if round == 0 {
                half_rate = half_rate.min(sample.rate / 2.0);
            }
        }
        for (subject, sample) in subjects.iter().zip(&mut turn) {
            let one = offer(subject, plan, false, 1, Pace::Open(plan.pace));
            let half = offer(subject, plan, false, plan.connections, Pace::Open(half_rate));
            let first = offer(subject, plan, true, 1, Pace::Open(plan.stream_pace));
            let (outcome, _) = quiet(subjects, subject, &one)?;
            sample.one = quantiles(&outcome.latency);
            sample.errors += report(&mut said, round, subject, "one connection", &outcome);
            let (outcome, _) = quiet(subjects, subject, &half)?;
            sample.half = quantiles(&outcome.latency);
            sample.errors += report(&mut said, round, subject, "half load", &outcome);
            let (outcome, _) = quiet(subjects, subject, &first)?;
            sample.first = quantiles(&outcome.first);
            sample.errors += report(&mut said, round, subject, "streams", &outcome);
        }
        for (all, sample) in samples.iter_mut().zip(turn) {
            all.push(sample);
        }
    }
    Ok(Results { samples, half_rate })
}

fn report(
    said: &mut impl FnMut(&str),
    round: u32,
    subject: &Subject,
    what: &str,
    outcome: &Outcome,
) -> u64 {
    let [p50, p99] = quantiles(&outcome.latency);
    let error = outcome.error.as_deref().unwrap_or_default();
    said(&format!(
        "round {}: {}, {what}: {:.0} requests/s, p50 {p50:.0} µs, p99 {p99:.0} µs, {} failed {error}",
        round + 1,
        subject.name,
        outcome.rate(),
        outcome.errors,
    ));
    outcome.errors
}
