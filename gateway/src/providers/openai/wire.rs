//! OpenAI's documents, as far as the hub reads them.
//!
//! <https://platform.openai.com/docs/api-reference/chat>, and the additions of vendors that speak
//! the same format. Unknown fields pass.

use std::borrow::Cow;
use std::fmt;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::weight::Weight;
use crate::providers::ErrorBody;

/// A chunk of a stream, or a whole answer.
#[derive(Deserialize)]
pub(super) struct Answer<'a> {
    #[serde(borrow, default)]
    pub(super) choices: Choices<'a>,
    /// As it stands there, also when it is `null`.
    #[serde(borrow, default, deserialize_with = "as_it_stands")]
    pub(super) usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) error: Option<&'a RawValue>,
    /// Embeddings.
    #[serde(borrow, default)]
    pub(super) data: Option<&'a RawValue>,
}

fn as_it_stands<'de, D: Deserializer<'de>>(from: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(from).map(Some)
}

/// What the choices of an answer amount to.
#[derive(Default)]
pub(super) struct Choices<'a> {
    /// How many there are.
    pub(super) count: usize,
    /// Content of all of them.
    pub(super) weight: Weight,
    /// The reasons of those that finish.
    pub(super) finished: Vec<Cow<'a, str>>,
    /// One of them is an error.
    pub(super) failed: bool,
}

#[derive(Deserialize)]
struct Choice<'a> {
    /// In a chunk.
    #[serde(default)]
    delta: Option<Weight>,
    /// In a whole answer.
    #[serde(default)]
    message: Option<Weight>,
    #[serde(borrow, default)]
    finish_reason: Option<Cow<'a, str>>,
    /// OpenRouter.
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Choices<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Fold;
        impl<'de> Visitor<'de> for Fold {
            type Value = Choices<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of choices")
            }

            fn visit_unit<E>(self) -> Result<Choices<'de>, E> {
                Ok(Choices::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Choices<'de>, A::Error> {
                let mut all = Choices::default();
                while let Some(choice) = seq.next_element::<Choice<'de>>()? {
                    all.count += 1;
                    all.weight.add(choice.delta.unwrap_or_default());
                    all.weight.add(choice.message.unwrap_or_default());
                    all.finished.extend(choice.finish_reason.filter(|reason| !reason.is_empty()));
                    all.failed |= choice.error.is_some();
                }
                Ok(all)
            }
        }
        from.deserialize_any(Fold)
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

/// What an error's body says: `{"error": {"code", "type", "message"}}`, `{"code", "error": "text"}` (xAI), the same inside a choice
/// (OpenRouter), or nothing.
pub(super) fn error(body: &[u8]) -> ErrorBody {
    use serde_json::Value;
    let text = |value: Option<&Value>| match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        return ErrorBody::default();
    };
    match body.get("error").or_else(|| body.pointer("/choices/0/error")) {
        Some(Value::Object(error)) => {
            let metadata = error.get("metadata").and_then(Value::as_object);
            ErrorBody {
                code: text(error.get("code")),
                kind: text(error.get("type")),
                message: text(error.get("message")),
                metadata: metadata.map_or_else(String::new, |metadata| {
                    let policy = metadata.contains_key("flagged_input");
                    let kind = text(metadata.get("error_type"));
                    if policy && kind.is_empty() { "moderation".into() } else { kind }
                }),
                retry_after: None,
            }
        }
        error => {
            ErrorBody { code: text(body.get("code")), message: text(error), ..ErrorBody::default() }
        }
    }
}
