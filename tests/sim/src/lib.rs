//! A simulator of failover: the gateway's real router and attempt policy, and the processor's real
//! health, in virtual time.
//!
//! Callers come by chance (Poisson) to two gateways that share nothing but derived health; three
//! upstreams serve them, one or two of which fail for half a minute in one of the ways of
//! [`report::MATRIX`]. Attempts reach the fold, and what it publishes the gateways, after 50 to 150 ms each.
//! The same seed gives the same run.
//!
//! `make sim` writes `tests/SIM.md`; `tests/targets.rs` holds a few seeds to what is promised.

pub mod derived;
pub mod fault;
pub mod hub;
pub mod measure;
pub mod peers;
pub mod report;
pub mod run;
pub mod time;
