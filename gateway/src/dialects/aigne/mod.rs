//! AIGNE Hub's `/api/v2`, as its client speaks it.

use bytes::Bytes;
use http::request::Parts;
use serde_json::Value;

use super::{Renderer, Speech};
use crate::call::{Asked, Call};
use crate::error::Error;
use crate::providers::Wire;
use crate::routing::Target;

/// `POST /api/v2/chat`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chat;

impl Speech for Chat {
    fn wire(&self) -> Option<Wire> {
        None
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

/// `POST /api/v2/embeddings`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Embeddings;

impl Speech for Embeddings {
    fn wire(&self) -> Option<Wire> {
        None
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

/// `POST /api/v2/image`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Image;

impl Speech for Image {
    fn wire(&self) -> Option<Wire> {
        None
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
