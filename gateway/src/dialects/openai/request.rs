//! A request, as far as its top-level fields say.

use bytes::Bytes;
use http::HeaderMap;
use schemas::event::Operation;

use crate::call::Call;
use crate::dialects::Dialect;
use crate::dialects::fields::Rule::{Pass, Read, Refuse};
use crate::dialects::fields::Shape::{Any, Flag, List, Number, Object, Text, Whole};
use crate::dialects::fields::Table;
use crate::dialects::start::{flag, model, require, start, tags, text, whole};
use crate::error::{Error, Kind};

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

/// A chat completion.
///
/// # Errors
/// Names the field and what would be right.
pub fn chat(headers: &HeaderMap, body: Bytes) -> Result<Call, Error> {
    let mut call = start(Dialect::OpenAiChat, Operation::Chat, headers, body, CHAT)?;
    named(&mut call)?;
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
    let mut call =
        start(Dialect::OpenAiEmbeddings, Operation::Embeddings, headers, body, EMBEDDINGS)?;
    named(&mut call)?;
    require(&call, "input", "a string, or an array of strings or token numbers")?;
    let first = call.field("input").and_then(|value| value.first().copied()).unwrap_or_default();
    if !matches!(first, b'"' | b'[') {
        let message = "input must be a string, or an array of strings or token numbers";
        return Err(Error::new(Kind::InvalidField, message).at("input"));
    }
    Ok(call)
}

/// Model and end user.
fn named(call: &mut Call) -> Result<(), Error> {
    require(call, "model", "the name of a model")?;
    call.model = model(call)?;
    call.user = ["safety_identifier", "user"].iter().find_map(|name| text(call, name));
    Ok(())
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
