//! The ClickHouse engine in a child process, spoken to over ClickHouse's HTTP interface on loopback.
//!
//! ```text
//! parent: Supervisor ── starts, waits, restarts ──► child: serve()
//!                                                    │ confine threads (Landlock), load libchdb, open the data
//!   clients ── HTTP :8123 ─────────────────────────► http: user → role → session → gate → engine → answer
//! ```
//!
//! What survives: an insert that was answered is on disk in whole parts, synced (`fsync_after_insert`, `fsync_part_directory`), so it
//! survives kill -9 of the child and loss of power. An insert that was cut is there in whole blocks or not at all; one insert of less than
//! a million rows and 256 MiB into one partition is one block.

mod engine;
mod exception;
mod ffi;
mod http;
mod library;
mod options;
mod sandbox;
mod serve;
mod statement;
mod supervisor;
mod tree;
mod users;

pub use engine::Error as EngineError;
pub use library::{LibraryMissing, find as find_library};
pub(crate) use options::Limits;
pub use options::ServerOptions;
pub use serve::{Error, run};
pub use supervisor::{Error as SupervisorError, State, Supervisor, SupervisorOptions};
pub use users::{Role, password};
