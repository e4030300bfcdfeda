//! What a call leaves behind.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::symbols;
use crate::ids::{
    AccountId, CallId, CredentialId, KeyId, ModelId, Origin, PriceVersion, ProjectId, ProviderId,
};

/// One event per admitted call, at its end, however it ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Usage {
    /// The call.
    pub call: CallId,
    /// The process start that settled the call.
    pub origin: Origin,
    /// Rises by one per origin and topic partition, from 1.
    pub seq: i64,
    /// Who pays.
    pub account: AccountId,
    /// What the key belongs to.
    pub project: ProjectId,
    /// The API key.
    pub key: KeyId,
    /// The caller's end user, as the caller named it.
    #[serde(default)]
    pub user: Option<Arc<str>>,
    /// Client application, from the user agent.
    #[serde(default)]
    pub client: Option<Arc<str>>,
    /// Tags of the caller, at most 8.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// What was asked for.
    pub operation: Operation,
    /// Dialect of the client, such as `openai.chat`.
    pub dialect: Arc<str>,
    /// Whether the answer was asked for as a stream.
    pub streamed: bool,
    /// Model as the caller asked for it.
    pub model: ModelId,
    /// How it ended.
    pub outcome: Outcome,
    /// Stable code of what went wrong.
    #[serde(default)]
    pub error: Option<Arc<str>>,
    /// HTTP status given to the client; 0 when none was.
    pub status: i32,
    /// Upstream attempts made.
    pub attempts: i32,
    /// What is owed, per target that used something.
    pub charges: Vec<Charge>,
    /// Version of the price book at admission.
    pub price_version: PriceVersion,
    /// Microseconds since the epoch, by the gateway's clock.
    pub admitted_at: i64,
    /// Admission to the first content byte sent to the client.
    #[serde(default)]
    pub ttft_us: Option<i64>,
    /// Admission to the end.
    pub duration_us: i64,
}

/// What one target used.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Charge {
    /// The provider.
    pub provider: ProviderId,
    /// Its credential.
    pub credential: CredentialId,
    /// Model as the provider was asked for it.
    pub model: ModelId,
    /// Disjoint meters.
    pub quantities: Vec<Quantity>,
    /// The provider gave no usage: quantities are the gateway's own estimate.
    pub estimated: bool,
    /// Cost as the provider reported it, 1e-9 USD.
    #[serde(default)]
    pub reported_nano: Option<i64>,
}

/// Units of one meter.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Quantity {
    /// Which meter.
    pub meter: Meter,
    /// How many: tokens, images, seconds, characters, requests; never negative.
    pub units: i64,
}

/// What a call was for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Written by a newer version.
    Other,
    /// A chat completion.
    Chat,
    /// Embeddings.
    Embeddings,
    /// Images, made or changed.
    Image,
    /// Whether something is fit to be shown.
    Moderation,
    /// Text of speech, in its language or in English.
    Transcription,
    /// Speech of text.
    Speech,
}
symbols!(Operation {
    Other = "other",
    Chat = "chat",
    Embeddings = "embeddings",
    Image = "image",
    Moderation = "moderation",
    Transcription = "transcription",
    Speech = "speech",
});

/// How a call ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Written by a newer version.
    Other,
    /// The whole answer was given.
    Completed,
    /// The provider broke off after content had been given.
    Truncated,
    /// The client left.
    Cancelled,
    /// No content was given: all attempts failed.
    Failed,
    /// The gateway dropped the call (a bug, or shutdown).
    Abandoned,
    /// The gateway died; settled when it started again.
    Lost,
}
symbols!(Outcome {
    Other = "other",
    Completed = "completed",
    Truncated = "truncated",
    Cancelled = "cancelled",
    Failed = "failed",
    Abandoned = "abandoned",
    Lost = "lost",
});

/// What is counted. Meters are disjoint: no unit is in two of them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Meter {
    /// Written by a newer version.
    Other,
    /// Input tokens read at the full rate.
    Input,
    /// Input tokens read from the provider's cache.
    InputCached,
    /// Input tokens written to the provider's cache.
    CacheWrite,
    /// Input tokens written to the provider's cache for longer.
    CacheWriteLong,
    /// Audio input tokens.
    InputAudio,
    /// Image input tokens.
    InputImage,
    /// Output tokens but reasoning.
    Output,
    /// Output tokens of reasoning.
    OutputReasoning,
    /// Audio output tokens.
    OutputAudio,
    /// Image output tokens.
    OutputImage,
    /// The request itself.
    Request,
    /// Images made.
    Image,
    /// Searches made by the provider.
    Search,
    /// Seconds of media.
    Second,
    /// Characters of text that is spoken.
    Character,
}
symbols!(Meter {
    Other = "other",
    Input = "input",
    InputCached = "input_cached",
    CacheWrite = "cache_write",
    CacheWriteLong = "cache_write_long",
    InputAudio = "input_audio",
    InputImage = "input_image",
    Output = "output",
    OutputReasoning = "output_reasoning",
    OutputAudio = "output_audio",
    OutputImage = "output_image",
    Request = "request",
    Image = "image",
    Search = "search",
    Second = "second",
    Character = "character",
});

impl Meter {
    /// Whether it counts tokens.
    pub const fn is_tokens(self) -> bool {
        match self {
            Self::Input
            | Self::InputCached
            | Self::CacheWrite
            | Self::CacheWriteLong
            | Self::InputAudio
            | Self::InputImage
            | Self::Output
            | Self::OutputReasoning
            | Self::OutputAudio
            | Self::OutputImage => true,
            Self::Other
            | Self::Request
            | Self::Image
            | Self::Search
            | Self::Second
            | Self::Character => false,
        }
    }
}

/// One event per upstream attempt or probe, at its end.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Attempt {
    /// The process start that made it.
    pub origin: Origin,
    /// Rises by one per origin and topic partition, from 1.
    pub seq: i64,
    /// The call it served; all zero for a probe.
    pub call: CallId,
    /// 1 for the first attempt of the call.
    pub number: i32,
    /// Call or probe.
    pub purpose: Purpose,
    /// The provider.
    pub provider: ProviderId,
    /// Its credential.
    pub credential: CredentialId,
    /// Version of the credential.
    pub credential_version: i32,
    /// Model as the provider was asked for it.
    pub model: ModelId,
    /// HTTP status of the answer; 0 when none came.
    pub status: i32,
    /// What went wrong.
    pub error: AttemptError,
    /// As the provider asked.
    #[serde(default)]
    pub retry_after_ms: Option<i64>,
    /// Microseconds since the epoch, by the gateway's clock.
    pub started_at: i64,
    /// Start to the first content byte.
    #[serde(default)]
    pub ttft_us: Option<i64>,
    /// Start to the end.
    pub duration_us: i64,
}

/// Why an attempt was made.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Written by a newer version.
    Other,
    /// For a caller.
    Call,
    /// To see whether the target is well.
    Probe,
}
symbols!(Purpose { Other = "other", Call = "call", Probe = "probe" });

/// How an attempt failed. The last three never count against the target's health.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptError {
    /// Written by a newer version.
    Other,
    /// It did not fail.
    None,
    /// No connection.
    Connect,
    /// No first byte in time.
    FirstByteTimeout,
    /// A stream fell silent.
    IdleTimeout,
    /// The total deadline passed.
    TotalTimeout,
    /// The connection broke, or a stream ended without its terminator.
    Broken,
    /// The provider refused the credential.
    Auth,
    /// The credential's account has no money.
    Credit,
    /// Too many requests or tokens.
    RateLimit,
    /// The provider says that it is overloaded.
    Overload,
    /// The provider failed (5xx).
    Server,
    /// The answer could not be read.
    Malformed,
    /// The provider's content policy refused.
    ContentPolicy,
    /// The provider does not know the model.
    NotFound,
    /// The caller's fault (other 4xx).
    Caller,
    /// The client left.
    Cancelled,
}
symbols!(AttemptError {
    Other = "other",
    None = "none",
    Connect = "connect",
    FirstByteTimeout = "first_byte_timeout",
    IdleTimeout = "idle_timeout",
    TotalTimeout = "total_timeout",
    Broken = "broken",
    Auth = "auth",
    Credit = "credit",
    RateLimit = "rate_limit",
    Overload = "overload",
    Server = "server",
    Malformed = "malformed",
    ContentPolicy = "content_policy",
    NotFound = "not_found",
    Caller = "caller",
    Cancelled = "cancelled",
});

/// Time as the log saw it; the record's log-append time is the time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Tick {
    /// Time between ticks, as configured when it was written.
    pub period_us: i64,
}
