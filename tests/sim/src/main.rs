//! `make sim`: plays the matrix with many seeds and writes the table.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Parser;
use processors::health::Thresholds;
use sim::hub::snapshot;
use sim::report::{MATRIX, ROUTERS, Sum, head, many};
use sim::run::{Router, Scene, run};
use sim::time::SECOND;

#[derive(Parser)]
#[command(about = "Plays failures of upstreams in virtual time and compares routers")]
struct Arguments {
    /// Runs of each fault and router.
    #[arg(long, default_value_t = 50)]
    seeds: u64,
    /// Calls without a fault, for false alarms.
    #[arg(long, default_value_t = 1_000_000)]
    quiet: u64,
    /// Only the hub.
    #[arg(long)]
    hub: bool,
    /// Where the table is written; to the screen when not given.
    #[arg(long)]
    out: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let (snapshot, rules) = (snapshot()?, Thresholds::default());
    let routers = if arguments.hub { &ROUTERS[..1] } else { &ROUTERS[..] };
    let mut text = format!("{}\n", head());
    let mut runs = 0;
    for (name, fault, count) in MATRIX {
        for (router_name, router) in routers {
            let sum = many(*router, (*fault, *count), 0..arguments.seeds, &snapshot, rules);
            runs += arguments.seeds;
            writeln!(text, "{}", sum.line(name, router_name))?;
        }
    }
    // many short lives, so that runs of bad luck begin from nothing, too
    let (mut quiet, mut seed) = (Sum::default(), 0);
    while quiet.all < arguments.quiet {
        let times = (0, 0, 2_000 * SECOND);
        let scene = Scene { times, ..Scene::new(Router::Hub, None, 1_000_000 + seed) };
        quiet = quiet.and(run(&scene, &snapshot, rules));
        (seed, runs) = (seed + 1, runs + 1);
    }
    let wronged = quiet.wronged;
    writeln!(
        text,
        "\nWithout a fault, {} calls of which one in 200 fails at its upstream: healthy targets ejected: {wronged}.\n\n{runs} runs.",
        quiet.all
    )?;
    match arguments.out {
        Some(path) => std::fs::write(path, include_str!("../SIM.head.md").to_owned() + &text)?,
        None => std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes())?,
    }
    Ok(())
}
