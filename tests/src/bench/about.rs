//! What was measured where and when.

use std::process::Command;

/// Machine, commit and date.
pub fn about() -> String {
    let said = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().ok();
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        text.unwrap_or_default()
    };
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let changed =
        if said("git", &["status", "--porcelain"]).is_empty() { "" } else { " with changes" };
    format!(
        "Machine: {cores} cores of {}, kernel {}. Commit {}{changed}. {}.",
        cpu.trim_start_matches([' ', '\t', ':']),
        said("uname", &["-r"]),
        said("git", &["rev-parse", "--short", "HEAD"]),
        said("date", &["-u", "+%Y-%m-%d %H:%M UTC"]),
    )
}
