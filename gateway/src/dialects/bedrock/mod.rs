//! Amazon Bedrock's `Converse`, as clients speak it.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>

mod blocks;
mod error;
mod more;
mod node;
mod read;
mod render;
mod stream;
mod whole;

use bytes::Bytes;
use http::HeaderValue;
use http::request::Parts;
use percent_encoding::percent_decode_str;
use schemas::event::Operation;
use serde_json::Value;

use self::render::{Shown, Stream, Whole};
use super::fields::Rule::{Pass, Read};
use super::fields::Shape::{Any, List, Object};
use super::fields::Table;
use super::start::{cut, model_of, start};
use super::{Dialect, Renderer, Speech};
use crate::call::{Asked, Call, scan};
use crate::error::{Error, Kind};
use crate::providers::Wire;
use crate::routing::Target;

const FIELDS: Table = &[
    ("messages", Pass(List)),
    ("system", Pass(Any)),
    ("inferenceConfig", Read(Object)),
    ("toolConfig", Pass(Object)),
    ("guardrailConfig", Pass(Object)),
    ("additionalModelRequestFields", Pass(Any)),
    ("additionalModelResponseFieldPaths", Pass(Any)),
    ("outputConfig", Pass(Object)),
    ("performanceConfig", Pass(Object)),
    ("projectIdentifier", Pass(Any)),
    ("promptVariables", Pass(Object)),
    ("requestMetadata", Read(Object)),
    ("serviceTier", Pass(Object)),
];

/// Tags kept of a request.
const MAX_TAGS: usize = 8;

/// `POST /model/{model}/converse` and `/converse-stream`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Converse;

impl Speech for Converse {
    fn wire(&self) -> Option<Wire> {
        Some(Wire::Bedrock)
    }

    fn parse(&self, head: &Parts, body: Bytes) -> Result<Call, Error> {
        let (model, stream) = asked_for(head.uri.path())?;
        let mut call = start(Dialect::Bedrock, Operation::Chat, &head.headers, body, FIELDS)?;
        call.model = model_of(&model)?;
        call.stream = stream;
        // the stream's last event tells it always
        call.usage_wanted = true;
        call.max_output = most(&call)?;
        tag(&mut call)?;
        Ok(call)
    }

    fn read(&self, call: &Call) -> Result<Asked, Error> {
        read::chat(call).map(Asked::Chat)
    }

    fn renderer(&self, call: &Call, _target: &Target) -> Box<dyn Renderer> {
        match call.stream {
            true => Box::new(Shown::new(Stream)),
            false => Box::new(Shown::new(Whole::default())),
        }
    }

    fn content_type(&self, stream: bool) -> HeaderValue {
        HeaderValue::from_static(match stream {
            true => "application/vnd.amazon.eventstream",
            false => "application/json",
        })
    }

    fn heartbeat(&self) -> Option<&'static str> {
        None // the event stream has no frame that says nothing
    }

    fn error(&self, error: &Error) -> Value {
        error::body(error)
    }

    fn error_header(&self, error: &Error) -> Option<(&'static str, &'static str)> {
        Some(("x-amzn-errortype", error::code(error)))
    }

    fn broken(&self, error: &Error) -> Bytes {
        error::frame(error)
    }
}

/// The model and whether a stream is wanted. The model is one segment: what is in it is escaped.
fn asked_for(path: &str) -> Result<(String, bool), Error> {
    let unknown = || {
        let message = "of a model there are only /model/{modelId}/converse and /converse-stream";
        Error::new(Kind::UnknownRoute, message)
    };
    let (front, call) = path.rsplit_once('/').ok_or_else(unknown)?;
    let (_, model) = front.rsplit_once('/').ok_or_else(unknown)?;
    let stream = match call {
        "converse" => false,
        "converse-stream" => true,
        _ => return Err(unknown()),
    };
    let model = percent_decode_str(model).decode_utf8().map_err(|_| {
        Error::new(Kind::InvalidField, "modelId must be escaped UTF-8").at("modelId")
    })?;
    Ok((model.into_owned(), stream))
}

/// `inferenceConfig.maxTokens`.
fn most(call: &Call) -> Result<Option<i64>, Error> {
    let Some(config) = call.field("inferenceConfig").filter(|value| *value != b"null") else {
        return Ok(None);
    };
    let fields = scan(config)?;
    let said = fields.iter().find(|field| &*field.name == "maxTokens");
    let said = said.and_then(|field| config.get(field.value.clone()));
    match said.filter(|value| *value != b"null") {
        None => Ok(None),
        Some(value) => match serde_json::from_slice::<i64>(value) {
            Ok(most) if most >= 1 => Ok(Some(most)),
            _ => {
                let message = "inferenceConfig.maxTokens must be a whole number of at least 1";
                Err(Error::new(Kind::InvalidField, message).at("inferenceConfig.maxTokens"))
            }
        },
    }
}

/// `requestMetadata` doubles as tags: its first entries, by name.
fn tag(call: &mut Call) -> Result<(), Error> {
    let Some(value) = call.field("requestMetadata").filter(|value| *value != b"null") else {
        return Ok(());
    };
    let tags: std::collections::BTreeMap<String, String> =
        serde_json::from_slice(value).map_err(|_| {
            let message = "requestMetadata must map names to strings";
            Error::new(Kind::InvalidField, message).at("requestMetadata")
        })?;
    let tags = tags.into_iter().take(MAX_TAGS);
    call.tags = tags.map(|(name, value)| (cut(&name).to_owned(), cut(&value).to_owned())).collect();
    Ok(())
}
