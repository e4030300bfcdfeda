//! The load program: `load --address 127.0.0.1:8787 --key KEY --connections 32 --seconds 5`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use e2e::load::{Expect, Load, Pace, Phase, as_f64, proc, run};
use e2e::requests;
use serde_json::json;

/// Puts load on a server that speaks OpenAI's chat API and reports what it saw.
#[derive(Parser)]
struct Arguments {
    /// The server.
    #[arg(long)]
    address: SocketAddr,
    /// The API key.
    #[arg(long, default_value = "key")]
    key: String,
    /// The model asked for.
    #[arg(long, default_value = "gpt-4o-mini")]
    model: String,
    /// Ask for streams.
    #[arg(long)]
    stream: bool,
    /// A body of one's own instead.
    #[arg(long)]
    body: Option<PathBuf>,
    /// What a good answer holds.
    #[arg(long, default_value = "\"choices\"")]
    holds: String,
    /// Connections.
    #[arg(long, default_value_t = 32)]
    connections: u32,
    /// Requests per second over all connections, due at fixed times; as fast as answers come when
    /// not given.
    #[arg(long)]
    rate: Option<f64>,
    /// Seconds that count.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Seconds before.
    #[arg(long, default_value_t = 1.0)]
    warmup: f64,
    /// Processes whose cost is reported.
    #[arg(long, value_delimiter = ',')]
    pids: Vec<u32>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let body = match &arguments.body {
        Some(path) => std::fs::read(path)?,
        None => requests::body(&arguments.model, arguments.stream),
    };
    let first = if arguments.stream { b"data: {".to_vec() } else { Vec::new() };
    let load = Load {
        address: arguments.address,
        request: requests::chat(arguments.address, &arguments.key, &body),
        expect: Expect { first, holds: arguments.holds.into_bytes() },
        connections: arguments.connections,
        pace: arguments.rate.map_or(Pace::Closed, Pace::Open),
        warmup: Duration::from_secs_f64(arguments.warmup),
        duration: Duration::from_secs_f64(arguments.seconds),
    };
    let idle = proc::resident(&arguments.pids);
    let mut used = [Duration::ZERO; 2];
    let outcome = run(&load, |phase| {
        let [start, end] = &mut used;
        *(if phase == Phase::Start { start } else { end }) = proc::cpu(&arguments.pids);
    })?;
    let [start, end] = used;
    let micros = |nanos: u64| as_f64(nanos) / 1000.0;
    let quantiles = |histogram: &hdrhistogram::Histogram<u64>| {
        json!({
            "p50": micros(histogram.value_at_quantile(0.5)),
            "p99": micros(histogram.value_at_quantile(0.99)),
            "p999": micros(histogram.value_at_quantile(0.999)),
            "max": micros(histogram.max()),
        })
    };
    let report = json!({
        "requests_per_second": outcome.rate(),
        "answers": outcome.answers,
        "errors": outcome.errors,
        "error": outcome.error,
        "latency_us": quantiles(&outcome.latency),
        "first_content_us": quantiles(&outcome.first),
        "cpu_us_per_request": (end - start).as_secs_f64() * 1e6 / as_f64(outcome.answers.max(1)),
        "resident_mb": {"before": as_f64(idle) / 1e6, "after": as_f64(proc::resident(&arguments.pids)) / 1e6},
    });
    #[expect(clippy::print_stdout, reason = "the report")]
    {
        println!("{report:#}");
    }
    anyhow::ensure!(outcome.errors == 0, "{} requests failed", outcome.errors);
    Ok(())
}
