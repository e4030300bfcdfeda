//! Anthropic's messages, as clients speak them.

use bytes::Bytes;
use http::request::Parts;
use serde_json::Value;

use super::{Renderer, Speech};
use crate::call::{Asked, Call};
use crate::error::Error;
use crate::providers::Wire;
use crate::routing::Target;

/// `POST /v1/messages`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Messages;

impl Speech for Messages {
    fn wire(&self) -> Option<Wire> {
        Some(Wire::Anthropic)
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
