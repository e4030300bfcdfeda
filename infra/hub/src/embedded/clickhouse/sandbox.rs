//! What the kernel forbids the engine (Landlock): files outside of its folder, executables, connections out.
//!
//! ClickHouse's access control guards its table functions, but the library's scalar `file()` reads any path without asking. So the
//! threads that run the engine are confined: they see their data, the library and what the C library reads, nothing else.

use std::path::Path;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, PathBeneath, PathFd,
    Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetStatus,
};

/// How far the confinement holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Confined {
    /// Files, executables and TCP.
    Whole,
    /// Files and executables: the kernel is older than 6.7 and does not confine TCP; the engine's grants still refuse `url()` and such.
    Files,
    /// Not at all.
    No,
}

/// Read by the C library, by jemalloc and by the engine while it runs. None holds a secret; `/proc/self` is not among them, because of
/// `environ`.
const READABLE: [&str; 16] = [
    "/proc/meminfo",
    "/proc/stat",
    "/proc/cpuinfo",
    "/proc/loadavg",
    "/proc/uptime",
    "/proc/vmstat",
    "/proc/filesystems",
    "/proc/mounts",
    "/proc/sys/vm",
    "/proc/sys/kernel",
    "/sys/fs/cgroup",
    "/sys/devices/system",
    "/sys/kernel/mm",
    "/etc/localtime",
    "/usr/share/zoneinfo",
    "/dev/urandom",
];

/// Confines the calling thread and all that it starts: `data` and `config` may be changed, `readable` read.
pub(crate) fn confine(
    data: &Path,
    config: &Path,
    readable: &[&Path],
) -> Result<Confined, Box<dyn std::error::Error + Send + Sync>> {
    // The newest rules that are known here; an older kernel keeps to what it has.
    let abi = ABI::V5;
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    // No rule allows Execute, MakeSock, MakeChar or MakeBlock anywhere.
    let change = AccessFs::from_all(abi)
        & !(AccessFs::Execute
            | AccessFs::MakeSock
            | AccessFs::MakeChar
            | AccessFs::MakeBlock
            | AccessFs::IoctlDev);
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))?
        .handle_access(AccessNet::from_all(abi))?
        .create()?;
    for path in [data, config] {
        rules = rules.add_rule(PathBeneath::new(PathFd::new(path)?, change))?;
    }
    for path in READABLE.iter().map(Path::new).chain(readable.iter().copied()) {
        // What is not there needs no rule.
        if let Ok(folder) = PathFd::new(path) {
            rules = rules.add_rule(PathBeneath::new(
                folder,
                if path.is_dir() { read } else { AccessFs::ReadFile.into() },
            ))?;
        }
    }
    if let Ok(null) = PathFd::new("/dev/null") {
        rules = rules.add_rule(PathBeneath::new(null, AccessFs::ReadFile | AccessFs::WriteFile))?;
    }
    let status = rules.restrict_self()?;
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced => Confined::Whole,
        RulesetStatus::PartiallyEnforced => Confined::Files,
        RulesetStatus::NotEnforced => Confined::No,
    })
}
