//! Ollama's own `/api/chat` and `/api/embed`.
//!
//! Its OpenAI-compatible side is not used: it leaves out, without a word, what its own can say
//! (`num_ctx`, `think`) and what neither can (`tool_choice`).
//!
//! <https://github.com/ollama/ollama/blob/main/docs/api.md>

mod answer;
mod embed;
mod messages;
mod options;
mod stream;
mod whole;
mod wire;
mod write;

use http::{HeaderMap, HeaderValue, header};
use schemas::event::AttemptError;
use serde::Serialize;

use self::stream::Stream;
use self::whole::Whole;
use super::compat::Vendor;
use super::held::Collect;
use super::{Decoder, ErrorBody, Failure, Format, Outbound, Wanted, failure};
use crate::call::{Asked, Call};
use crate::error::{Error, Kind};
use crate::routing::Target;

/// Ollama's own `/api/chat` and `/api/embed`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ollama;

impl Format for Ollama {
    fn pass(&self, call: &Call, _target: &Target) -> Result<Outbound, Error> {
        let message = format!("{} is not Ollama's own format", call.dialect.as_str());
        Err(Error::new(Kind::Internal, message))
    }

    fn write(&self, asked: &Asked, call: &Call, target: &Target) -> Result<Outbound, Error> {
        match asked {
            Asked::Chat(chat) => write::chat(chat, call, target),
            Asked::Embed(embed) => embed::write(embed, target),
            Asked::Draw(_) => Err(offers_no(target, "images")),
        }
    }

    fn takes_urls(&self) -> bool {
        false
    }

    fn decoder(&self, call: &Call, target: &Target, wanted: Wanted) -> Box<dyn Decoder> {
        match call.stream {
            true => Box::new(Stream::new(call, target, wanted)),
            false => Box::new(Collect::of(Whole::new(call, target, wanted))),
        }
    }

    fn error(&self, _headers: &HeaderMap, body: &[u8]) -> ErrorBody {
        wire::error(body)
    }

    fn instead_of_stream(&self, vendor: &Vendor, body: &[u8]) -> Failure {
        match serde_json::from_slice::<wire::Answer<'_>>(body) {
            Ok(answer) if answer.error.is_some() => failure_inside(vendor, body),
            _ => Failure::of(AttemptError::Malformed),
        }
    }
}

fn offers_no(target: &Target, what: &str) -> Error {
    let message = format!("{} offers no {what}", target.provider);
    Error::new(Kind::UnsupportedField, message).at("model")
}

fn outbound(uri: http::Uri, request: &impl Serialize, stream: bool) -> Result<Outbound, Error> {
    let body = serde_json::to_vec(request)
        .map_err(|_| Error::new(Kind::Internal, "the request can't be written as JSON"))?;
    let mut outbound = Outbound::new(uri, body.into());
    if stream {
        let lines = HeaderValue::from_static("application/x-ndjson");
        outbound.headers.push((header::ACCEPT, lines));
    }
    Ok(outbound)
}

/// A failure told inside an answer of status 200: words alone. Something was answered already, so
/// asking the same target again is not the first thing to try.
fn failure_inside(vendor: &Vendor, body: &[u8]) -> Failure {
    Failure::of(failure::meaning(vendor, 500, &wire::error(body))).elsewhere()
}
