//! What the child is told.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Where the child listens, keeps its data and finds its library.
#[derive(Clone, Debug, clap::Args)]
pub struct ServerOptions {
    /// The address of the HTTP interface; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8123")]
    pub listen: SocketAddr,
    /// The folder of data, passwords and configuration; one process at a time.
    #[arg(long, required = false)]
    pub data_dir: PathBuf,
    /// The file `libchdb.so` (npm package `@chdb/lib-linux-x64-gnu`).
    #[arg(long, required = false)]
    pub library: PathBuf,
    /// Memory of the engine, in MiB; 0 takes a quarter of the machine's, between 512 and 4096.
    #[arg(long, default_value_t = 0)]
    pub memory_mib: u64,
    /// Serve the read-only user although the kernel cannot confine the engine; then SQL's `file('/path')` reads what this process can.
    #[arg(long)]
    pub allow_unconfined_reader: bool,
    /// Stop when standard input ends, and tell the outcome of the start on standard output: how a supervisor runs this.
    #[arg(long)]
    pub supervised: bool,
}

/// Bounds of time, memory and number.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// All of the engine, bytes; one query may take half.
    pub(crate) memory_bytes: u64,
    /// Threads of one query, and of merges.
    pub(crate) threads: usize,
    /// What one query may write to temporary files, bytes.
    pub(crate) spill_bytes: u64,
    /// The longest query, seconds.
    pub(crate) max_seconds: u64,
    /// The same for the read-only user, unless it asks for more, up to `max_seconds`.
    pub(crate) reader_seconds: u64,
    /// The longest text of a query, bytes.
    pub(crate) text_bytes: usize,
    /// Statements at once, each a thread.
    pub(crate) running: usize,
    /// Requests that may wait for their turn.
    pub(crate) waiting: usize,
    pub(crate) queue_timeout: Duration,
    /// The longest pause in a request's body.
    pub(crate) receive_timeout: Duration,
    /// The longest that an answer may stay unread.
    pub(crate) send_timeout: Duration,
}

impl Limits {
    /// For a small machine that runs the rest of Hub too.
    pub(crate) fn of(options: &ServerOptions) -> Self {
        let threads =
            std::thread::available_parallelism().map_or(2, std::num::NonZero::get).clamp(1, 8);
        let asked = options.memory_mib << 20;
        let memory_bytes = if asked == 0 {
            (machine_memory() / 4).clamp(512 << 20, 4 << 30)
        } else {
            asked.max(256 << 20)
        };
        Self {
            memory_bytes,
            threads,
            spill_bytes: 8 << 30,
            max_seconds: 600,
            reader_seconds: 60,
            text_bytes: 256 << 10,
            running: threads * 4,
            waiting: 128,
            queue_timeout: Duration::from_secs(10),
            receive_timeout: Duration::from_secs(60),
            send_timeout: Duration::from_secs(60),
        }
    }
}

/// The machine's memory in bytes; 2 GiB when it cannot be read.
fn machine_memory() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = text.lines().find_map(|line| {
        line.strip_prefix("MemTotal:")?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    });
    kib.map_or(2 << 30, |kib| kib << 10)
}
