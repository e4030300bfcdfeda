//! What the request path knows: one immutable snapshot, swapped whole.

pub mod catalogue;
pub mod check;
mod current;
pub mod discovery;
pub mod follow;
mod keys;
mod ready;
mod routes;
pub mod seed;
mod snapshot;

pub use current::Current;
pub use keys::hash_of;
pub use ready::Ready;
pub use snapshot::{
    AccountTerms, Key, KeyHash, Listings, Origin, Patterns, Routes, SigningKey, Snapshot,
};
