//! What the tests over a running hub share: its binary, a clean environment, raw HTTP.

pub(crate) mod http;
pub(crate) mod log;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use e2e::hub::Hub;
use e2e::process::Process;

/// Variables of this machine that a hub may see; all others would make tests depend on it.
const KEPT: [&str; 5] = ["PATH", "HOME", "TMPDIR", "LANG", "LD_LIBRARY_PATH"];

/// What a variable of this test's own environment says.
pub(crate) fn variable(name: &str) -> Option<String> {
    let environment = runtime::config::environment();
    environment.into_iter().find(|(known, _)| known == name).map(|(_, value)| value)
}

/// The hub: `HUB_BINARY`, else built once, beside this test.
pub(crate) fn binary() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| match variable("HUB_BINARY") {
        Some(path) => path.into(),
        None => build(),
    })
}

fn build() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    // <target>/<profile>/deps/<test>
    let profile = test.ancestors().nth(2).unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "-p", "hub", "--bin", "hub"]);
    cargo.arg("--target-dir").arg(profile.parent().unwrap());
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    let built = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status().unwrap();
    assert!(built.success(), "the hub does not build");
    profile.join("hub")
}

/// The engine's library: `HUB_CLICKHOUSE_LIBRARY`, else where `make clickhouse` puts it.
pub(crate) fn library() -> PathBuf {
    let named = variable("HUB_CLICKHOUSE_LIBRARY").map(PathBuf::from);
    let cached = || variable("HUB_CACHE").map(|cache| Path::new(&cache).join("chdb/libchdb.so"));
    let library = named.or_else(cached).unwrap_or_default();
    assert!(
        library.is_file(),
        "there is no libchdb at {library:?}: run `make clickhouse`, or name the file in HUB_CLICKHOUSE_LIBRARY"
    );
    library
}

/// A command of the hub's in an environment that says nothing but what the test does.
pub(crate) fn command(hub: &Hub, arguments: &[&str]) -> Command {
    let mut command = hub.command(arguments);
    for (name, _) in runtime::config::environment() {
        let own = command.get_envs().any(|(known, _)| known == name.as_str());
        if !own && !KEPT.contains(&name.as_str()) {
            command.env_remove(name);
        }
    }
    command
}

/// Starts a role by its command.
pub(crate) fn start(hub: &Hub, role: &str, mut command: Command) -> Process {
    Process::start(role, &mut command, &hub.log(role)).unwrap()
}

/// Waits until the gateway, which runs in this role, takes calls.
pub(crate) fn ready(process: &mut Process, hub: &Hub, role: &str) {
    let started = process.until("was ready", || hub.is_ready());
    started.unwrap_or_else(|error| panic!("{error}: {}", hub.tail(role)));
}

/// Looks until there is something to see.
pub(crate) fn eventually<T>(
    what: &str,
    patience: Duration,
    mut look: impl FnMut() -> Option<T>,
) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "{what}: not within {patience:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
