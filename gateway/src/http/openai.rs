//! OpenAI's dialect: request bodies to [`Call`].
//!
//! Fields as documented for `POST /v1/chat/completions` and `POST /v1/embeddings` in OpenAI's API
//! reference; the body itself stays as the client wrote it.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, header};
use schemas::event::Operation;
use schemas::ids::ModelId;

use super::fields::Rule::{Pass, Read, Refuse};
use super::fields::Shape::{Any, Flag, List, Number, Object, Text, Whole};
use super::fields::{Table, check};
use crate::call::{Call, Dialect, scan};
use crate::error::{Error, Kind};

/// The longest name of a model.
const MAX_MODEL: usize = 256;
/// Bytes kept of texts that callers choose for events.
const MAX_TEXT: usize = 128;
const MAX_TAGS: usize = 8;

const CHAT: Table = &[
    ("model", Read(Text)),
    ("messages", Pass(List)),
    ("stream", Read(Flag)),
    ("stream_options", Read(Object)),
    ("max_tokens", Read(Whole(1))),
    ("max_completion_tokens", Read(Whole(1))),
    ("n", Read(Whole(1))),
    ("user", Read(Text)),
    ("safety_identifier", Read(Text)),
    ("metadata", Read(Object)),
    ("audio", Pass(Object)),
    ("frequency_penalty", Pass(Number)),
    ("function_call", Pass(Any)),
    ("functions", Pass(List)),
    ("logit_bias", Pass(Object)),
    ("logprobs", Pass(Flag)),
    ("modalities", Pass(List)),
    ("moderation", Pass(Object)),
    ("parallel_tool_calls", Pass(Flag)),
    ("prediction", Pass(Object)),
    ("presence_penalty", Pass(Number)),
    ("prompt_cache_key", Pass(Text)),
    ("prompt_cache_options", Pass(Object)),
    ("prompt_cache_retention", Pass(Text)),
    ("reasoning_effort", Pass(Text)),
    ("response_format", Pass(Object)),
    ("seed", Pass(Number)),
    ("service_tier", Pass(Text)),
    ("stop", Pass(Any)),
    ("store", Pass(Flag)),
    ("temperature", Pass(Number)),
    ("tool_choice", Pass(Any)),
    ("tools", Pass(List)),
    ("top_logprobs", Pass(Whole(0))),
    ("top_p", Pass(Number)),
    ("verbosity", Pass(Text)),
    ("web_search_options", Pass(Object)),
    ("deferred", Refuse("an answer that comes later could not be accounted for; leave it out")),
];

const EMBEDDINGS: Table = &[
    ("model", Read(Text)),
    ("input", Pass(Any)),
    ("dimensions", Pass(Whole(1))),
    ("encoding_format", Pass(Text)),
    ("user", Read(Text)),
    ("stream", Refuse("embeddings are not streamed")),
];

impl Dialect {
    /// The call of a request body.
    ///
    /// # Errors
    /// Names the field and what would be right.
    pub fn parse(self, headers: &HeaderMap, body: Bytes) -> Result<Call, Error> {
        match self {
            Self::OpenAiChat => chat(headers, body),
            Self::OpenAiEmbeddings => embeddings(headers, body),
        }
    }
}

/// A chat completion.
///
/// # Errors
/// Names the field and what would be right.
pub fn chat(headers: &HeaderMap, body: Bytes) -> Result<Call, Error> {
    let mut call = start(headers, body, Operation::Chat, Dialect::OpenAiChat, CHAT)?;
    require(&call, "messages", "an array of messages")?;
    call.stream = flag(&call, "stream");
    if let Some(options) = call.field("stream_options").filter(|value| *value != b"null") {
        if !call.stream {
            let message = "stream_options goes with stream: true";
            return Err(Error::new(Kind::InvalidField, message).at("stream_options"));
        }
        call.usage_wanted = include_usage(options)?;
    }
    call.max_output = whole(&call, "max_completion_tokens").or_else(|| whole(&call, "max_tokens"));
    call.choices = whole(&call, "n").unwrap_or(1);
    call.tags = tags(&call)?;
    Ok(call)
}

/// Embeddings.
///
/// # Errors
/// Names the field and what would be right.
pub fn embeddings(headers: &HeaderMap, body: Bytes) -> Result<Call, Error> {
    let call = start(headers, body, Operation::Embeddings, Dialect::OpenAiEmbeddings, EMBEDDINGS)?;
    require(&call, "input", "a string, or an array of strings or token numbers")?;
    let first = call.field("input").and_then(|value| value.first().copied()).unwrap_or_default();
    if !matches!(first, b'"' | b'[') {
        let message = "input must be a string, or an array of strings or token numbers";
        return Err(Error::new(Kind::InvalidField, message).at("input"));
    }
    Ok(call)
}

fn start(
    headers: &HeaderMap,
    body: Bytes,
    operation: Operation,
    dialect: Dialect,
    table: Table,
) -> Result<Call, Error> {
    let fields = scan(&body)?;
    let mut call = Call {
        operation,
        dialect,
        model: "".into(),
        stream: false,
        usage_wanted: false,
        max_output: None,
        capped: false,
        choices: 1,
        user: None,
        client: client(headers),
        tags: BTreeMap::new(),
        body,
        fields,
        trace: None,
    };
    check(&call, table)?;
    require(&call, "model", "the name of a model")?;
    call.model = model(&call)?;
    call.user = ["safety_identifier", "user"].iter().find_map(|name| text(&call, name));
    Ok(call)
}

fn require(call: &Call, name: &'static str, what: &str) -> Result<(), Error> {
    if call.field(name).is_some_and(|value| value != b"null") {
        return Ok(());
    }
    Err(Error::new(Kind::MissingField, format!("{name} is missing: {what}")).at(name))
}

fn model(call: &Call) -> Result<ModelId, Error> {
    let value = call.field("model").unwrap_or_default();
    let name: String = serde_json::from_slice(value).unwrap_or_default();
    if name.is_empty() || name.len() > MAX_MODEL || name.chars().any(char::is_control) {
        let message = format!("model must be a name of 1 to {MAX_MODEL} bytes");
        return Err(Error::new(Kind::InvalidField, message).at("model"));
    }
    Ok(name.into())
}

fn flag(call: &Call, name: &str) -> bool {
    call.field(name) == Some(b"true")
}

fn whole(call: &Call, name: &str) -> Option<i64> {
    serde_json::from_slice(call.field(name)?).ok()
}

fn text(call: &Call, name: &str) -> Option<Arc<str>> {
    let text: String = serde_json::from_slice(call.field(name)?).ok()?;
    Some(cut(&text).into())
}

fn cut(text: &str) -> &str {
    let end = text.floor_char_boundary(MAX_TEXT);
    text.get(..end).unwrap_or_default()
}

/// What the client calls itself: the product of its user agent, such as `OpenAI/Python`.
fn client(headers: &HeaderMap) -> Option<Arc<str>> {
    let agent = headers.get(header::USER_AGENT)?.to_str().ok()?;
    Some(cut(agent).into())
}

fn include_usage(options: &[u8]) -> Result<bool, Error> {
    #[derive(serde::Deserialize)]
    struct Options {
        #[serde(default)]
        include_usage: Option<bool>,
    }
    let options: Options = serde_json::from_slice(options).map_err(|_| {
        Error::new(Kind::InvalidField, "stream_options.include_usage must be true or false")
            .at("stream_options.include_usage")
    })?;
    Ok(options.include_usage.unwrap_or(false))
}

/// `metadata` doubles as tags: its first entries, by name, that are text.
fn tags(call: &Call) -> Result<BTreeMap<String, String>, Error> {
    let Some(value) = call.field("metadata").filter(|value| *value != b"null") else {
        return Ok(BTreeMap::new());
    };
    let tags: BTreeMap<String, String> = serde_json::from_slice(value).map_err(|_| {
        Error::new(Kind::InvalidField, "metadata must map names to strings").at("metadata")
    })?;
    let tags = tags.into_iter().take(MAX_TAGS);
    Ok(tags.map(|(name, value)| (cut(&name).to_owned(), cut(&value).to_owned())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every documented field is passed, read or refused by name, and a refusal names the field.
    #[test]
    fn strict_input() {
        const OK: &str = r#""model":"m","messages":[{"role":"user","content":"x"}]"#;
        for (more, kind, field) in [
            (r#","temperature":"hot""#, Kind::InvalidField, "temperature"),
            (r#","n":0"#, Kind::InvalidField, "n"),
            (r#","n":1.5"#, Kind::InvalidField, "n"),
            (r#","max_tokens":-1"#, Kind::InvalidField, "max_tokens"),
            (r#","max_completion_tokens":0"#, Kind::InvalidField, "max_completion_tokens"),
            (r#","stream":"yes""#, Kind::InvalidField, "stream"),
            (r#","stream_options":{}"#, Kind::InvalidField, "stream_options"),
            (
                r#","stream":true,"stream_options":{"include_usage":1}"#,
                Kind::InvalidField,
                "stream_options.include_usage",
            ),
            (r#","tools":[]"#, Kind::InvalidField, "tools"),
            (r#","tools":{}"#, Kind::InvalidField, "tools"),
            (r#","logit_bias":[]"#, Kind::InvalidField, "logit_bias"),
            (r#","metadata":{"a":1}"#, Kind::InvalidField, "metadata"),
            (r#","user":5"#, Kind::InvalidField, "user"),
            (r#","deferred":true"#, Kind::UnsupportedField, "deferred"),
        ] {
            let body = format!("{{{OK}{more}}}");
            let Err(error) = chat(&HeaderMap::new(), body.into()) else {
                panic!("{more} was taken");
            };
            assert_eq!((error.kind, error.field.as_deref()), (kind, Some(field)), "{more}");
            assert!(error.message.contains(field.split('.').next().unwrap()), "{}", error.message);
        }
        for (body, field) in [
            (r#"{"messages":[{}]}"#, "model"),
            (r#"{"model":"m"}"#, "messages"),
            (r#"{"model":null,"messages":[{}]}"#, "model"),
        ] {
            let error = chat(&HeaderMap::new(), body.into()).err().unwrap();
            assert_eq!((error.kind, error.field.as_deref()), (Kind::MissingField, Some(field)));
        }
        // null is absent, and what is not documented passes
        let body = format!(r#"{{{OK},"n":null,"stream_options":null,"brand_new":[1]}}"#);
        let call = chat(&HeaderMap::new(), body.into()).ok().unwrap();
        assert_eq!((call.choices, call.field("brand_new")), (1, Some(&b"[1]"[..])));
    }

    #[test]
    fn texts_of_callers_are_cut_between_characters() {
        let user = "é".repeat(100);
        let body = format!(r#"{{"model":"m","input":"x","user":"{user}"}}"#);
        let call = embeddings(&HeaderMap::new(), body.into()).ok().unwrap();
        assert_eq!(call.user.as_deref().map(str::len), Some(128));
    }
}
