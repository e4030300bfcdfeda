//! The usual `process_…` metrics, read from `/proc` when they are asked for.

use std::fmt::{self, Write as _};

const END: &str = "# EOF\n";

/// Writes them before the end of an encoded text; nothing where there is no `/proc`.
pub(super) fn encode(text: &mut String) -> fmt::Result {
    let Some(stat) = std::fs::read_to_string("/proc/self/stat").ok() else {
        return Ok(());
    };
    let ended = text.ends_with(END);
    if ended {
        text.truncate(text.len() - END.len());
    }
    // the name of the program, in brackets, may hold anything
    let fields: Vec<&str> =
        stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    // counted from field 3, the state: see proc_pid_stat(5)
    if let (Some(user), Some(system)) = (number(11), number(12)) {
        let seconds = precise(user + system) / precise(rustix::param::clock_ticks_per_second());
        let name = "process_cpu_seconds";
        writeln!(text, "# HELP {name} CPU time, user and system.\n# TYPE {name} counter")?;
        writeln!(text, "# UNIT {name} seconds\n{name}_total {seconds}")?;
    }
    if let Some(pages) = number(21) {
        let bytes = pages * rustix::param::page_size() as u64;
        gauge(text, "process_resident_memory_bytes", "Resident memory", bytes)?;
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        gauge(text, "process_open_fds", "Open files", open.count() as u64)?;
    }
    if let Some(threads) = number(17) {
        gauge(text, "process_threads", "Threads", threads)?;
    }
    if ended {
        text.push_str(END);
    }
    Ok(())
}

fn gauge(text: &mut String, name: &str, help: &str, value: u64) -> fmt::Result {
    writeln!(text, "# HELP {name} {help}.\n# TYPE {name} gauge\n{name} {value}")
}

#[expect(clippy::cast_precision_loss, reason = "exact below 2^53 ticks")]
fn precise(ticks: u64) -> f64 {
    ticks as f64
}
