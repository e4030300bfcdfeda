//! Pure translators between a call and what providers say. No I/O, no clock.
//!
//! One format is one folder: `wire.rs` mirrors the vendor's documents, its siblings write a
//! request, decode an answer into pieces and a tally, and classify a failure. Vendors are rows of
//! [`compat`], which say the format that they speak.

mod anthropic;
mod auth;
mod bedrock;
pub mod compat;
mod edit;
mod failure;
mod format;
mod gemini;
mod held;
pub mod listing;
mod media;
mod meters;
mod ollama;
mod openai;
mod responses;
pub(crate) mod sigv4;
mod text;
mod thinking;

use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use runtime::telemetry::metrics;
use schemas::ids::ProviderId;

pub use auth::{Auth, AuthKind, Unfit};
pub use failure::{ErrorBody, Failure, Next, retry_after};
pub use format::{Format, Wire, classify, decoder, encode, instead_of_stream, passes, wants_media};
pub(crate) use gemini::proof as gemini_proof;

use crate::dialects::Dialect;
use crate::error::{Error, Kind};
use crate::reply::{Delta, Tally};
use crate::upstream::Zone;
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
    /// Where its connections may lead.
    pub zone: Zone,
    /// Where chat completions are; `None` when there are none.
    pub chat: Option<http::Uri>,
    /// Where embeddings are; `None` when there are none.
    pub embeddings: Option<http::Uri>,
    /// Where responses are; `None` when there are none.
    pub responses: Option<http::Uri>,
    /// What is special about it.
    pub vendor: Vendor,
    /// How long each part of an attempt may take.
    pub deadlines: Deadlines,
    /// Where its calls are counted: looked up by the first of them.
    pub counts: OnceLock<metrics::Provider>,
}

impl Deadlines {
    /// The same for each part.
    pub const fn all(time: Duration) -> Self {
        Self { connect: time, first_byte: time, idle: time, total: time }
    }
}

impl Endpoint {
    /// A vendor at an address of the public internet.
    ///
    /// # Errors
    /// One of the vendor's paths can't be a part of an address.
    pub fn new(
        id: ProviderId,
        vendor: Vendor,
        base_url: url::Url,
        deadlines: Deadlines,
    ) -> Result<Self, http::uri::InvalidUri> {
        let base = base_url.as_str().trim_end_matches('/');
        let uri = |path: &str| {
            (!path.is_empty()).then(|| format!("{base}{path}").parse::<http::Uri>()).transpose()
        };
        Ok(Self {
            id,
            chat: uri(&vendor.chat_path)?,
            embeddings: uri(&vendor.embeddings_path)?,
            responses: uri(&vendor.responses_path)?,
            base_url,
            zone: Zone::Public,
            vendor,
            deadlines,
            counts: OnceLock::new(),
        })
    }

    /// The same where its connections may lead elsewhere.
    #[must_use]
    pub fn within(self, zone: Zone) -> Self {
        Self { zone, ..self }
    }

    /// Where a call goes in OpenAI's format; `None` where the provider does not offer it.
    ///
    /// # Errors
    /// As [`at`](Self::at).
    pub fn offered(&self, dialect: Dialect) -> Result<Option<http::Uri>, Error> {
        let offers = &self.vendor.offers;
        let path = match dialect {
            Dialect::OpenAiChat => return Ok(self.chat.clone()),
            Dialect::OpenAiEmbeddings => return Ok(self.embeddings.clone()),
            Dialect::OpenAiImageEdits => &offers.image_edits,
            Dialect::OpenAiModerations => &offers.moderations,
            Dialect::OpenAiSpeech => &offers.speech,
            Dialect::OpenAiTranscriptions => &offers.transcriptions,
            Dialect::OpenAiTranslations => &offers.translations,
            _ => return Ok(None),
        };
        (!path.is_empty()).then(|| self.at(path)).transpose()
    }

    /// The address of a path below the base address, such as `/models/m:generateContent?alt=sse`.
    /// The path must be escaped.
    ///
    /// # Errors
    /// [`Kind::InvalidField`]: the path, which holds the model's name, can't be in an address.
    pub fn at(&self, path: &str) -> Result<http::Uri, Error> {
        let base = self.base_url.as_str().trim_end_matches('/');
        format!("{base}{path}").parse().map_err(|_| {
            Error::new(Kind::InvalidField, "the model's name can't be a part of an address")
                .at("model")
        })
    }
}

/// A request to a provider, but for the headers that all have.
#[derive(Clone)]
pub struct Outbound {
    /// Where to.
    pub uri: http::Uri,
    /// What.
    pub body: Bytes,
    /// Headers of this format beside those that all have; one that all have is replaced.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// What of the client's request was left out, for the client to be told.
    pub dropped: Vec<String>,
}

impl Outbound {
    /// A request without headers of its own.
    pub const fn new(uri: http::Uri, body: Bytes) -> Self {
        Self { uri, body, headers: Vec::new(), dropped: Vec::new() }
    }
}

impl std::fmt::Debug for Outbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outbound").field("uri", &self.uri).finish_non_exhaustive()
    }
}

/// A piece of an answer.
#[derive(Clone, PartialEq)]
pub struct Piece {
    /// The provider's own bytes; empty for a piece that the client is not shown.
    pub bytes: Bytes,
    /// What it is.
    pub kind: PieceKind,
    /// What it says, for a client of another format: empty where [`Wanted::Bytes`] are enough.
    pub deltas: Vec<Delta>,
}

impl Piece {
    /// A piece of bytes alone.
    pub const fn new(bytes: Bytes, kind: PieceKind) -> Self {
        Self { bytes, kind, deltas: Vec::new() }
    }
}

/// What a decoder's pieces are wanted for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wanted {
    /// The client speaks the provider's format: it gets its bytes.
    Bytes,
    /// It speaks another: it is told what they say.
    Deltas,
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
