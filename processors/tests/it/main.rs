//! Processors on a real local log.

mod billing;
mod flaky;
mod rig;
mod sink;
mod table;
