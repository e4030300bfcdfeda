//! Anthropic's answers, as far as the hub reads them. Unknown fields and kinds pass.
//!
//! <https://docs.anthropic.com/en/api/messages>,
//! <https://docs.anthropic.com/en/api/messages-streaming>, <https://docs.anthropic.com/en/api/errors>

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::providers::ErrorBody;

/// What a document is.
#[derive(Deserialize)]
pub(super) struct Kind<'a> {
    #[serde(rename = "type", borrow, default)]
    pub(super) kind: Cow<'a, str>,
    #[serde(default)]
    error: Option<IgnoredAny>,
}

impl Kind<'_> {
    /// Whether it says what went wrong; proxies leave the kind out.
    pub(super) fn is_error(&self) -> bool {
        is_error(&self.kind, self.error)
    }
}

/// Whether a document of this kind says what went wrong.
pub(super) fn is_error(kind: &str, error: Option<IgnoredAny>) -> bool {
    kind == "error" || kind.is_empty() && error.is_some()
}

/// An event of a stream.
#[derive(Deserialize)]
pub(super) struct Event<'a> {
    #[serde(rename = "type", borrow, default)]
    pub(super) kind: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) message: Option<Message<'a>>,
    /// Which block.
    #[serde(default)]
    pub(super) index: u32,
    #[serde(borrow, default)]
    pub(super) content_block: Option<Block<'a>>,
    #[serde(borrow, default)]
    pub(super) delta: Option<Step<'a>>,
    #[serde(default)]
    pub(super) usage: Option<Usage>,
    #[serde(default)]
    pub(super) error: Option<IgnoredAny>,
}

/// A message: a whole answer, or the start of a stream.
#[derive(Deserialize)]
pub(super) struct Message<'a> {
    #[serde(rename = "type", borrow, default)]
    pub(super) kind: Cow<'a, str>,
    #[serde(default)]
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) model: Option<String>,
    #[serde(borrow, default)]
    pub(super) content: Option<Vec<Block<'a>>>,
    #[serde(default)]
    pub(super) stop_reason: Option<String>,
    #[serde(default)]
    pub(super) stop_sequence: Option<String>,
    #[serde(default)]
    pub(super) stop_details: Option<StopDetails>,
    #[serde(default)]
    pub(super) usage: Option<Usage>,
    #[serde(default)]
    pub(super) error: Option<IgnoredAny>,
}

/// More of why an answer ends.
#[derive(Deserialize)]
pub(super) struct StopDetails {
    #[serde(default)]
    pub(super) explanation: Option<String>,
}

/// A block of content, or its start.
#[derive(Deserialize)]
pub(super) struct Block<'a> {
    #[serde(rename = "type", borrow, default)]
    pub(super) kind: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) text: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) thinking: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) signature: Cow<'a, str>,
    /// Of `redacted_thinking`.
    #[serde(borrow, default)]
    pub(super) data: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) id: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) name: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) input: Option<&'a RawValue>,
    #[serde(default)]
    pub(super) citations: Option<Vec<Citation>>,
}

/// More of a block; in `message_delta`, the end of the message.
#[derive(Deserialize)]
pub(super) struct Step<'a> {
    #[serde(rename = "type", borrow, default)]
    pub(super) kind: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) text: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) thinking: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) signature: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) partial_json: Cow<'a, str>,
    #[serde(default)]
    pub(super) citation: Option<Citation>,
    #[serde(default)]
    pub(super) stop_reason: Option<String>,
    #[serde(default)]
    pub(super) stop_sequence: Option<String>,
    #[serde(default)]
    pub(super) stop_details: Option<StopDetails>,
}

/// Where a text is from.
#[derive(Deserialize)]
pub(super) struct Citation {
    /// Of a web search.
    #[serde(default)]
    pub(super) url: Option<String>,
    /// Of a search result that the client gave.
    #[serde(default)]
    pub(super) source: Option<String>,
    #[serde(default)]
    pub(super) title: Option<String>,
}

/// What was used. In a stream a later one says more, and what it says counts from the start.
#[derive(Deserialize, Clone, Default)]
pub(super) struct Usage {
    /// Neither read from the cache nor written to it.
    #[serde(default)]
    pub(super) input_tokens: Option<i64>,
    #[serde(default)]
    pub(super) cache_read_input_tokens: Option<i64>,
    #[serde(default)]
    pub(super) cache_creation_input_tokens: Option<i64>,
    #[serde(default)]
    pub(super) cache_creation: Option<CacheCreation>,
    #[serde(default)]
    pub(super) output_tokens: Option<i64>,
    #[serde(default)]
    pub(super) output_tokens_details: Option<OutputDetails>,
    #[serde(default)]
    pub(super) server_tool_use: Option<ServerToolUse>,
}

/// What was written to the cache, by how long it lasts.
#[derive(Deserialize, Clone, Default)]
pub(super) struct CacheCreation {
    #[serde(default)]
    pub(super) ephemeral_1h_input_tokens: Option<i64>,
    #[serde(default)]
    pub(super) ephemeral_5m_input_tokens: Option<i64>,
}

/// Parts of the output tokens.
#[derive(Deserialize, Clone, Default)]
pub(super) struct OutputDetails {
    #[serde(default)]
    pub(super) thinking_tokens: Option<i64>,
}

/// Calls of tools that the vendor runs; fetches cost nothing beside their tokens.
#[derive(Deserialize, Clone, Default)]
pub(super) struct ServerToolUse {
    #[serde(default)]
    pub(super) web_search_requests: Option<i64>,
}

/// What an error's body says: `{"type":"error","error":{"type","message","details":{"error_code"}}}`.
pub(super) fn error(body: &[u8]) -> ErrorBody {
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        return ErrorBody::default();
    };
    let text = |pointer: &str| {
        body.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let code = text("/error/details/error_code");
    // the organisation was disabled: its key is as good as wrong
    let metadata = if code == "organization_on_hold" { "invalid_api_key" } else { "" };
    ErrorBody {
        code,
        kind: text("/error/type"),
        message: text("/error/message"),
        metadata: metadata.to_owned(),
        retry_after: None,
    }
}
