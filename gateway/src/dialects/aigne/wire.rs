//! AIGNE's answers, as its client checks them.
//!
//! npm `@aigne/core` `lib/dts/agents/chat-model.d.ts`, `image-model.d.ts`.

use schemas::event::Meter;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::call::chat::Source;
use crate::reply::Tally;

/// An answer, or the part of it that a stream tells at its end.
#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answer<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) text: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) thoughts: &'a str,
    /// Of a chat with a schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) json: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) tool_calls: Vec<ToolCall<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(super) files: &'a [File],
    /// Of an image model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) images: Option<&'a [File]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) embeddings: Option<Vec<&'a [f32]>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) usage: Option<Usage>,
    pub(super) model: &'a str,
    pub(super) model_with_provider: &'a str,
}

#[derive(Serialize)]
pub(super) struct ToolCall<'a> {
    pub(super) id: &'a str,
    pub(super) r#type: &'static str,
    pub(super) function: Called<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) metadata: Option<Value>,
}

#[derive(Serialize)]
pub(super) struct Called<'a> {
    pub(super) name: &'a str,
    /// An object, not its text.
    pub(super) arguments: &'a RawValue,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub(super) enum File {
    #[serde(rename_all = "camelCase")]
    File { data: String, mime_type: String },
    #[serde(rename_all = "camelCase")]
    Url {
        url: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        mime_type: Option<String>,
    },
}

impl File {
    /// As the client can have it; a file at the vendor can't be had.
    pub(super) fn of(source: Source) -> Option<Self> {
        match source {
            Source::Data { media_type, base64 } => {
                Some(Self::File { data: base64, mime_type: media_type })
            }
            Source::Url { url, media_type } => Some(Self::Url { url, mime_type: media_type }),
            Source::Id(_) => None,
        }
    }
}

/// What was used. The client refuses an answer whose `creditPrefix` is empty: there is none.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Usage {
    /// Cached ones are among them.
    input_tokens: i64,
    output_tokens: i64,
    #[serde(skip_serializing_if = "is_zero")]
    cache_creation_input_tokens: i64,
    #[serde(skip_serializing_if = "is_zero")]
    cache_read_input_tokens: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
const fn is_zero(count: &i64) -> bool {
    *count == 0
}

impl Usage {
    /// As far as the provider told.
    pub(super) fn of(tally: &Tally) -> Option<Self> {
        let written = [Meter::CacheWrite, Meter::CacheWriteLong].map(|meter| tally.units(meter));
        tally.reported.then(|| Self {
            input_tokens: tally.input(),
            output_tokens: tally.output(),
            cache_creation_input_tokens: written.iter().sum(),
            cache_read_input_tokens: tally.units(Meter::InputCached),
        })
    }
}

/// A frame of a stream.
#[derive(Serialize)]
pub(super) struct Frame<'a> {
    pub(super) delta: Step<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Step<'a> {
    /// More of a text.
    Text(More<'a>),
    /// Fields of the answer, as they are from here on.
    Json(&'a Answer<'a>),
    /// The model, before all else.
    #[serde(rename = "json")]
    Model { model: &'a str },
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum More<'a> {
    Text(&'a str),
    Thoughts(&'a str),
}

/// Appends a frame.
pub(super) fn frame(step: Step<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"data: ");
    json(&Frame { delta: step }, out);
    out.extend_from_slice(b"\n\n");
}

/// Appends a document.
pub(super) fn json(value: &impl Serialize, out: &mut Vec<u8>) {
    let at = out.len();
    // of these types nothing fails to be written into memory
    if serde_json::to_writer(&mut *out, value).is_err() {
        out.truncate(at);
        out.extend_from_slice(b"{}");
    }
}
