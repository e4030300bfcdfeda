//! Bad input: each case is one row of a table and has its clear error. What callers send is in
//! [`http`], what an operator writes in [`start`], what a disk may hold in [`data`].
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

mod data;
mod http;
#[path = "../rig/mod.rs"]
mod rig;
mod start;

/// Rows are told apart by name, and a table that lost its rows must not pass.
fn check_names<'a>(names: impl Iterator<Item = &'a str>, least: usize) {
    let mut seen = std::collections::BTreeSet::new();
    for name in names {
        assert!(seen.insert(name), "two cases are called {name:?}");
    }
    assert!(seen.len() >= least, "{} cases, at least {least} are wanted", seen.len());
}

/// Runs a command that must end by itself: its status, and all that it said. What still runs
/// after a while is killed, and what it said is the error.
fn end(command: &mut Command) -> Result<(Option<i32>, String), String> {
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(120);
    let mut running = true;
    while running && Instant::now() < deadline {
        running = child.try_wait().unwrap().is_none();
        std::thread::sleep(Duration::from_millis(5));
    }
    if running {
        child.kill().unwrap();
    }
    let output = child.wait_with_output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    if running { Err(text) } else { Ok((output.status.code(), text)) }
}
