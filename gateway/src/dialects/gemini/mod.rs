//! Google's `generateContent` and embeddings, as clients speak them.
//!
//! Google's SDKs write fields `likeThis`, people and older clients also `like_this`, as protobuf
//! allows: both are read.

mod answer;
mod config;
mod content;
pub mod count;
mod embed;
mod error;
mod logprobs;
mod object;
mod path;
mod request;
mod schema;
mod tools;
mod vectors;

use bytes::Bytes;
use http::request::Parts;
use schemas::event::Operation;
use serde_json::Value;

use self::path::Method;
use super::fields::Rule::{Pass, Read};
use super::fields::Shape::{Any, Flag, List, Object, Text};
use super::fields::Table;
use super::start::{model_of, require, start};
use super::{Dialect, Renderer, Speech};
use crate::call::{Asked, Call};
use crate::error::{Error, Kind};
use crate::providers::Wire;
use crate::routing::Target;

const GENERATE: Table = &[
    ("model", Pass(Text)),
    ("contents", Read(List)),
    ("systemInstruction", Pass(Object)),
    ("system_instruction", Pass(Object)),
    ("generationConfig", Read(Object)),
    ("generation_config", Read(Object)),
    ("tools", Pass(Any)),
    ("toolConfig", Pass(Object)),
    ("tool_config", Pass(Object)),
    ("safetySettings", Pass(Any)),
    ("safety_settings", Pass(Any)),
    ("cachedContent", Pass(Text)),
    ("cached_content", Pass(Text)),
    ("labels", Pass(Object)),
    ("serviceTier", Pass(Text)),
    ("service_tier", Pass(Text)),
    ("store", Pass(Flag)),
];

const EMBED: Table = &[
    ("model", Pass(Text)),
    ("content", Pass(Object)),
    ("requests", Read(List)),
    ("taskType", Pass(Text)),
    ("task_type", Pass(Text)),
    ("title", Pass(Text)),
];

/// `POST /v1beta/models/{model}:generateContent` and `:streamGenerateContent`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Generate;

impl Speech for Generate {
    fn wire(&self) -> Option<Wire> {
        Some(Wire::Gemini)
    }

    fn parse(&self, head: &Parts, body: Bytes) -> Result<Call, Error> {
        let (model, method) = path::read(&head.uri)?;
        let mut call = start(Dialect::Gemini, Operation::Chat, &head.headers, body, GENERATE)?;
        call.model = model_of(&model)?;
        call.usage_wanted = true;
        match method {
            Method::Generate => {}
            Method::Stream { events } => (call.stream, call.listed) = (events, !events),
            Method::Embed | Method::BatchEmbed => return Err(path::unknown("embedContent")),
            Method::Count => return Err(path::unknown("countTokens")),
        }
        require(&call, "contents", "an array of contents")?;
        let (most, choices) = config::bounds(&call)?;
        call.max_output = most;
        call.choices = choices.unwrap_or(1);
        Ok(call)
    }

    fn read(&self, call: &Call) -> Result<Asked, Error> {
        request::read(call).map(Asked::Chat)
    }

    fn renderer(&self, call: &Call, target: &Target) -> Box<dyn Renderer> {
        Box::new(answer::Shown::new(call, target))
    }

    fn heartbeat(&self) -> Option<&'static str> {
        None // Google documents no comments in its streams, and an array has no place for one
    }

    fn error(&self, error: &Error) -> Value {
        error::body(error)
    }

    fn broken(&self, error: &Error) -> Bytes {
        format!("data: {}\n\n", error::body(error)).into()
    }
}

/// `POST /v1beta/models/{model}:embedContent` and `:batchEmbedContents`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Embed;

impl Speech for Embed {
    fn wire(&self) -> Option<Wire> {
        Some(Wire::Gemini)
    }

    fn parse(&self, head: &Parts, body: Bytes) -> Result<Call, Error> {
        let (model, method) = path::read(&head.uri)?;
        let kind = Operation::Embeddings;
        let mut call = start(Dialect::GeminiEmbed, kind, &head.headers, body, EMBED)?;
        call.model = model_of(&model)?;
        let (wanted, other) = match method {
            Method::BatchEmbed => ("requests", "content"),
            Method::Embed => ("content", "requests"),
            Method::Generate | Method::Stream { .. } => {
                return Err(path::unknown("generateContent"));
            }
            Method::Count => return Err(path::unknown("countTokens")),
        };
        require(&call, wanted, "what is to be embedded")?;
        if call.field(other).is_some() {
            let message =
                format!("{other} goes with the other of embedContent and batchEmbedContents");
            return Err(Error::new(Kind::InvalidField, message).at(other));
        }
        Ok(call)
    }

    fn read(&self, call: &Call) -> Result<Asked, Error> {
        embed::read(call).map(Asked::Embed)
    }

    fn renderer(&self, call: &Call, _target: &Target) -> Box<dyn Renderer> {
        Box::new(vectors::Shown::new(call))
    }

    fn error(&self, error: &Error) -> Value {
        error::body(error)
    }

    fn broken(&self, error: &Error) -> Bytes {
        format!("data: {}\n\n", error::body(error)).into()
    }
}
