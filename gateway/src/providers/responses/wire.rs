//! OpenAI's documents, as far as the hub reads them. Unknown fields and types pass.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// An event of a stream.
#[derive(Deserialize)]
pub(super) struct Event<'a> {
    #[serde(borrow, default, rename = "type")]
    pub(super) kind: Cow<'a, str>,
    #[serde(default)]
    pub(super) output_index: Option<u32>,
    #[serde(default)]
    pub(super) summary_index: Option<u32>,
    /// Text in the events that are read.
    #[serde(borrow, default)]
    pub(super) delta: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) arguments: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) item: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) annotation: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) logprobs: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) response: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) error: Option<&'a RawValue>,
}

/// Text of an event, where it is text.
pub(super) fn text(raw: Option<&RawValue>) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    serde_json::from_str::<Text<'_>>(raw?.get()).ok().map(|text| text.0)
}

/// A response, whole or on its way.
#[derive(Deserialize)]
pub(super) struct Response<'a> {
    #[serde(borrow, default)]
    pub(super) id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) model: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) status: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) error: Option<&'a RawValue>,
    #[serde(default)]
    pub(super) incomplete_details: Option<Incomplete>,
    #[serde(borrow, default, deserialize_with = "list")]
    pub(super) output: Option<Vec<&'a RawValue>>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) usage: Option<Usage>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) tool_usage: Option<ToolUsage>,
    #[serde(borrow, default)]
    pub(super) service_tier: Option<Cow<'a, str>>,
}

fn list<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<&'de RawValue>>, D::Error> {
    Option::deserialize(from)
}

/// What only counts: of an unknown shape it says nothing.
fn lenient<'de, D, T>(from: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: serde::de::DeserializeOwned,
{
    let raw: Option<&RawValue> = Option::deserialize(from)?;
    Ok(raw.and_then(|raw| serde_json::from_str(raw.get()).ok()))
}

#[derive(Deserialize)]
pub(super) struct Incomplete {
    #[serde(default)]
    pub(super) reason: Option<String>,
}

/// An item of the output.
#[derive(Deserialize)]
pub(super) struct Item<'a> {
    #[serde(borrow, default, rename = "type")]
    pub(super) kind: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) call_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) name: Option<Cow<'a, str>>,
    /// Text, but for calls that are of no interest here.
    #[serde(borrow, default)]
    pub(super) arguments: Option<&'a RawValue>,
    /// Of a custom tool.
    #[serde(borrow, default)]
    pub(super) input: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) encrypted_content: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) summary: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) content: Option<&'a RawValue>,
    /// Of an image.
    #[serde(borrow, default)]
    pub(super) result: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) output_format: Option<Cow<'a, str>>,
    /// Of a search.
    #[serde(borrow, default)]
    pub(super) action: Option<&'a RawValue>,
}

impl Item<'_> {
    /// Whether the vendor searched: opening a page and looking through it are no searches.
    pub(super) fn searches(&self) -> bool {
        #[derive(Deserialize)]
        struct Action<'a> {
            #[serde(borrow, default, rename = "type")]
            kind: Option<Cow<'a, str>>,
        }
        let action = self.action.and_then(|raw| serde_json::from_str::<Action<'_>>(raw.get()).ok());
        let kind = action.and_then(|action| action.kind);
        matches!(&*self.kind, "web_search_call" | "x_search_call")
            && kind.is_none_or(|kind| kind == "search")
    }
}

/// A part of a message, of a summary or of thoughts.
#[derive(Deserialize)]
pub(super) struct Part<'a> {
    #[serde(borrow, default)]
    pub(super) text: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) refusal: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) annotations: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) logprobs: Option<&'a RawValue>,
}

/// Where a text is from.
#[derive(Deserialize)]
pub(super) struct Annotation<'a> {
    #[serde(borrow, default, rename = "type")]
    pub(super) kind: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) url: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) title: Option<Cow<'a, str>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Usage {
    pub(super) input_tokens: Option<i64>,
    pub(super) input_tokens_details: Option<InputDetails>,
    pub(super) output_tokens: Option<i64>,
    pub(super) output_tokens_details: Option<OutputDetails>,
    pub(super) total_tokens: Option<i64>,
    /// xAI: 1e-10 USD.
    pub(super) cost_in_usd_ticks: Option<i64>,
    /// xAI: by tool.
    pub(super) server_side_tool_usage_details: Option<ServerTools>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct InputDetails {
    pub(super) cached_tokens: Option<i64>,
    pub(super) cache_write_tokens: Option<i64>,
    pub(super) cache_write_tokens_details: Option<Written>,
    pub(super) audio_tokens: Option<i64>,
}

/// Tokens written to the cache, by how long they stay.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Written {
    pub(super) ttl_12h_tokens: Option<i64>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct OutputDetails {
    pub(super) reasoning_tokens: Option<i64>,
    pub(super) audio_tokens: Option<i64>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct ServerTools {
    pub(super) web_search_calls: Option<i64>,
    pub(super) x_search_calls: Option<i64>,
}

/// What the vendor's own tools used, beside the tokens.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct ToolUsage {
    pub(super) image_gen: Option<ImageGen>,
    pub(super) web_search: Option<WebSearch>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct ImageGen {
    pub(super) input_tokens: Option<i64>,
    pub(super) output_tokens: Option<i64>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct WebSearch {
    pub(super) num_requests: Option<i64>,
}
