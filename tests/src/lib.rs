//! The system from outside: a provider that does what it is told to and remembers what it saw,
//! programs that put load on a hub, measure it and kill it, and tests over all of it.

pub mod bench;
pub mod chaos;
pub mod control;
pub mod failover;
pub mod fake_provider;
pub mod hub;
pub mod kafka;
pub mod load;
pub mod process;
pub mod requests;
pub mod signed;
