//! What the request path knows: one immutable snapshot, swapped whole.

pub mod follow;
mod seed;
mod snapshot;

pub use seed::{Error as SeedError, Sources, price_book, snapshot_of};
pub use snapshot::{AccountTerms, Key, Route, RouteTarget, Snapshot};
