//! HTTP in, provider out, events out.
//!
//! ```text
//! http ► auth ► routing ► admission ► upstream ► streaming ► client
//!                            │                      │
//!                            └─ usage: Ticket ──────┴─ settle: exactly one event ─► outbox ─► log
//! ```
//!
//! Start reading at [`serve()`]. What a call reads is one immutable [`control::Snapshot`], the
//! health map and prepaid accounts' atomics; the only shared writing is the outbox's append.

pub mod admission;
pub mod auth;
pub mod call;
pub mod config;
pub mod control;
pub mod dialects;
pub mod error;
pub mod gateway;
pub mod http;
pub mod limits;
pub mod providers;
pub mod reply;
pub mod routing;
mod serve;
pub mod streaming;
pub mod trace;
pub mod upstream;
pub mod usage;

pub use crate::gateway::Gateway;
pub use crate::serve::serve;
