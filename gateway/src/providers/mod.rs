//! Pure translators between a call and what providers say. No I/O, no clock.
//!
//! One provider is one file pair: `x_wire.rs` mirrors the vendor's documents, `x.rs` encodes a
//! call, decodes an answer into pieces and a tally, and classifies a failure. Vendors that speak
//! OpenAI's format are rows of [`compat`].

pub mod compat;
mod edit;
mod failure;
pub mod openai;
mod openai_stream;
mod openai_usage;
mod openai_wire;
mod weight;

use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use runtime::telemetry::metrics;
use schemas::ids::ProviderId;

pub use failure::{Failure, Next, classify, retry_after};

use crate::reply::Tally;
use compat::Vendor;

/// How long each part of an attempt may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Deadlines {
    /// Connecting, TLS included.
    pub connect: Duration,
    /// From the request to the first content.
    pub first_byte: Duration,
    /// Between two reads of a stream.
    pub idle: Duration,
    /// The whole call, all attempts together.
    pub total: Duration,
}

/// Where a provider is and what is special about it.
#[derive(Debug)]
pub struct Endpoint {
    /// The provider as the operator named it.
    pub id: ProviderId,
    /// Base address, such as `https://api.openai.com/v1`.
    pub base_url: url::Url,
    /// Where chat completions are; `None` when there are none.
    pub chat: Option<http::Uri>,
    /// Where embeddings are; `None` when there are none.
    pub embeddings: Option<http::Uri>,
    /// What is special about it.
    pub vendor: Vendor,
    /// How long each part of an attempt may take.
    pub deadlines: Deadlines,
    /// Where its calls are counted: looked up by the first of them.
    pub counts: OnceLock<metrics::Provider>,
}

/// A request to a provider, but for the headers that all have.
#[derive(Clone)]
pub struct Outbound {
    /// Where to.
    pub uri: http::Uri,
    /// What.
    pub body: Bytes,
}

impl std::fmt::Debug for Outbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outbound").field("uri", &self.uri).finish_non_exhaustive()
    }
}

/// A piece of an answer, in the provider's own bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Piece {
    /// The bytes; empty for a piece that the client is not shown.
    pub bytes: Bytes,
    /// What it is.
    pub kind: PieceKind,
}

/// What a piece of an answer is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PieceKind {
    /// Neither content nor the end: a role, a comment.
    Preamble,
    /// Content: from the first of these on there is no other attempt.
    Content,
    /// Near the end: the last finish reason, usage. Held back until the call is settled.
    Closing,
    /// The protocol's terminator.
    Terminal,
    /// The frame in which the provider says that it failed; the decoder's error follows.
    Failed,
}

/// Reads an answer as it comes.
pub trait Decoder: Send {
    /// Takes bytes and appends the pieces that they complete.
    ///
    /// # Errors
    /// The provider says, inside the answer, that it failed; or what it says can't be read.
    fn push(&mut self, bytes: Bytes, pieces: &mut Vec<Piece>) -> Result<(), Failure>;

    /// The answer ended.
    ///
    /// # Errors
    /// It ended before its terminator.
    fn end(&mut self, pieces: &mut Vec<Piece>) -> Result<(), Failure>;

    /// What it used so far.
    fn tally(&self) -> &Tally;
}
