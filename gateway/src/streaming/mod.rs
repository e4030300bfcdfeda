//! Answers on their way to the client.

pub mod sse;
