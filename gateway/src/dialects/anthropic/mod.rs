//! Anthropic's messages, as clients speak them.
//!
//! Fields as documented for `POST /v1/messages` in Anthropic's API reference; the body itself stays as the
//! client wrote it.

mod blocks;
pub mod count;
mod error;
mod fields;
mod options;
mod read;
mod shown;
mod stream;
mod tools;
mod whole;

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use http::request::Parts;
use schemas::event::Operation;
use serde_json::Value;

use super::fields::Rule::{Pass, Read};
use super::fields::Shape::{Any, Flag, List, Number, Object, Text, Whole};
use super::fields::Table;
use super::start::{self, cut, flag, model, require};
use super::{Dialect, Renderer, Speech};
use crate::call::{Asked, Call};
use crate::error::Error;
use crate::providers::Wire;
use crate::routing::Target;

const MESSAGES: Table = &[
    ("model", Read(Text)),
    ("messages", Pass(List)),
    ("max_tokens", Read(Whole(0))),
    ("stream", Read(Flag)),
    ("metadata", Read(Object)),
    ("cache_control", Pass(Object)),
    ("container", Pass(Any)),
    ("context_management", Pass(Object)),
    ("diagnostics", Pass(Object)),
    ("inference_geo", Pass(Text)),
    ("mcp_servers", Pass(Any)),
    ("output_config", Pass(Object)),
    ("output_format", Pass(Object)),
    ("service_tier", Pass(Text)),
    ("speed", Pass(Text)),
    ("stop_sequences", Pass(Any)),
    ("system", Pass(Any)),
    ("temperature", Pass(Number)),
    ("thinking", Pass(Object)),
    ("tool_choice", Pass(Object)),
    ("tools", Pass(Any)),
    ("top_k", Pass(Whole(0))),
    ("top_p", Pass(Number)),
];

/// The client's headers that a provider of the same format is told: the version of the API and the
/// betas that its body is written for.
const HEADERS: [&str; 2] = ["anthropic-version", "anthropic-beta"];

/// `POST /v1/messages`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Messages;

impl Speech for Messages {
    fn wire(&self) -> Option<Wire> {
        Some(Wire::Anthropic)
    }

    fn parse(&self, head: &Parts, body: Bytes) -> Result<Call, Error> {
        let mut call = begin(&head.headers, body)?;
        require(&call, "max_tokens", "the most tokens that the answer may have")?;
        call.stream = flag(&call, "stream");
        // streams of this format always tell it
        call.usage_wanted = true;
        call.max_output = start::whole(&call, "max_tokens");
        Ok(call)
    }

    fn read(&self, call: &Call) -> Result<Asked, Error> {
        read::read(&call.body).map(Asked::Chat)
    }

    fn renderer(&self, call: &Call, target: &Target) -> Box<dyn Renderer> {
        let head = shown::Head::of(call, target);
        match call.stream {
            true => Box::new(stream::Stream::new(head)),
            false => Box::new(whole::Whole::new(head)),
        }
    }

    fn heartbeat(&self) -> Option<&'static str> {
        Some("event: ping\ndata: {\"type\": \"ping\"}\n\n")
    }

    fn error(&self, error: &Error) -> Value {
        error::body(error)
    }

    fn broken(&self, error: &Error) -> Bytes {
        format!("event: error\ndata: {}\n\n", error::body(error)).into()
    }
}

/// A call, but for what a message alone has.
fn begin(headers: &HeaderMap, body: Bytes) -> Result<Call, Error> {
    let mut call = start::start(Dialect::Anthropic, Operation::Chat, headers, body, MESSAGES)?;
    require(&call, "model", "the name of a model")?;
    call.model = model(&call)?;
    require(&call, "messages", "an array of messages")?;
    call.user = user(&call);
    for name in HEADERS {
        let values = headers.get_all(name).into_iter();
        let name = http::HeaderName::from_static(name);
        // several betas may stand in several headers
        let all: Vec<&[u8]> = values.map(http::HeaderValue::as_bytes).collect();
        let all = http::HeaderValue::from_bytes(&all.join(&b","[..])).ok();
        let all = all.filter(|value| !value.is_empty());
        call.passed_headers.extend(all.map(|value| (name, value)));
    }
    Ok(call)
}

fn user(call: &Call) -> Option<Arc<str>> {
    #[derive(serde::Deserialize)]
    struct Metadata {
        #[serde(default)]
        user_id: Option<String>,
    }
    let metadata: Metadata = serde_json::from_slice(call.field("metadata")?).ok()?;
    metadata.user_id.map(|user| cut(&user).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn head(headers: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::post("/v1/messages");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn versions_and_betas_pass_and_nothing_else() {
        let body = r#"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"x"}],"metadata":{"user_id":"u"}}"#;
        let head = head(&[
            ("anthropic-version", "2026-10-21"),
            ("anthropic-beta", "a-1,b-2"),
            ("anthropic-beta", "c-3"),
            ("x-api-key", "secret"),
            ("anthropic-dangerous-direct-browser-access", "true"),
        ]);
        let call = Messages.parse(&head, body.into()).unwrap();
        let passed: Vec<_> = call
            .passed_headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        assert_eq!(
            passed,
            [("anthropic-version", "2026-10-21"), ("anthropic-beta", "a-1,b-2,c-3")]
        );
        assert_eq!((call.user.as_deref(), call.max_output), (Some("u"), Some(1)));
    }

    #[test]
    fn strict_input() {
        for (body, kind, field) in [
            (r#"{"model":"m","messages":[{}]}"#, Kind::MissingField, "max_tokens"),
            (r#"{"max_tokens":1,"messages":[{}]}"#, Kind::MissingField, "model"),
            (r#"{"model":"m","max_tokens":1}"#, Kind::MissingField, "messages"),
            (r#"{"model":"m","max_tokens":1,"messages":[]}"#, Kind::InvalidField, "messages"),
            (r#"{"model":"m","max_tokens":-1,"messages":[{}]}"#, Kind::InvalidField, "max_tokens"),
            (
                r#"{"model":"m","max_tokens":1,"messages":[{}],"stream":1}"#,
                Kind::InvalidField,
                "stream",
            ),
        ] {
            let error = Messages.parse(&head(&[]), body.into()).err().unwrap();
            assert_eq!((error.kind, error.field.as_deref()), (kind, Some(field)), "{body}");
        }
    }
}
