//! What the hub's own commands say once everything has arrived.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::Value;

use crate::hub::Hub;

/// How long events may take to arrive everywhere.
const PATIENCE: Duration = Duration::from_secs(300);

/// Calls whose attempts are not as many as their usage event says.
const UNTOLD: &str = "SELECT count() FROM usage LEFT JOIN \
    (SELECT call, count() AS tries, uniqExact(number) AS numbers FROM attempts GROUP BY call) AS told USING call \
    WHERE usage.attempts != told.tries OR usage.attempts != told.numbers";

/// Waits until `hub verify` finds nothing missing, then compares every processor with its replay.
/// Gives what does not add up.
///
/// # Errors
/// A command could not be run.
pub(super) fn of(hub: &Hub, said: &mut dyn FnMut(&str)) -> anyhow::Result<Vec<String>> {
    let mut wrong = patiently(|| verify(hub))?;
    for processor in ["billing", "health", "sink"] {
        said(&format!("replaying {processor}"));
        let (reports, error) = ask(hub, &["replay", processor, "--json"])?;
        if reports.is_empty() {
            wrong.push(format!("replay {processor}: {error}"));
        }
        for report in reports.iter().filter(|report| report["different"] != 0) {
            wrong.push(format!("replay {processor} differs: {report}"));
        }
    }
    Ok(wrong)
}

/// Waits until each usage event has as many attempts as it says. Gives what does not add up; a
/// power loss may take an attempt and leave its call.
///
/// # Errors
/// The query failed.
pub(super) fn attempts(hub: &Hub) -> anyhow::Result<Vec<String>> {
    patiently(|| {
        let [untold, ..] = count(hub, UNTOLD)?;
        let wrong = format!("{untold} calls with more or fewer attempts than they say");
        Ok(if untold == 0 { Vec::new() } else { vec![wrong] })
    })
}

/// Looks until nothing is wrong. Gives what is at the end.
fn patiently(look: impl Fn() -> anyhow::Result<Vec<String>>) -> anyhow::Result<Vec<String>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let wrong = look()?;
        if wrong.is_empty() || Instant::now() > deadline {
            return Ok(wrong);
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

fn verify(hub: &Hub) -> anyhow::Result<Vec<String>> {
    let (verdicts, error) = ask(hub, &["verify", "--json"])?;
    let mut wrong = Vec::new();
    if verdicts.is_empty() {
        wrong.push(format!("verify: {error}"));
    }
    for verdict in &verdicts {
        let partition = &verdict["partition"];
        let words = verdict["wrong"].as_array().into_iter().flatten();
        wrong.extend(words.map(|word| format!("verify: partition {partition}: {word}")));
        for lag in ["missing", "billing_lag", "sink_lag"] {
            if verdict[lag] != 0 {
                wrong.push(format!("verify: partition {partition}: {lag} {}", verdict[lag]));
            }
        }
    }
    Ok(wrong)
}

/// The JSON list that a command prints, and what it says of failures.
fn ask(hub: &Hub, arguments: &[&str]) -> anyhow::Result<(Vec<Value>, String)> {
    let output = hub.command(arguments).output().context("run the hub's binary")?;
    let list = serde_json::from_slice(&output.stdout).unwrap_or_default();
    Ok((list, String::from_utf8_lossy(&output.stderr).into_owned()))
}

/// Rows of the usage table, and distinct (origin, seq) and calls among them, without FINAL.
///
/// # Errors
/// The query failed.
pub(super) fn rows(hub: &Hub) -> anyhow::Result<[u64; 3]> {
    count(hub, "SELECT count(), uniqExact(origin, log_partition, seq), uniqExact(call) FROM usage")
}

/// The numbers in the one row of a query; 0 for those that it has not.
fn count(hub: &Hub, query: &str) -> anyhow::Result<[u64; 3]> {
    let output = hub.command(&["sql", query, "--format", "JSONCompactEachRow"]).output()?;
    anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let numbers: Vec<Value> = serde_json::from_slice(&output.stdout)?;
    // 64-bit numbers may come as text
    let number = |at: usize| {
        let value = numbers.get(at)?;
        value.as_u64().or_else(|| value.as_str()?.parse().ok())
    };
    let all = [number(0), number(1), number(2)];
    Ok(all.map(Option::unwrap_or_default))
}
