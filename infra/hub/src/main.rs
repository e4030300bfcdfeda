//! The program.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let cli = hub::cli::Cli::parse();
    match hub::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // {:#} tells the causes in one line
            let _told = writeln!(std::io::stderr(), "hub: {error:#}");
            ExitCode::FAILURE
        }
    }
}
