//! Amazon Bedrock's `Converse`, as clients speak it.

use bytes::Bytes;
use http::request::Parts;
use serde_json::Value;

use super::{Renderer, Speech};
use crate::call::{Asked, Call};
use crate::error::Error;
use crate::providers::Wire;
use crate::routing::Target;

/// `POST /model/{model}/converse` and `/converse-stream`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Converse;

impl Speech for Converse {
    fn wire(&self) -> Option<Wire> {
        Some(Wire::Bedrock)
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
