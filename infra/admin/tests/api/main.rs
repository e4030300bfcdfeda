//! The admin API over a real log.
#![cfg(test)]

mod audit;
mod browser;
mod changes;
mod config;
mod limits;
mod nodes;
mod people;
mod rig;
mod roles;
mod secrets;
mod sessions;
