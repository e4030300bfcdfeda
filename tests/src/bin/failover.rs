//! `make failover`: each way to fail on the wire, the hub alone and as two gateways on Kafka.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use e2e::failover::{Hubs, Setting, Times, Upstreams, WAYS, settings};

#[derive(Parser)]
#[command(
    about = "Fails one of three upstreams in every way, under load, and tells what callers noticed"
)]
struct Arguments {
    /// The hub's binary.
    #[arg(long, env = "HUB_BINARY")]
    hub: PathBuf,
    /// Calls a second.
    #[arg(long, default_value_t = 50.0)]
    rate: f64,
    /// Seconds before, in and after the trouble.
    #[arg(long, num_args = 3, default_values_t = [10, 30, 20])]
    times: Vec<u64>,
    /// Only ways whose name has this in it.
    #[arg(long, default_value = "")]
    only: String,
    /// Only the hub alone.
    #[arg(long)]
    alone: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let second =
        |place: usize| Duration::from_secs(arguments.times.get(place).copied().unwrap_or(10));
    let times = Times { well: second(0), ill: second(1), after: second(2) };
    let mut out = std::io::stdout();
    writeln!(out, "| fault | calls | failed | shifted s | ejected s | recovered s | apart s |")?;
    writeln!(out, "|---|---|---|---|---|---|---|")?;
    for kafka in [false, true] {
        if kafka && arguments.alone {
            continue;
        }
        for way in WAYS.iter().filter(|way| way.name.contains(&arguments.only)) {
            let folder = tempfile::tempdir()?;
            let upstreams = Upstreams::start().await?;
            let more = settings(&upstreams, folder.path())?;
            let start = if kafka { Hubs::on_kafka } else { Hubs::alone };
            let hubs = tokio::task::block_in_place(|| start(&arguments.hub, folder.path(), &more))?;
            let gateways = hubs.gateways();
            let mut setting = Setting { upstreams, gateways, rate: arguments.rate };
            let measured = setting.play(*way, times, || ()).await?;
            let place = if kafka { "two on Kafka" } else { "alone" };
            writeln!(out, "{}", measured.line(&format!("{}, {place}", way.name)))?;
            hubs.replay()?;
        }
    }
    Ok(())
}
