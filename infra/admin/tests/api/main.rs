//! The admin API over a real log.
#![cfg(test)]

mod audit;
mod changes;
mod config;
mod nodes;
mod rig;
mod roles;
mod secrets;
