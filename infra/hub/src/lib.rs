//! The composition root: which roles run in this process, and what is embedded in it.

pub mod cli;
pub mod embedded;

use anyhow::bail;

use crate::cli::{Cli, Command};

/// Does what the command line says.
///
/// # Errors
/// In words for the person who typed it.
pub fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Some(Command::Clickhouse { options: Some(options) }) => {
            embedded::clickhouse::run(&options, runtime::task::CancellationToken::new())?;
            Ok(())
        }
        _ => bail!("not yet"),
    }
}
