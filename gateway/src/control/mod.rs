//! What the request path knows: one immutable snapshot, swapped whole.

pub mod follow;
pub mod seed;
mod snapshot;

pub use snapshot::{AccountTerms, Key, Route, RouteTarget, Snapshot};
