//! OpenAI's documents, as far as the hub reads them.
//!
//! <https://platform.openai.com/docs/api-reference/chat>, and the additions of vendors that speak
//! the same format. Unknown fields pass.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

/// A chunk of a stream, or a whole answer.
#[derive(Deserialize)]
pub(super) struct Answer<'a> {
    #[serde(borrow, default)]
    pub(super) choices: Option<Vec<Choice<'a>>>,
    #[serde(borrow, default)]
    pub(super) usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) error: Option<&'a RawValue>,
    /// Embeddings.
    #[serde(borrow, default)]
    pub(super) data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub(super) struct Choice<'a> {
    #[serde(borrow, default)]
    pub(super) delta: Option<Delta<'a>>,
    #[serde(borrow, default)]
    pub(super) message: Option<Delta<'a>>,
    #[serde(borrow, default)]
    pub(super) finish_reason: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
pub(super) struct Delta<'a> {
    #[serde(borrow, default)]
    pub(super) content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) reasoning_content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) reasoning: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) refusal: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) tool_calls: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) function_call: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) audio: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) images: Option<&'a RawValue>,
}

impl Delta<'_> {
    /// Bytes of content, as JSON writes it; zero when there is none.
    pub(super) fn content_bytes(&self) -> usize {
        let parts = [
            self.content,
            self.reasoning_content,
            self.reasoning,
            self.refusal,
            self.tool_calls,
            self.function_call,
            self.audio,
            self.images,
        ];
        parts.into_iter().flatten().map(|raw| weigh(raw.get())).sum()
    }
}

/// Bytes between the quotes of a string, or of anything else that is not empty.
fn weigh(json: &str) -> usize {
    match json {
        "null" | "\"\"" | "[]" | "{}" => 0,
        text => text.len().saturating_sub(2).max(1),
    }
}

#[derive(Deserialize, Default)]
pub(super) struct Usage {
    #[serde(default)]
    pub(super) prompt_tokens: Option<i64>,
    #[serde(default)]
    pub(super) completion_tokens: Option<i64>,
    #[serde(default)]
    pub(super) total_tokens: Option<i64>,
    #[serde(default)]
    pub(super) prompt_tokens_details: Option<PromptDetails>,
    #[serde(default)]
    pub(super) completion_tokens_details: Option<CompletionDetails>,
    /// DeepSeek.
    #[serde(default)]
    pub(super) prompt_cache_hit_tokens: Option<i64>,
    /// OpenRouter: USD.
    #[serde(default)]
    pub(super) cost: Option<serde_json::Number>,
    /// xAI: 1e-10 USD.
    #[serde(default)]
    pub(super) cost_in_usd_ticks: Option<i64>,
}

#[derive(Deserialize, Default)]
pub(super) struct PromptDetails {
    #[serde(default)]
    pub(super) cached_tokens: Option<i64>,
    #[serde(default)]
    pub(super) cache_write_tokens: Option<i64>,
    #[serde(default)]
    pub(super) audio_tokens: Option<i64>,
}

#[derive(Deserialize, Default)]
pub(super) struct CompletionDetails {
    #[serde(default)]
    pub(super) reasoning_tokens: Option<i64>,
    #[serde(default)]
    pub(super) audio_tokens: Option<i64>,
}

/// What an error body says, whichever of its shapes it has.
#[derive(Default, Debug)]
pub(super) struct ErrorBody {
    pub(super) code: String,
    pub(super) kind: String,
    pub(super) message: String,
}

impl ErrorBody {
    /// `{"error": {"code", "type", "message"}}`, `{"code", "error": "text"}` (xAI), or nothing.
    pub(super) fn read(body: &[u8]) -> Self {
        use serde_json::Value;
        let text = |value: Option<&Value>| match value {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => String::new(),
        };
        let Ok(body) = serde_json::from_slice::<Value>(body) else { return Self::default() };
        match body.get("error") {
            Some(Value::Object(error)) => Self {
                code: text(error.get("code")),
                kind: text(error.get("type")),
                message: text(error.get("message")),
            },
            error => Self { code: text(body.get("code")), kind: String::new(), message: text(error) },
        }
    }
}
