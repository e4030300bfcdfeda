//! Processors on a real local log.

mod billing;
mod engine;
mod flaky;
mod health;
mod rig;
mod sink;
mod table;
