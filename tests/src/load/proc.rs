//! What a process costs, by `/proc`.

use std::time::Duration;

/// The kernel reports processor time in hundredths of a second on every Linux that matters here.
const TICK: Duration = Duration::from_millis(10);

/// Processor time that the processes used so far, user and system; ended ones count nothing.
pub fn cpu(pids: &[u32]) -> Duration {
    pids.iter().filter_map(|pid| ticks(*pid)).map(|ticks| TICK * ticks).sum()
}

fn ticks(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // the name may hold spaces; what follows its bracket does not
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let field = |index: usize| fields.get(index)?.parse::<u32>().ok();
    Some(field(11)? + field(12)?)
}

/// Resident memory of the processes, bytes.
pub fn resident(pids: &[u32]) -> u64 {
    let of = |pid: &u32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().trim_end_matches(" kB").parse::<u64>().ok()
    };
    pids.iter().filter_map(of).sum::<u64>() * 1024
}

/// The process and all that it started.
pub fn tree(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    let mut next = 0;
    while let Some(parent) = all.get(next).copied() {
        let path = format!("/proc/{parent}/task/{parent}/children");
        let text = std::fs::read_to_string(path).unwrap_or_default();
        all.extend(text.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        next += 1;
    }
    all
}

/// Waits until the processes are idle: under 3 % of a core for 200 ms; false when `limit` passed.
pub fn idle(pids: &[u32], limit: Duration) -> bool {
    let step = Duration::from_millis(200);
    let mut left = limit;
    loop {
        let before = cpu(pids);
        std::thread::sleep(step);
        if cpu(pids).saturating_sub(before) <= TICK {
            return true;
        }
        let Some(rest) = left.checked_sub(step) else {
            return false;
        };
        left = rest;
    }
}
