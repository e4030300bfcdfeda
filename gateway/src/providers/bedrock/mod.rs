//! Amazon Bedrock's `Converse`, embeddings and images.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>

mod blocks;
mod draw;
mod embed;
mod error;
mod family;
mod media;
mod stream;
mod thinking;
mod tools;
mod usage;
mod whole;
mod wire;
mod write;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Uri, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use schemas::event::{AttemptError, Operation};

use self::draw::Drawn;
use self::embed::Vectors;
use self::stream::Stream;
use self::whole::Whole;
use super::compat::Vendor;
use super::edit::{Change, edit};
use super::held::Collect;
use super::{Decoder, ErrorBody, Failure, Format, Outbound, Wanted};
use crate::call::{Asked, Call, scan};
use crate::error::Error;
use crate::routing::Target;

/// What stays as it is in the segment of an address: the rest, such as the `:` and `/` of a model, is escaped.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Amazon Bedrock's `Converse`, embeddings and images.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bedrock;

impl Format for Bedrock {
    fn pass(&self, call: &Call, target: &Target) -> Result<Outbound, Error> {
        converse(call, target, capped(call))
    }

    fn write(&self, asked: &Asked, call: &Call, target: &Target) -> Result<Outbound, Error> {
        match asked {
            Asked::Chat(chat) => write::chat(chat, call, target),
            Asked::Embed(asked) => embed::write(asked, target),
            Asked::Draw(asked) => draw::write(asked, target),
        }
    }

    fn takes_urls(&self) -> bool {
        false
    }

    fn decoder(&self, call: &Call, target: &Target, wanted: Wanted) -> Box<dyn Decoder> {
        let endpoint = Arc::clone(&target.endpoint);
        match (call.operation, call.stream) {
            (Operation::Embeddings, _) => Box::new(Collect::of(Vectors::new(wanted))),
            (Operation::Image, _) => Box::new(Collect::of(Drawn::new(wanted))),
            (_, true) => Box::new(Stream::new(endpoint, wanted)),
            (_, false) => Box::new(Collect::of(Whole::new(endpoint, wanted))),
        }
    }

    fn error(&self, headers: &HeaderMap, body: &[u8]) -> ErrorBody {
        error::read(headers, body)
    }

    fn instead_of_stream(&self, _vendor: &Vendor, _body: &[u8]) -> Failure {
        Failure::of(AttemptError::Malformed)
    }
}

/// The address of what a model does.
fn address(target: &Target, does: &str) -> Result<Uri, Error> {
    let model = utf8_percent_encode(target.model.as_str(), SEGMENT);
    target.endpoint.at(&format!("/model/{model}/{does}"))
}

/// A request for a chat.
fn converse(call: &Call, target: &Target, body: Bytes) -> Result<Outbound, Error> {
    let does = if call.stream { "converse-stream" } else { "converse" };
    let mut outbound = Outbound::new(address(target, does)?, body);
    if call.stream {
        let kind = HeaderValue::from_static("application/vnd.amazon.eventstream");
        outbound.headers.push((header::ACCEPT, kind));
    }
    Ok(outbound)
}

/// The client's bytes, with the hub's own cap put in.
fn capped(call: &Call) -> Bytes {
    let Some(most) = call.max_output.filter(|_| call.capped) else {
        return call.body.clone();
    };
    let said = call.field("inferenceConfig").map(Bytes::copy_from_slice);
    let inner = match said.and_then(|said| scan(&said).ok().map(|fields| (said, fields))) {
        Some((said, fields)) => {
            let change = Change::Set(most.to_string().into_bytes());
            edit(&said, &fields, &[("maxTokens", change)]).to_vec()
        }
        None => format!(r#"{{"maxTokens":{most}}}"#).into_bytes(),
    };
    edit(&call.body, &call.fields, &[("inferenceConfig", Change::Set(inner))])
}
