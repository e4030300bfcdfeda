//! Ollama's documents, as far as the hub writes and reads them.
//!
//! <https://github.com/ollama/ollama/blob/main/docs/api.md> and its `api/types.go`. Unknown fields pass.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::providers::ErrorBody;
use crate::providers::text::Text;

/// A chat.
#[derive(Serialize)]
pub(super) struct Request<'a> {
    pub(super) model: &'a str,
    pub(super) messages: Vec<Message<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) format: Option<Cow<'a, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) think: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) logprobs: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) top_logprobs: Option<i64>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(super) options: Map<String, Value>,
    /// `keep_alive` and the like, as the client said them.
    #[serde(flatten)]
    pub(super) own: Map<String, Value>,
    /// Where it is not said, the answer is a stream.
    pub(super) stream: bool,
}

#[derive(Serialize)]
pub(super) struct Message<'a> {
    pub(super) role: &'static str,
    pub(super) content: Cow<'a, str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) thinking: Cow<'a, str>,
    /// Bare base64.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) images: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) tool_calls: Vec<ToolCall<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tool_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tool_call_id: Option<&'a str>,
}

#[derive(Serialize)]
pub(super) struct ToolCall<'a> {
    pub(super) id: &'a str,
    pub(super) function: Called<'a>,
}

#[derive(Serialize)]
pub(super) struct Called<'a> {
    pub(super) index: usize,
    pub(super) name: &'a str,
    /// An object, not its text.
    pub(super) arguments: &'a RawValue,
}

#[derive(Serialize)]
pub(super) struct Tool<'a> {
    pub(super) r#type: &'static str,
    pub(super) function: Function<'a>,
}

#[derive(Serialize)]
pub(super) struct Function<'a> {
    pub(super) name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<&'a str>,
    pub(super) parameters: &'a Value,
}

/// Embeddings.
#[derive(Serialize)]
pub(super) struct EmbedRequest<'a> {
    pub(super) model: &'a str,
    pub(super) input: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dimensions: Option<i64>,
    /// `keep_alive` and the like, as the client said them.
    #[serde(flatten)]
    pub(super) own: Map<String, Value>,
}

/// A line of a stream, or a whole answer, of either.
#[derive(Deserialize)]
pub(super) struct Answer<'a> {
    #[serde(borrow, default)]
    pub(super) model: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) message: Option<Said<'a>>,
    #[serde(borrow, default)]
    pub(super) logprobs: Option<&'a RawValue>,
    #[serde(default)]
    pub(super) done: Option<bool>,
    #[serde(borrow, default)]
    pub(super) done_reason: Option<Text<'a>>,
    /// Left out where the whole prompt was cached.
    #[serde(default)]
    pub(super) prompt_eval_count: Option<i64>,
    /// Thoughts are among them.
    #[serde(default)]
    pub(super) eval_count: Option<i64>,
    #[serde(default)]
    pub(super) embeddings: Option<Vec<Vec<f32>>>,
    #[serde(borrow, default)]
    pub(super) error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub(super) struct Said<'a> {
    #[serde(borrow, default)]
    pub(super) content: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) thinking: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) tool_calls: Option<Vec<SaidCall<'a>>>,
}

#[derive(Deserialize)]
pub(super) struct SaidCall<'a> {
    /// Older servers give none.
    #[serde(borrow, default)]
    pub(super) id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) function: SaidFunction<'a>,
}

#[derive(Deserialize)]
pub(super) struct SaidFunction<'a> {
    #[serde(borrow)]
    pub(super) name: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) arguments: Option<&'a RawValue>,
}

/// What an error's body says: `{"error": "text"}`, or OpenAI's object from what stands before it.
pub(super) fn error(body: &[u8]) -> ErrorBody {
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        return ErrorBody::default();
    };
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    match body.get("error") {
        Some(Value::Object(error)) => ErrorBody {
            code: text(error.get("code")),
            kind: text(error.get("type")),
            message: text(error.get("message")),
            ..ErrorBody::default()
        },
        error => ErrorBody { message: text(error), ..ErrorBody::default() },
    }
}
