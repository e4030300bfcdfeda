//! HTTP in, provider out, events out.

pub mod admission;
pub mod auth;
pub mod call;
pub mod config;
pub mod control;
pub mod error;
pub mod providers;
pub mod reply;
pub mod routing;
pub mod streaming;
pub mod usage;
