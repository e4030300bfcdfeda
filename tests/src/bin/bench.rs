//! The benchmark: `bench --hub target/release/hub --out tests/BENCHMARKS.md`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use e2e::bench::{Plan, Subject, about, markdown, nginx, run};
use e2e::fake_provider::{Behaviour, FakeProvider, Options};
use e2e::hub::{Hub, Provider};
use e2e::load::proc;
use e2e::process::Process;
use e2e::requests;

/// Measures the upstream directly, nginx before it, and hubs before it, in one run.
#[derive(Parser)]
struct Arguments {
    /// The hub's binary; without it only the upstream and nginx are measured.
    #[arg(long, env = "HUB")]
    hub: Option<PathBuf>,
    /// Roles to measure, each its own hub.
    #[arg(long, value_delimiter = ',', default_value = "gateway,serve")]
    roles: Vec<String>,
    /// Turns.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Connections under full and half load.
    #[arg(long, default_value_t = 32)]
    connections: u32,
    /// Markdown put after the table, such as the processors' speed on replay.
    #[arg(long)]
    append: Option<PathBuf>,
    /// Where the report goes; printed when not given.
    #[arg(long)]
    out: Option<PathBuf>,
}

const STREAMS: &str = "tokens=16,gap_ms=2";

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let plan = Plan {
        rounds: arguments.rounds,
        time: Duration::from_secs_f64(arguments.seconds),
        connections: arguments.connections,
        pace: 400.0,
        stream_pace: 10.0,
    };
    let folder = tempfile::tempdir()?;
    let tokio =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let fake = tokio.block_on(FakeProvider::start(Options {
        default: Behaviour::parse(STREAMS)?,
        ..Options::default()
    }))?;
    let upstream = nginx::upstream(folder.path(), &requests::answer())?;
    let proxy = nginx::proxy(folder.path(), upstream.address, fake.address())?;
    let mut subjects = vec![
        subject("upstream directly", upstream.address, fake.address(), None),
        subject("nginx", proxy.address, proxy.streams, Some(proxy.process.id())),
    ];
    let mut hubs = Vec::new();
    if let Some(binary) = &arguments.hub {
        let binary = std::fs::canonicalize(binary).context("the hub's binary")?;
        for role in &arguments.roles {
            let (hub, process) =
                start(&binary, &folder.path().join(role), role, upstream.address, fake.address())?;
            let name = format!("hub {role}");
            let mut it = subject(&name, hub.listen, hub.listen, Some(process.id()));
            it.key = hub.key;
            it.stream_model = "stream".to_owned();
            subjects.push(it);
            hubs.push(process);
        }
    }
    let say = |line: &str| {
        #[expect(clippy::print_stderr, reason = "progress of a run that takes minutes")]
        {
            eprintln!("{line}");
        }
    };
    let results = run(&subjects, plan, say)?;
    for process in hubs {
        process.stop()?;
    }
    let mut report = markdown(&subjects, plan, &results, &about())?;
    if let Some(more) = &arguments.append {
        report.push('\n');
        report.push_str(&std::fs::read_to_string(more)?);
    }
    match &arguments.out {
        Some(path) => std::fs::write(path, report)?,
        None => {
            #[expect(clippy::print_stdout, reason = "the report")]
            {
                println!("{report}");
            }
        }
    }
    Ok(())
}

fn subject(name: &str, address: SocketAddr, streams: SocketAddr, pid: Option<u32>) -> Subject {
    let pids: Vec<u32> = pid.into_iter().collect();
    Subject {
        name: name.to_owned(),
        address,
        streams,
        key: "key".to_owned(),
        model: "whole".to_owned(),
        stream_model: "stream".to_owned(),
        pid,
        tree: pid.map(proc::tree).unwrap_or_default(),
        idle_memory: proc::resident(&pids),
    }
}

fn start(
    binary: &Path,
    folder: &Path,
    role: &str,
    whole: SocketAddr,
    streams: SocketAddr,
) -> anyhow::Result<(Hub, Process)> {
    let provider = |id: &str, address: SocketAddr, model: &str| Provider {
        id: id.to_owned(),
        url: format!("http://{address}/v1"),
        models: vec![model.to_owned()],
    };
    let providers = [provider("bench", whole, "whole"), provider("streams", streams, "stream")];
    let hub = Hub::new(binary, folder, &providers, "")?;
    let mut process = hub.start(role)?;
    process.until("got ready", || hub.is_ready()).with_context(|| hub.tail(role))?;
    proc::idle(&proc::tree(process.id()), Duration::from_secs(20));
    Ok((hub, process))
}
