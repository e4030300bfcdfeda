//! The fake provider as a program: `fake-provider --listen 127.0.0.1:9999 --log requests.jsonl`.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Parser;
use e2e::fake_provider::{Behaviour, FakeProvider, Options};

/// A provider on loopback that speaks OpenAI's format and does what it is told to.
#[derive(Parser)]
struct Arguments {
    /// Where it listens; port 0 for any free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// File that each request and its end are appended to, one JSON object a line.
    #[arg(long)]
    log: Option<PathBuf>,
    /// Keep headers and bodies of requests in the log.
    #[arg(long)]
    whole: bool,
    /// What it does when a request does not say otherwise, such as `tokens=16,gap_ms=2`.
    #[arg(long, default_value = "")]
    default: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let fake = FakeProvider::start(Options {
        listen: arguments.listen,
        file: arguments.log,
        whole: arguments.whole,
        default: Behaviour::parse(&arguments.default)?,
    })
    .await
    .with_context(|| format!("listen on {}", arguments.listen))?;
    #[expect(clippy::print_stdout, reason = "the one line that tells a script where it listens")]
    {
        println!("{}", fake.url());
    }
    tokio::signal::ctrl_c().await?;
    fake.stop().await;
    Ok(())
}
