//! Answers on their way to the client.
//!
//! - What a provider sends goes out read by read, in its own bytes; what closes the answer is held
//!   back until the call is settled.
//! - A slow client slows the provider down: nothing is read that has nowhere to go.
//! - Hang-up cancels: the dropped body drops the upstream connection and settles the call.

mod broken;
pub mod frames;
pub mod lines;
mod outgoing;
mod relay;
pub mod sse;
mod unread;

pub(crate) use outgoing::Outgoing;
pub use relay::relay;
pub use unread::Unreadable;
