//! What the request path knows: one immutable snapshot, swapped whole.

pub mod catalogue;
pub mod check;
pub mod discovery;
pub mod follow;
mod keys;
mod ready;
mod routes;
pub mod seed;
mod snapshot;

pub use ready::Ready;
pub use snapshot::{AccountTerms, Key, Listings, Origin, Patterns, Routes, SigningKey, Snapshot};
