//! The chaos program: `chaos --hub target/release/hub`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser};
use e2e::chaos::{Cluster, Options, run};

/// Kills every part of a hub at random under load and compares what it settled with the oracle.
#[derive(Parser)]
struct Arguments {
    /// The hub's binary.
    #[arg(long, env = "HUB")]
    hub: PathBuf,
    /// Calls at least.
    #[arg(long, default_value_t = 2000)]
    calls: u64,
    /// Times that the gateway is killed.
    #[arg(long, default_value_t = 20)]
    gateway_kills: u32,
    /// Times that each other role is killed.
    #[arg(long, default_value_t = 5)]
    processor_kills: u32,
    /// Power losses tried on copies of the data folder.
    #[arg(long, default_value_t = 5)]
    power_losses: u32,
    /// Clients.
    #[arg(long, default_value_t = 24)]
    callers: u64,
    /// What chance is made from; the same seed does not give the same run, but the same plan.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The log on a Kafka broker of its own, and several gateways.
    #[arg(long)]
    kafka: bool,
    #[command(flatten)]
    cluster: ClusterArguments,
    /// Where everything is kept; a temporary folder, removed at the end, when not given.
    #[arg(long)]
    keep: Option<PathBuf>,
}

/// What is tried with --kafka; no power is lost then.
#[derive(Args)]
struct ClusterArguments {
    /// Gateways.
    #[arg(long, default_value_t = 2)]
    gateways: u32,
    /// MiB that each gateway's outbox may take.
    #[arg(long, default_value_t = 16)]
    outbox_mib: u32,
    /// Times that the broker is killed and started again.
    #[arg(long, default_value_t = 3)]
    broker_kills: u32,
    /// Seconds for which the broker stands still, once; 0 for not at all.
    #[arg(long, default_value_t = 30)]
    broker_pause: u64,
    /// Seconds for which the schema registry is away, once; 0 for no registry at all.
    #[arg(long, default_value_t = 30)]
    registry_away: u64,
    /// Times that a billing processor comes back after another has taken over.
    #[arg(long, default_value_t = 1)]
    zombies: u32,
    /// Seconds for which the broker is away under load, at the end; 0 for not at all.
    #[arg(long, default_value_t = 0)]
    outage: u64,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let temporary = tempfile::tempdir()?;
    let folder = arguments.keep.unwrap_or_else(|| temporary.path().to_owned());
    std::fs::create_dir_all(&folder)?;
    let cluster = &arguments.cluster;
    let cluster = Cluster {
        gateways: cluster.gateways,
        outbox: cluster.outbox_mib,
        broker_kills: cluster.broker_kills,
        broker_pause: Duration::from_secs(cluster.broker_pause),
        registry_away: Duration::from_secs(cluster.registry_away),
        zombies: cluster.zombies,
        outage: Duration::from_secs(cluster.outage),
    };
    let options = Options {
        hub: std::fs::canonicalize(arguments.hub)?,
        folder: std::fs::canonicalize(folder)?,
        calls: arguments.calls,
        gateway_kills: arguments.gateway_kills,
        processor_kills: arguments.processor_kills,
        // a power loss is tried on copies of a data folder that holds all there is
        power_losses: if arguments.kafka { 0 } else { arguments.power_losses },
        callers: arguments.callers,
        seed: arguments.seed,
        cluster: arguments.kafka.then_some(cluster),
    };
    let report = run(&options, &mut |line| {
        #[expect(clippy::print_stderr, reason = "progress of a run that takes minutes")]
        {
            eprintln!("{line}");
        }
    })?;
    #[expect(clippy::print_stdout, reason = "the report")]
    {
        println!("{report}");
    }
    anyhow::ensure!(report.wrong().is_empty(), "the hub did not conserve its calls");
    Ok(())
}
