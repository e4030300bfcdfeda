//! Processors on a real local log, and on a real ClickHouse where one is named.
#![cfg(test)]

mod billing;
mod both_logs;
mod engine;
mod flaky;
mod health;
mod registry;
mod rig;
mod sink;
mod table;
