//! Google's `generateContent` and embeddings.
//!
//! <https://ai.google.dev/api/generate-content>

mod address;
mod config;
mod content;
mod draw;
mod embed;
mod error;
mod finish;
mod logprobs;
mod model;
mod pass;
pub(crate) mod proof;
mod read;
mod stream;
mod tools;
mod usage;
mod whole;
mod wire;
mod write;

use http::HeaderMap;
use schemas::event::{AttemptError, Operation};

use super::compat::Vendor;
use super::failure;
use super::held::Collect;
use super::{Decoder, ErrorBody, Failure, Format, Outbound, Wanted};
use crate::call::{Asked, Call};
use crate::error::Error;
use crate::routing::Target;

/// Google's `generateContent` and embeddings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gemini;

impl Format for Gemini {
    fn pass(&self, call: &Call, target: &Target) -> Result<Outbound, Error> {
        pass::pass(call, target)
    }

    fn write(&self, asked: &Asked, call: &Call, target: &Target) -> Result<Outbound, Error> {
        match asked {
            Asked::Chat(chat) => write::write(chat, call, target),
            Asked::Embed(embed) => embed::write(embed, target),
            Asked::Draw(draw) => draw::write(draw, target),
        }
    }

    /// Of addresses only those of Google's own files and of newer models work everywhere.
    fn takes_urls(&self) -> bool {
        false
    }

    fn decoder(&self, call: &Call, target: &Target, wanted: Wanted) -> Box<dyn Decoder> {
        match call.operation {
            Operation::Embeddings => Box::new(Collect::of(embed::Vectors::new(target, wanted))),
            _ if call.stream => Box::new(stream::Stream::new(call, target, wanted)),
            _ => Box::new(Collect::of(whole::Whole::new(call, target, wanted))),
        }
    }

    fn error(&self, _headers: &HeaderMap, body: &[u8]) -> ErrorBody {
        error::read(body)
    }

    fn instead_of_stream(&self, vendor: &Vendor, body: &[u8]) -> Failure {
        failure_inside(vendor, body)
    }
}

/// A failure told inside an answer of status 200. Something was answered already, so asking the
/// same target again is not the first thing to try.
fn failure_inside(vendor: &Vendor, body: &[u8]) -> Failure {
    let said = error::read(body);
    let status = said.code.parse().ok().filter(|code| (400..=599).contains(code));
    let failure = match status.or_else(|| error::status(&said.kind)) {
        Some(status) => Failure {
            retry_after: said.retry_after,
            ..Failure::told(failure::meaning(vendor, status, &said), &said)
        },
        None if said == ErrorBody::default() => Failure::of(AttemptError::Malformed),
        None => Failure::of(AttemptError::Server),
    };
    failure.elsewhere()
}
