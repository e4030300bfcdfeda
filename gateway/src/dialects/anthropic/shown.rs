//! Anthropic's answers, as a client is shown them.
//!
//! <https://docs.anthropic.com/en/api/messages>, <https://docs.anthropic.com/en/api/messages-streaming>

use schemas::event::Meter;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::call::Call;
use crate::call::chat::Source;
use crate::providers::Wire;
use crate::reply::{Finish, Signature, Tally};
use crate::routing::Target;

/// What is known of an answer before it comes.
pub(super) struct Head {
    pub(super) id: String,
    pub(super) model: String,
    /// The format that it comes in.
    wire: Wire,
}

impl Head {
    pub(super) fn of(call: &Call, target: &Target) -> Self {
        Self {
            id: format!("msg_{}", uuid::Uuid::from(call.id).simple()),
            model: target.model.as_str().to_owned(),
            wire: target.endpoint.vendor.format,
        }
    }

    /// The provider knows better.
    pub(super) fn start(&mut self, id: Option<String>, model: Option<String>) {
        self.id = id.filter(|id| !id.is_empty()).unwrap_or(std::mem::take(&mut self.id));
        self.model =
            model.filter(|model| !model.is_empty()).unwrap_or(std::mem::take(&mut self.model));
    }

    /// The proof of thoughts that have none: clients want one, and it says whose they are not.
    pub(super) fn unsigned(&self) -> String {
        Signature::new(self.wire, "").told(Wire::Anthropic)
    }
}

/// A block of content.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Block<'a> {
    Text {
        text: &'a str,
        #[serde(skip_serializing_if = "<[Citation]>::is_empty")]
        citations: &'a [Citation],
    },
    Thinking {
        thinking: &'a str,
        signature: &'a str,
    },
    RedactedThinking {
        data: &'a str,
    },
    ToolUse {
        id: &'a str,
        name: &'a str,
        input: &'a RawValue,
    },
}

/// Where a text is from.
#[derive(Serialize)]
pub(super) struct Citation {
    #[serde(rename = "type")]
    kind: &'static str,
    url: String,
    title: Option<String>,
    cited_text: &'static str,
    encrypted_index: &'static str,
}

impl Citation {
    pub(super) const fn new(url: String, title: Option<String>) -> Self {
        let kind = "web_search_result_location";
        Self { kind, url, title, cited_text: "", encrypted_index: "" }
    }
}

/// A message.
#[derive(Serialize)]
pub(super) struct Message<'a> {
    pub(super) id: &'a str,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) role: &'static str,
    pub(super) model: &'a str,
    pub(super) content: Vec<Block<'a>>,
    #[serde(flatten)]
    pub(super) stop: Stop,
    pub(super) usage: Usage,
}

impl<'a> Message<'a> {
    pub(super) const fn new(
        head: &'a Head,
        content: Vec<Block<'a>>,
        stop: Stop,
        usage: Usage,
    ) -> Self {
        let (id, model) = (head.id.as_str(), head.model.as_str());
        Self { id, kind: "message", role: "assistant", model, content, stop, usage }
    }
}

/// Why it ends.
#[derive(Serialize, Default)]
pub(super) struct Stop {
    stop_reason: Option<&'static str>,
    stop_sequence: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_details: Option<Refused>,
}

/// More of a refusal.
#[derive(Serialize)]
struct Refused {
    #[serde(rename = "type")]
    kind: &'static str,
    category: Option<&'static str>,
    explanation: Option<&'static str>,
}

impl Stop {
    /// Some formats have no reason of its own for tool calls, and none for a refusal in words.
    pub(super) fn of(reason: Option<Finish>, tools: bool, refused: bool) -> Self {
        let mut stop_sequence = None;
        let stop_reason = match reason {
            Some(Finish::Stop) | None if refused => "refusal",
            Some(Finish::Stop) | None if tools => "tool_use",
            Some(Finish::Stop | Finish::Other(_)) | None => "end_turn",
            Some(Finish::StopSequence(text)) => {
                stop_sequence = text;
                "stop_sequence"
            }
            Some(Finish::Length) => "max_tokens",
            Some(Finish::ToolCalls) => "tool_use",
            Some(Finish::ContentFilter | Finish::Refusal) => "refusal",
            Some(Finish::Pause) => "pause_turn",
        };
        let refusal = Refused { kind: "refusal", category: None, explanation: None };
        Self {
            stop_reason: Some(stop_reason),
            stop_sequence,
            stop_details: (stop_reason == "refusal").then_some(refusal),
        }
    }
}

/// What was used.
#[derive(Serialize, Default)]
pub(super) struct Usage {
    input_tokens: i64,
    cache_creation_input_tokens: i64,
    cache_read_input_tokens: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_creation: Option<CacheCreation>,
    output_tokens: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens_details: Option<OutputDetails>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_tool_use: Option<ServerToolUse>,
}

#[derive(Serialize)]
struct CacheCreation {
    ephemeral_5m_input_tokens: i64,
    ephemeral_1h_input_tokens: i64,
}

#[derive(Serialize)]
struct OutputDetails {
    thinking_tokens: i64,
}

#[derive(Serialize)]
struct ServerToolUse {
    web_search_requests: i64,
    /// They are not counted, as they cost nothing.
    web_fetch_requests: i64,
}

impl From<&Tally> for Usage {
    fn from(tally: &Tally) -> Self {
        let (short, long) = (tally.units(Meter::CacheWrite), tally.units(Meter::CacheWriteLong));
        let cached = tally.units(Meter::InputCached);
        let written = short.saturating_add(long);
        let there = |units: i64| (units > 0).then_some(units);
        let creation =
            CacheCreation { ephemeral_5m_input_tokens: short, ephemeral_1h_input_tokens: long };
        Self {
            // the two others are not part of it
            input_tokens: tally.input().saturating_sub(cached.saturating_add(written)),
            cache_creation_input_tokens: written,
            cache_read_input_tokens: cached,
            cache_creation: there(written).map(|_| creation),
            output_tokens: tally.output(),
            output_tokens_details: there(tally.units(Meter::OutputReasoning))
                .map(|thinking_tokens| OutputDetails { thinking_tokens }),
            server_tool_use: there(tally.units(Meter::Search)).map(|web_search_requests| {
                ServerToolUse { web_search_requests, web_fetch_requests: 0 }
            }),
        }
    }
}

/// An image that was made: the format has no block for it, so it is told as text.
pub(super) fn image(source: &Source) -> String {
    match source {
        Source::Data { media_type, base64 } => {
            format!("![image](data:{media_type};base64,{base64})")
        }
        Source::Url { url, .. } => format!("![image]({url})"),
        Source::Id(id) => format!("![image]({id})"),
    }
}

/// A tool's arguments as an object; an empty one where they are none.
pub(super) fn input(arguments: &str) -> &RawValue {
    let object = |text| {
        let value: Option<&RawValue> = serde_json::from_str(text).ok();
        value.filter(|value| value.get().starts_with('{'))
    };
    object(arguments).or_else(|| object("{}")).unwrap_or(RawValue::NULL)
}

#[cfg(test)]
impl Head {
    pub(super) fn test() -> Self {
        Self { id: "msg_1".into(), model: "m".into(), wire: Wire::OpenAi }
    }
}
