//! Amazon Bedrock's `Converse` and embeddings.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>

use http::HeaderMap;

use super::compat::Vendor;
use super::{Decoder, ErrorBody, Failure, Format, Outbound, Wanted};
use crate::call::{Asked, Call};
use crate::error::Error;
use crate::routing::Target;

/// Amazon Bedrock's `Converse` and embeddings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bedrock;

impl Format for Bedrock {
    fn pass(&self, _call: &Call, _target: &Target) -> Result<Outbound, Error> {
        todo!()
    }

    fn write(&self, _asked: &Asked, _call: &Call, _target: &Target) -> Result<Outbound, Error> {
        todo!()
    }

    fn decoder(&self, _call: &Call, _target: &Target, _wanted: Wanted) -> Box<dyn Decoder> {
        todo!()
    }

    fn error(&self, _headers: &HeaderMap, _body: &[u8]) -> ErrorBody {
        todo!()
    }

    fn instead_of_stream(&self, _vendor: &Vendor, _body: &[u8]) -> Failure {
        todo!()
    }
}
