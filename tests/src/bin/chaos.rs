//! The chaos program: `chaos --hub target/release/hub`.

use std::path::PathBuf;

use clap::Parser;
use e2e::chaos::{Options, run};

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
    /// Where everything is kept; a temporary folder, removed at the end, when not given.
    #[arg(long)]
    keep: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let temporary = tempfile::tempdir()?;
    let folder = arguments.keep.unwrap_or_else(|| temporary.path().to_owned());
    std::fs::create_dir_all(&folder)?;
    let options = Options {
        hub: std::fs::canonicalize(arguments.hub)?,
        folder: std::fs::canonicalize(folder)?,
        calls: arguments.calls,
        gateway_kills: arguments.gateway_kills,
        processor_kills: arguments.processor_kills,
        power_losses: arguments.power_losses,
        callers: arguments.callers,
        seed: arguments.seed,
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
