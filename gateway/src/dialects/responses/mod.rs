//! OpenAI's responses, as clients speak them.
//!
//! Fields as documented for `POST /v1/responses` in OpenAI's API reference and in the types of its
//! SDKs. The hub keeps no answers: what leans on kept ones is refused by name. The items of an
//! answer come back in the input of the next request, and hold all that is needed to go on.

mod frames;
mod input;
mod items;
mod message;
mod node;
mod parts;
pub(crate) mod proof;
mod read;
mod render;
mod response;
mod tools;

use bytes::Bytes;
use http::request::Parts;
use schemas::event::Operation;
use serde_json::{Value, json};

use super::fields::Rule::{Pass, Read, Refuse};
use super::fields::Shape::{Any, Flag, Number, Object, Text, Whole};
use super::fields::Table;
use super::openai::error;
use super::start::{flag, model, require, start, tags, text, whole};
use super::{Dialect, Renderer, Speech};
use crate::call::{Asked, Call};
use crate::error::{Error, Kind};
use crate::providers::Wire;
use crate::routing::Target;

const FIELDS: Table = &[
    ("model", Read(Text)),
    ("stream", Read(Flag)),
    ("max_output_tokens", Read(Whole(1))),
    ("user", Read(Text)),
    ("safety_identifier", Read(Text)),
    ("metadata", Read(Object)),
    ("background", Read(Flag)),
    ("input", Pass(Any)),
    ("instructions", Pass(Any)),
    ("include", Pass(Any)),
    ("max_tool_calls", Pass(Whole(0))),
    ("parallel_tool_calls", Pass(Flag)),
    ("prompt", Pass(Object)),
    ("prompt_cache_key", Pass(Text)),
    ("prompt_cache_options", Pass(Object)),
    ("prompt_cache_retention", Pass(Text)),
    ("reasoning", Pass(Object)),
    ("service_tier", Pass(Text)),
    ("store", Pass(Flag)),
    ("stream_options", Pass(Object)),
    ("temperature", Pass(Number)),
    ("text", Pass(Object)),
    ("tool_choice", Pass(Any)),
    ("tools", Pass(Any)),
    ("top_logprobs", Pass(Whole(0))),
    ("top_p", Pass(Number)),
    ("truncation", Pass(Text)),
    ("previous_response_id", Refuse("the hub keeps no responses; send the conversation as input")),
    ("conversation", Refuse("the hub keeps no conversations; send the conversation as input")),
];

/// `POST /v1/responses`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Responses;

impl Speech for Responses {
    fn wire(&self) -> Option<Wire> {
        Some(Wire::Responses)
    }

    fn parse(&self, head: &Parts, body: Bytes) -> Result<Call, Error> {
        let mut call = start(Dialect::Responses, Operation::Chat, &head.headers, body, FIELDS)?;
        require(&call, "model", "the name of a model")?;
        call.model = model(&call)?;
        if flag(&call, "background") {
            let message = "background: an answer that comes later could not be accounted for; \
                           leave it out, and stream the answer if it takes long";
            return Err(Error::new(Kind::UnsupportedField, message).at("background"));
        }
        // a prompt that is kept at the provider may bring its own input
        if call.field("prompt").is_none_or(|value| value == b"null") {
            require(&call, "input", "a string or an array of items")?;
        }
        call.stream = flag(&call, "stream");
        // responses tell the usage without being asked
        call.usage_wanted = true;
        call.max_output = whole(&call, "max_output_tokens");
        call.user = ["safety_identifier", "user"].iter().find_map(|name| text(&call, name));
        call.tags = tags(&call)?;
        Ok(call)
    }

    fn read(&self, call: &Call) -> Result<Asked, Error> {
        read::chat(call).map(Asked::Chat)
    }

    fn renderer(&self, call: &Call, _target: &Target) -> Box<dyn Renderer> {
        Box::new(render::Shown::new(call))
    }

    fn error(&self, error: &Error) -> Value {
        error::body(error)
    }

    /// An `error` event. OpenAI documents its fields at the top; its SDKs raise on a field `error`,
    /// which Vercel's SDK knows as well: it holds both.
    fn broken(&self, error: &Error) -> Bytes {
        let error = error::body(error);
        let inner = error.get("error").cloned().unwrap_or_default();
        let field = |name: &str| inner.get(name).cloned().unwrap_or_default();
        let event = json!({
            "type": "error",
            "sequence_number": 0,
            "code": field("code"),
            "message": field("message"),
            "param": field("param"),
            "error": inner,
        });
        format!("event: error\ndata: {event}\n\n").into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(body: &str) -> Result<Call, Error> {
        let head = http::Request::post("/v1/responses").body(()).unwrap().into_parts().0;
        Responses.parse(&head, Bytes::copy_from_slice(body.as_bytes()))
    }

    #[test]
    fn what_leans_on_kept_answers_is_refused_by_name() {
        for (more, kind, field) in [
            (r#""previous_response_id":"resp_1""#, Kind::UnsupportedField, "previous_response_id"),
            (r#""conversation":{"id":"conv_1"}"#, Kind::UnsupportedField, "conversation"),
            (r#""background":true"#, Kind::UnsupportedField, "background"),
            (r#""max_output_tokens":0"#, Kind::InvalidField, "max_output_tokens"),
            (r#""stream":1"#, Kind::InvalidField, "stream"),
            (r#""metadata":{"a":1}"#, Kind::InvalidField, "metadata"),
        ] {
            let Err(error) = parsed(&format!(r#"{{"model":"m","input":"x",{more}}}"#)) else {
                panic!("{more} was taken");
            };
            assert_eq!((error.kind, error.field.as_deref()), (kind, Some(field)), "{more}");
        }
        for (body, field) in [(r#"{"input":"x"}"#, "model"), (r#"{"model":"m"}"#, "input")] {
            let error = parsed(body).err().unwrap();
            assert_eq!((error.kind, error.field.as_deref()), (Kind::MissingField, Some(field)));
        }
        let call = parsed(
            r#"{"model":"m","prompt":{"id":"pmpt_1"},"conversation":null,"background":false,"store":true,
                "tools":[],"include":[],"user":"a","safety_identifier":"b","metadata":{"t":"v"}}"#,
        );
        let call = call.ok().unwrap();
        assert_eq!((call.user.as_deref(), call.tags.len()), (Some("b"), 1));
    }

    #[test]
    fn a_broken_stream_ends_in_what_the_sdks_raise_on() {
        let frame = Responses.broken(&Error::new(Kind::Truncated, "gone"));
        let text = std::str::from_utf8(&frame).unwrap();
        let data = text.strip_prefix("event: error\ndata: ").unwrap().trim_end();
        let data: Value = serde_json::from_str(data).unwrap();
        assert_eq!((&data["type"], &data["code"]), (&json!("error"), &json!("truncated")));
        assert_eq!(data["error"]["message"], data["message"]);
        assert!(data["sequence_number"].is_number() && data["error"]["type"].is_string());
    }
}
