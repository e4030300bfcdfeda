//! What Hub brings along so that one machine needs nothing else installed.

pub mod clickhouse;
pub mod demo;
