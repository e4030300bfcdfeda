//! OpenAI's responses, to vendors that have them.
//!
//! <https://platform.openai.com/docs/api-reference/responses>, and
//! <https://docs.x.ai/docs/api-reference>. The hub keeps no answers. What a client says of `store` goes to the
//! vendor as it is, also when it says nothing: the vendor then does what its own documents say, and
//! clients that refer to items they were given (Vercel's SDK does) find them there. Requests that
//! the hub writes itself say `store: false`.

mod failure;
mod items;
mod pass;
mod reader;
mod stream;
mod usage;
mod whole;
mod wire;
mod write;
mod write_input;

use http::HeaderMap;

use super::compat::Vendor;
use super::held::Collect;
use super::{Decoder, ErrorBody, Failure, Format, Outbound, Wanted};
use crate::call::{Asked, Call};
use crate::error::{Error, Kind};
use crate::routing::Target;

/// OpenAI's responses, to vendors that have them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Responses;

impl Format for Responses {
    fn pass(&self, call: &Call, target: &Target) -> Result<Outbound, Error> {
        pass::pass(call, uri(target)?, target)
    }

    fn write(&self, asked: &Asked, call: &Call, target: &Target) -> Result<Outbound, Error> {
        let what = match asked {
            Asked::Chat(chat) => return write::write(chat, call, uri(target)?, target),
            Asked::Embed(_) => "embeddings",
            Asked::Draw(_) => "images",
        };
        let message = format!("{} offers no {what} by responses", target.provider);
        Err(Error::new(Kind::UnsupportedField, message).at("model"))
    }

    fn decoder(&self, call: &Call, target: &Target, wanted: Wanted) -> Box<dyn Decoder> {
        let reader = reader::Reader::new(&target.endpoint, wanted);
        match call.stream {
            true => Box::new(stream::Stream::new(reader)),
            false => Box::new(Collect::of(whole::Whole::new(reader))),
        }
    }

    fn error(&self, headers: &HeaderMap, body: &[u8]) -> ErrorBody {
        super::openai::OpenAi.error(headers, body)
    }

    fn instead_of_stream(&self, vendor: &Vendor, body: &[u8]) -> Failure {
        failure::of_document(vendor, body)
    }
}

fn uri(target: &Target) -> Result<http::Uri, Error> {
    target.endpoint.responses.clone().ok_or_else(|| {
        let message = format!("{} offers no responses", target.provider);
        Error::new(Kind::UnsupportedField, message).at("model")
    })
}
