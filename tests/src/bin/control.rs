//! `make bench-control`: what a large control plane costs, and how soon changes spread.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Parser;
use e2e::bench::{Plan, Subject, about, nginx, run};
use e2e::control::{
    Filled, Measured, Size, Spread, Starts, Times, admin, fill, history, markdown, owner, spread,
};
use e2e::fake_provider::{FakeProvider, Options};
use e2e::hub::{Hub, Provider, get};
use e2e::kafka::Kafka;
use e2e::load::proc;
use e2e::process::Process;
use e2e::requests;
use serde_json::json;

/// Measures a hub of many keys, providers and changes beside one of few.
#[derive(Parser)]
struct Arguments {
    /// The hub's binary.
    #[arg(long)]
    hub: PathBuf,
    #[arg(long, default_value_t = 10_000)]
    keys: usize,
    #[arg(long, default_value_t = 1_000)]
    providers: usize,
    /// Control events in all.
    #[arg(long, default_value_t = 1_000_000)]
    events: usize,
    /// Starts, edits and changes of each kind.
    #[arg(long, default_value_t = 5)]
    starts: usize,
    #[arg(long, default_value_t = 100)]
    edits: usize,
    /// Turns of the request path.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Where the report goes.
    #[arg(long)]
    out: PathBuf,
}

fn say(line: &str) {
    #[expect(clippy::print_stderr, reason = "progress of a run that takes minutes")]
    {
        eprintln!("{line}");
    }
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let binary = std::fs::canonicalize(&arguments.hub).context("the hub's binary")?;
    let folder = tempfile::tempdir()?;
    let tokio = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let upstream = nginx::upstream(folder.path(), &requests::answer())?;
    let fake = tokio.block_on(FakeProvider::start(Options::default()))?;
    let Arguments { keys, providers: many, events, .. } = arguments;
    let size = Size { keys, providers: many, events };
    let provider = |id: &str, address: SocketAddr, model: &str| Provider {
        id: id.to_owned(),
        url: format!("http://{address}/v1"),
        models: vec![model.to_owned()],
    };
    let providers = [
        provider("bench", upstream.address, "whole"),
        provider("streams", fake.address(), "stream"),
    ];
    let hub = |name: &str| Hub::new(&binary, &folder.path().join(name), &providers, "");
    let (small, large) = (hub("small")?, hub("large")?);

    let (process, _) = start(&large)?;
    let token = owner(&large)?;
    say(&format!("making {keys} keys and {many} providers"));
    let began = Instant::now();
    let Filled { key, model } = fill(&large, &token, upstream.address, size)?;
    say(&format!("made in {:.1?}", began.elapsed()));
    process.stop()?;
    let count = tokio.block_on(history(&large, events))?;
    say(&format!("{count} control events"));

    let small_starts = starts(&small, arguments.starts, true)?;
    let whole = starts(&large, arguments.starts.div_ceil(2), false)?;
    let kept = starts(&large, arguments.starts, true)?;
    say(&format!("{small_starts:?}\n{whole:?}\n{kept:?}"));

    let (mut one, _) = start(&small)?;
    let (mut other, _) = start(&large)?;
    let (key_swap, edit) = edits(&large, &token, "keys/key-7", arguments.edits)?;
    let (provider_swap, _) = edits(&large, &token, "providers/provider-7", arguments.edits)?;
    say(&format!("swaps: {key_swap:?} {provider_swap:?}"));
    let plan = Plan {
        rounds: arguments.rounds,
        time: Duration::from_secs(4),
        connections: 32,
        pace: 400.0,
        stream_pace: 10.0,
    };
    let subjects = [
        subject("upstream", [upstream.address, fake.address()], "key", "whole", None),
        subject("small", [small.listen; 2], &small.key, "whole", Some(one.id())),
        subject("large", [large.listen; 2], &key, &model, Some(other.id())),
    ];
    let samples = run(&subjects, plan, say)?.samples;
    let [_, few, many] = <[_; 3]>::try_from(samples).map_err(|_| anyhow::anyhow!("no samples"))?;
    one.kill()?;
    other.kill()?;

    let spread = spread_on_kafka(&binary, folder.path(), &fake, arguments.edits)?;
    let measured = Measured {
        size: Size { events: count, ..size },
        small: small_starts,
        kept,
        whole,
        key_swap,
        provider_swap,
        edit,
        calls: [few, many],
        spread,
    };
    std::fs::write(&arguments.out, markdown(&measured, &about())?)?;
    Ok(())
}

/// A gateway that is ready, and how long that took.
fn start(hub: &Hub) -> anyhow::Result<(Process, Duration)> {
    let began = Instant::now();
    let mut process = hub.start("gateway")?;
    process.until("got ready", || hub.is_ready()).with_context(|| hub.tail("gateway"))?;
    Ok((process, began.elapsed()))
}

fn starts(hub: &Hub, times: usize, kept: bool) -> anyhow::Result<Starts> {
    let (mut ready, mut memory) = (Vec::new(), 0);
    for _ in 0..times {
        if !kept {
            drop(std::fs::remove_file(hub.data().join("control.checkpoint")));
        }
        let (process, took) = start(hub)?;
        ready.push(took);
        proc::idle(&[process.id()], Duration::from_secs(20));
        memory = proc::resident(&[process.id()]);
        process.stop()?;
    }
    Ok(Starts { ready: Times::of(ready), memory })
}

/// Edits an entity again and again: the mean time of a swap by the hub's own metric, and of the answers.
fn edits(hub: &Hub, token: &str, path: &str, times: usize) -> anyhow::Result<(Duration, Times)> {
    let metric = || -> anyhow::Result<[f64; 2]> {
        let text = get(hub.admin, "/metrics")?.1;
        let find = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|number| number.trim().parse::<f64>().ok()).context(name.to_owned())
        };
        Ok([
            find("hub_control_snapshot_seconds_sum ")?,
            find("hub_control_snapshot_seconds_count ")?,
        ])
    };
    let before = metric()?;
    let mut took = Vec::new();
    for n in 0..times {
        let mut spec = admin(hub, token, "GET", path, &json!(null))?["spec"].take();
        spec["title"] = n.to_string().into();
        let began = Instant::now();
        admin(hub, token, "PUT", path, &json!({"spec": spec}))?;
        took.push(began.elapsed());
    }
    let after = metric()?;
    let mean = (after[0] - before[0]) / (after[1] - before[1]).max(1.0);
    Ok((Duration::from_secs_f64(mean), Times::of(took)))
}

fn subject(
    name: &str,
    [address, streams]: [SocketAddr; 2],
    key: &str,
    model: &str,
    pid: Option<u32>,
) -> Subject {
    Subject {
        name: name.to_owned(),
        address,
        streams,
        key: key.to_owned(),
        model: model.to_owned(),
        stream_model: "stream".to_owned(),
        pid,
        tree: pid.map(proc::tree).unwrap_or_default(),
        idle_memory: 0,
    }
}

fn spread_on_kafka(
    binary: &Path,
    folder: &Path,
    fake: &FakeProvider,
    times: usize,
) -> anyhow::Result<Spread> {
    let kafka = Kafka::start(&folder.join("kafka"))?;
    let provider = Provider { id: "fake".into(), url: fake.url(), models: vec!["m".into()] };
    let gateway = |name: &str| -> anyhow::Result<(Hub, Process)> {
        let hub = Hub::new(binary, &folder.join(name), std::slice::from_ref(&provider), "")?;
        let mut command = hub.command(&["gateway"]);
        kafka.keeps_log_of(&mut command);
        let mut process = Process::start("gateway", &mut command, &hub.log("gateway"))?;
        process.until("got ready", || hub.is_ready()).with_context(|| hub.tail("gateway"))?;
        Ok((hub, process))
    };
    let (one, _here) = gateway("one")?;
    let (other, _there) = gateway("other")?;
    spread(&one, &other, &owner(&one)?, times)
}
