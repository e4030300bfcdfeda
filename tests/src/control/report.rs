//! The report.

use std::fmt::Write as _;
use std::time::Duration;

use super::{Size, Spread, Times};
use crate::bench::{Sample, median};

/// How a hub starts.
#[derive(Clone, Debug, Default)]
pub struct Starts {
    /// From its command to its first ready answer.
    pub ready: Times,
    /// Resident memory once it is idle, bytes.
    pub memory: u64,
}

/// What was measured.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Of which size.
    pub size: Size,
    /// A hub with hardly anything configured.
    pub small: Starts,
    /// The large one, with the checkpoint of its last stop.
    pub kept: Starts,
    /// The large one, from its log alone.
    pub whole: Starts,
    /// From a change that was read to the snapshot that calls see: the mean over all edits of keys.
    pub key_swap: Duration,
    /// The same over edits of providers.
    pub provider_swap: Duration,
    /// From sending an edit to its answer.
    pub edit: Times,
    /// Calls through the small and through the large hub, by rounds.
    pub calls: [Vec<Sample>; 2],
    /// How soon a change is so on another gateway.
    pub spread: Spread,
}

/// The report as Markdown; `about` is put under the title: machine, commit, date.
///
/// # Errors
/// Never: text takes all that is written to it.
pub fn markdown(it: &Measured, about: &str) -> Result<String, std::fmt::Error> {
    let Size { keys, providers, events } = it.size;
    let mut out = format!("# Control plane\n\n{about}\n\n");
    writeln!(
        out,
        "{keys} keys, {providers} providers with a credential and a model each, {events} control events. Cold start is from \
         the command to the first ready answer of `hub gateway`.\n"
    )?;
    out.push_str("| | cold start p50 | most | RSS idle MB |\n| --- | ---: | ---: | ---: |\n");
    for (name, starts) in [
        ("hardly anything configured", &it.small),
        ("large, with its checkpoint", &it.kept),
        ("large, from the log alone", &it.whole),
    ] {
        let [p50, most] = [50, 100].map(|percent| ms(starts.ready.percentile(percent)));
        writeln!(out, "| {name} | {p50} ms | {most} ms | {} |", starts.memory >> 20)?;
    }
    writeln!(
        out,
        "\nFrom a change that was read to the snapshot that calls see: {} ms for a key, {} ms for a provider (means). An edit over \
         the admin API is answered after {} ms (p50), {} ms (p99).\n",
        ms(it.key_swap),
        ms(it.provider_swap),
        ms(it.edit.percentile(50)),
        ms(it.edit.percentile(99)),
    )?;
    let [small, large] = &it.calls;
    let pairs = || small.iter().zip(large);
    let ratio =
        |of: fn(&Sample) -> f64| median(pairs().map(|(small, large)| of(large) / of(small)));
    writeln!(
        out,
        "The request path, large over small, medians of {} rounds in turns: {:.2} of the calls per second, {:.2} of the \
         processor time of a call, {:.2} of the latency at one connection (p50).\n",
        small.len(),
        ratio(|sample| sample.rate),
        ratio(|sample| sample.cpu),
        ratio(|sample| sample.one[0]),
    )?;
    out.push_str(
        "Two gateways on one Kafka broker, from the answer on the one to the first call on the other that knows of it:\n\n\
         | change | p50 | p99 | most |\n| --- | ---: | ---: | ---: |\n",
    );
    for (name, times) in [
        ("a key is revoked", &it.spread.revocation),
        ("a price is another", &it.spread.price),
        ("a model has a new route", &it.spread.route),
    ] {
        let [p50, p99, most] = [50, 99, 100].map(|percent| ms(times.percentile(percent)));
        writeln!(out, "| {name} | {p50} ms | {p99} ms | {most} ms |")?;
    }
    Ok(out)
}

fn ms(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1e3)
}
