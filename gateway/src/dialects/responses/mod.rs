//! OpenAI's responses, as clients speak them: stateless.

use bytes::Bytes;
use http::request::Parts;
use serde_json::Value;

use super::{Renderer, Speech};
use crate::call::{Asked, Call};
use crate::error::Error;
use crate::providers::Wire;
use crate::routing::Target;

/// `POST /v1/responses`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Responses;

impl Speech for Responses {
    fn wire(&self) -> Option<Wire> {
        Some(Wire::Responses)
    }

    fn parse(&self, _head: &Parts, _body: Bytes) -> Result<Call, Error> {
        todo!()
    }

    fn read(&self, _call: &Call) -> Result<Asked, Error> {
        todo!()
    }

    fn renderer(&self, _call: &Call, _target: &Target) -> Box<dyn Renderer> {
        todo!()
    }

    fn error(&self, _error: &Error) -> Value {
        todo!()
    }

    fn broken(&self, _error: &Error) -> Bytes {
        todo!()
    }
}
