//! The admin API over a real log.
#![cfg(test)]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod changes;
mod config;
mod nodes;
mod rig;
mod roles;
mod secrets;
