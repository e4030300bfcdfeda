//! Leaf plumbing: configuration, telemetry, the log, the schema registry, clock and tasks.
//! It knows topics (from `schemas`) but no product words.

pub mod clock;
pub mod config;
pub mod lanes;
pub mod lock;
pub mod log;
pub mod registry;
pub mod secret;
pub mod task;
pub mod telemetry;
pub mod tls;
