//! The `response` object.

use schemas::event::Meter;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::items::Item;
use crate::call::Call;
use crate::reply::{Finish, Tally};

/// What the object repeats of the request, and what it says where the request says nothing.
const REPEATED: [(&str, &str); 15] = [
    ("instructions", "null"),
    ("max_output_tokens", "null"),
    ("max_tool_calls", "null"),
    ("metadata", "{}"),
    ("parallel_tool_calls", "true"),
    ("prompt_cache_key", "null"),
    ("reasoning", r#"{"effort":null,"summary":null}"#),
    ("safety_identifier", "null"),
    ("temperature", "null"),
    ("text", r#"{"format":{"type":"text"}}"#),
    ("tool_choice", r#""auto""#),
    ("tools", "[]"),
    ("top_logprobs", "0"),
    ("top_p", "null"),
    ("truncation", r#""disabled""#),
];

/// What of the object is the same from the first event to the last.
pub(super) struct Head {
    /// Its id.
    pub(super) id: String,
    /// The model that answers.
    pub(super) model: String,
    /// The class of service, where the provider told.
    pub(super) service_tier: Option<Value>,
    created_at: i64,
    repeated: Vec<(&'static str, Box<RawValue>)>,
}

impl Head {
    pub(super) fn new(call: &Call, id: String) -> Self {
        let raw = |text: String| RawValue::from_string(text).ok();
        let said = |name: &str| {
            let value = call.field(name).filter(|value| *value != b"null")?;
            // an event is one line; a line end in JSON is a space
            raw(std::str::from_utf8(value).ok()?.replace(['\n', '\r'], " "))
        };
        let repeated = REPEATED.into_iter().filter_map(|(name, usual)| {
            Some((name, said(name).or_else(|| raw(usual.to_owned()))?))
        });
        Self {
            id,
            model: call.model.as_str().to_owned(),
            service_tier: None,
            created_at: call.id.millis() / 1000,
            repeated: repeated.collect(),
        }
    }
}

/// The object.
pub(super) struct Response<'a> {
    pub(super) head: &'a Head,
    pub(super) output: &'a [Item],
    /// How it ended, once it did.
    pub(super) ended: Option<Ended>,
}

/// How an answer ended.
pub(super) struct Ended {
    /// Why it is not complete.
    pub(super) incomplete: Option<&'static str>,
    /// What it used.
    pub(super) usage: Value,
}

impl Ended {
    /// How it ended; a refusal without words is the vendor's filter at work.
    pub(super) fn new(finish: Option<&Finish>, refused: bool, tally: &Tally) -> Self {
        let incomplete = match finish {
            Some(Finish::Length) => Some("max_output_tokens"),
            Some(Finish::ContentFilter) => Some("content_filter"),
            Some(Finish::Refusal) if !refused => Some("content_filter"),
            _ => None,
        };
        Self { incomplete, usage: usage(tally) }
    }
}

fn usage(tally: &Tally) -> Value {
    let (input, output) = (tally.input(), tally.output());
    let written = tally.units(Meter::CacheWrite).saturating_add(tally.units(Meter::CacheWriteLong));
    json!({
        "input_tokens": input,
        "input_tokens_details": {
            "cached_tokens": tally.units(Meter::InputCached),
            "cache_write_tokens": written,
        },
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": tally.units(Meter::OutputReasoning)},
        "total_tokens": input.saturating_add(output),
    })
}

impl Serialize for Response<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let incomplete = self.ended.as_ref().and_then(|ended| ended.incomplete);
        let status = match (&self.ended, incomplete) {
            (None, _) => "in_progress",
            (Some(_), None) => "completed",
            (Some(_), Some(_)) => "incomplete",
        };
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("id", &self.head.id)?;
        map.serialize_entry("object", "response")?;
        map.serialize_entry("created_at", &self.head.created_at)?;
        map.serialize_entry("status", status)?;
        map.serialize_entry("background", &false)?;
        map.serialize_entry("error", &())?;
        map.serialize_entry(
            "incomplete_details",
            &incomplete.map(|reason| json!({"reason": reason})),
        )?;
        map.serialize_entry("model", &self.head.model)?;
        map.serialize_entry("output", self.output)?;
        map.serialize_entry("previous_response_id", &())?;
        map.serialize_entry("service_tier", &self.head.service_tier)?;
        map.serialize_entry("store", &false)?;
        map.serialize_entry("usage", &self.ended.as_ref().map(|ended| &ended.usage))?;
        for (name, value) in &self.head.repeated {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}
