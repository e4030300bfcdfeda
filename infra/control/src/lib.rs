//! The control plane: what an operator configures, as events in `hub.control.v1` and nothing else.
//!
//! ```text
//! command ─► validate against the state ─► append (expected version) ─► LOG
//!                                                                        │ one partition, one order
//!             reply ◄── outcome ◄── fold: who was first ◄────────────────┘ on every node the same
//!                                     │
//!                       state ─► compile ─► gateway::control::Snapshot, swapped whole
//! ```
//!
//! - Every node folds the whole topic; a [`checkpoint`] in the data folder spares it the history.
//! - The fold decides only the expected version and whether a command was done before, by rules
//!   that never change ([`state`]). What a body means is decided when it is compiled.
//! - Secrets are sealed before they are appended ([`vault`]).
//! - What leaves no control event is in the [`audit`] trail, which seals what the topic said too.

pub mod audit;
pub mod bootstrap;
pub mod bound;
pub mod checkpoint;
pub mod compile;
pub mod entity;
pub mod intake;
pub mod key;
pub mod limits;
pub mod link;
pub mod password;
pub mod plane;
pub mod repeat;
pub mod role;
pub mod sealed;
pub mod seed;
pub mod state;
pub mod validate;
pub mod vault;
