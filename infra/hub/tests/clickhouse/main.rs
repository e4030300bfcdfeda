//! The embedded ClickHouse as its clients see it, with the real engine in the real child process.
//!
//! The library is found by `HUB_CLICKHOUSE_LIBRARY` or under `HUB_CACHE` (default `target/cache` of this checkout).
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

mod access;
mod clients;
mod crash;
mod elsewhere;
mod harness;
mod interface;
mod limits;
mod rust_client;
