//! HTTP in, provider out, events out.

pub mod admission;
pub mod call;
pub mod error;
pub mod providers;
pub mod reply;
pub mod routing;
pub mod usage;
