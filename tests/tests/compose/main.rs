//! `docker-compose.yml` without a container engine: what it says is checked, and each of the hub's
//! roles runs as it says, as a process against a real Kafka, a real registry and a real ClickHouse.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

mod container;
mod file;
mod image;
#[path = "../rig/mod.rs"]
#[expect(dead_code, reason = "shared with the other tests over a running hub")]
mod rig;
mod roles;
mod shape;
