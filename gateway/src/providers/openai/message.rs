//! What a message says, or a part of one: OpenAI's fields and those that vendors add. What has
//! another type than is documented is left out, as unknown fields are.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// A chunk of a stream, or a whole answer.
#[derive(Deserialize)]
pub(super) struct Told<'a> {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) model: Option<String>,
    #[serde(borrow, default)]
    pub(super) choices: Option<Vec<Choice<'a>>>,
    /// xAI: addresses.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) citations: Option<Vec<String>>,
}

#[derive(Deserialize)]
pub(super) struct Choice<'a> {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) index: Option<u32>,
    /// In a chunk.
    #[serde(borrow, default)]
    pub(super) delta: Option<Message<'a>>,
    /// In a whole answer.
    #[serde(borrow, default)]
    pub(super) message: Option<Message<'a>>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) finish_reason: Option<String>,
    #[serde(default)]
    pub(super) logprobs: Option<Value>,
}

#[derive(Deserialize)]
pub(super) struct Message<'a> {
    #[serde(borrow, default)]
    pub(super) content: Option<&'a RawValue>,
    /// DeepSeek, Doubao, xAI.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) reasoning_content: Option<String>,
    /// OpenRouter.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) reasoning: Option<String>,
    /// OpenRouter.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) reasoning_details: Option<Vec<Map<String, Value>>>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) refusal: Option<String>,
    #[serde(borrow, default)]
    pub(super) tool_calls: Option<Vec<ToolCall<'a>>>,
    /// Deprecated: the only call.
    #[serde(borrow, default)]
    pub(super) function_call: Option<Function<'a>>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) annotations: Option<Vec<Annotation>>,
    /// OpenRouter.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) images: Option<Vec<Image>>,
    #[serde(default)]
    pub(super) audio: Option<Value>,
}

#[derive(Deserialize)]
pub(super) struct ToolCall<'a> {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) index: Option<u32>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) id: Option<String>,
    #[serde(borrow, default)]
    pub(super) function: Option<Function<'a>>,
    /// Google: `{"google":{"thought_signature":"…"}}`.
    #[serde(default)]
    pub(super) extra_content: Option<Value>,
}

#[derive(Deserialize, Default)]
pub(super) struct Function<'a> {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) name: Option<String>,
    /// JSON as text; some write the object itself.
    #[serde(borrow, default)]
    pub(super) arguments: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub(super) struct Annotation {
    #[serde(default)]
    pub(super) url_citation: Option<UrlCitation>,
}

#[derive(Deserialize)]
pub(super) struct UrlCitation {
    pub(super) url: String,
    #[serde(default)]
    pub(super) title: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Image {
    pub(super) image_url: Address,
}

#[derive(Deserialize)]
pub(super) struct Address {
    pub(super) url: String,
}

/// The value; `None` where it is of another type.
fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned>(from: D) -> Result<Option<T>, D::Error> {
    let raw = <&RawValue>::deserialize(from)?;
    // a parser's error is dear, and null stands in every chunk
    Ok(if raw.get() == "null" { None } else { serde_json::from_str(raw.get()).ok() })
}

impl Function<'_> {
    /// The arguments as text.
    pub(super) fn json(&self) -> String {
        let raw = self.arguments.map(RawValue::get).unwrap_or_default();
        match raw {
            "null" => String::new(),
            _ => serde_json::from_str(raw).unwrap_or_else(|_| raw.to_owned()),
        }
    }
}

/// Text: a string, or the texts of an array of parts.
pub(super) fn words(raw: Option<&RawValue>) -> String {
    #[derive(Deserialize)]
    struct Part {
        #[serde(default, deserialize_with = "lenient")]
        text: Option<String>,
    }
    let raw = raw.map(RawValue::get).unwrap_or_default();
    match raw.as_bytes().first() {
        Some(b'"') => serde_json::from_str(raw).unwrap_or_default(),
        Some(b'[') => {
            let parts: Vec<Part> = serde_json::from_str(raw).unwrap_or_default();
            parts.into_iter().filter_map(|part| part.text).collect()
        }
        _ => String::new(),
    }
}
