//! The report.

use std::fmt::Write as _;

use super::{Plan, Results, Sample, Subject};

/// The report as Markdown: one row per subject. The first subject is the upstream itself, what
/// others add is over it; the second is the proxy that processor time is compared with. `about` is
/// put under the title: machine, commit, date.
///
/// # Errors
/// Never: text takes all that is written to it.
pub fn markdown(
    subjects: &[Subject],
    plan: Plan,
    results: &Results,
    about: &str,
) -> Result<String, std::fmt::Error> {
    let mut out = format!("# Benchmarks\n\n{about}\n\n## What a call costs\n\n");
    writeln!(
        out,
        "The same 1 KB request and 0.6 KB answer for all, in turns, medians of {} rounds of {:.0} s. The upstream is a static \
         nginx, for streams the fake provider (16 frames, 2 ms apart). Full load: {} connections, each sends when it has its \
         answer; CPU is of the named process alone. One connection: {:.0} requests/s at fixed times. Half load: {:.0} requests/s \
         over {} connections at fixed times, latency counted from when a request was due. `+` is over the upstream in \
         the same round.\n",
        plan.rounds,
        plan.time.as_secs_f64(),
        plan.connections,
        plan.pace,
        results.half_rate,
        plan.connections,
    )?;
    out.push_str(
        "| through | requests/s | CPU µs per request | of nginx's requests per CPU second | one connection +p50 µs | +p99 µs \
         | half load +p50 µs | +p99 µs | first content +p50 µs | +p99 µs | RSS idle MB | RSS loaded MB | failed |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    let none = Vec::new();
    let direct = results.samples.first().unwrap_or(&none);
    let proxy = results.samples.get(1).unwrap_or(&none);
    for (subject, samples) in subjects.iter().zip(&results.samples) {
        row(&mut out, subject, samples, direct, proxy)?;
    }
    out.push_str(
        "\nThe first row is the upstream called directly: its latencies are whole, not added.\n",
    );
    Ok(out)
}

fn row(
    out: &mut String,
    subject: &Subject,
    samples: &[Sample],
    direct: &[Sample],
    proxy: &[Sample],
) -> std::fmt::Result {
    let is_direct = std::ptr::eq(samples, direct);
    let of = |what: fn(&Sample) -> f64| median(samples.iter().map(what));
    let added = |what: fn(&Sample) -> f64| {
        let base = |sample: &Sample| if is_direct { 0.0 } else { what(sample) };
        median(samples.iter().zip(direct).map(|(sample, direct)| what(sample) - base(direct)))
    };
    write!(out, "| {} | {:.0} |", subject.name, of(|sample| sample.rate))?;
    if subject.pid.is_some() {
        let ratio = median(samples.iter().zip(proxy).map(|(sample, proxy)| proxy.cpu / sample.cpu));
        write!(out, " {:.1} | {ratio:.2} |", of(|sample| sample.cpu))?;
    } else {
        out.push_str(" | |");
    }
    let columns: [fn(&Sample) -> f64; 6] = [
        |sample| sample.one[0],
        |sample| sample.one[1],
        |sample| sample.half[0],
        |sample| sample.half[1],
        |sample| sample.first[0],
        |sample| sample.first[1],
    ];
    for column in columns {
        write!(out, " {:.0} |", added(column))?;
    }
    if subject.pid.is_some() {
        let idle = crate::load::as_f64(subject.idle_memory) / 1e6;
        write!(out, " {idle:.1} | {:.1} |", of(|sample| sample.memory) / 1e6)?;
    } else {
        out.push_str(" | |");
    }
    let errors: u64 = samples.iter().map(|sample| sample.errors).sum();
    writeln!(out, " {errors} |")
}

/// The middle one; not a number of none.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.get(middle), values.len() % 2) {
        (Some(value), 1) => *value,
        (Some(value), _) => {
            let before = values.get(middle.saturating_sub(1)).unwrap_or(value);
            f64::midpoint(*before, *value)
        }
        (None, _) => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_stands_in_the_middle() {
        assert!((median([3.0, 1.0, 2.0].into_iter()) - 2.0).abs() < f64::EPSILON);
        assert!((median([4.0, 1.0, 2.0, 3.0].into_iter()) - 2.5).abs() < f64::EPSILON);
        assert!(median(std::iter::empty()).is_nan());
    }
}
