//! AIGNE Hub's `/api/v2`, as its client speaks it: no provider does.
//!
//! npm `@aigne/aigne-hub` with `@aigne/core` and `@aigne/transport` (`lib/dts`, `lib/esm`).

mod content;
mod error;
pub mod info;
mod messages;
mod object;
mod parse;
mod proofs;
mod read;
mod render;
mod settings;
mod simple;
mod whole;
mod wire;

use bytes::Bytes;
use http::request::Parts;
use schemas::event::Operation;
use serde_json::Value;

use super::{Dialect, Renderer, Speech};
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

    fn parse(&self, head: &Parts, body: Bytes) -> Result<Call, Error> {
        parse::parse(Dialect::Aigne, Operation::Chat, &head.headers, body)
    }

    fn read(&self, call: &Call) -> Result<Asked, Error> {
        read::chat(call).map(Asked::Chat)
    }

    fn renderer(&self, call: &Call, target: &Target) -> Box<dyn Renderer> {
        Box::new(render::Chat::new(call, target))
    }

    fn error(&self, error: &Error) -> Value {
        error::body(error)
    }

    fn broken(&self, error: &Error) -> Bytes {
        error::broken(error)
    }
}

/// `POST /api/v2/embeddings`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Embeddings;

impl Speech for Embeddings {
    fn wire(&self) -> Option<Wire> {
        None
    }

    fn parse(&self, head: &Parts, body: Bytes) -> Result<Call, Error> {
        parse::parse(Dialect::AigneEmbeddings, Operation::Embeddings, &head.headers, body)
    }

    fn read(&self, call: &Call) -> Result<Asked, Error> {
        simple::embed(call).map(Asked::Embed)
    }

    fn renderer(&self, _call: &Call, target: &Target) -> Box<dyn Renderer> {
        Box::new(whole::Embeddings::new(target))
    }

    fn error(&self, error: &Error) -> Value {
        error::body(error)
    }

    fn broken(&self, error: &Error) -> Bytes {
        error::broken(error)
    }
}

/// `POST /api/v2/image`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Image;

impl Speech for Image {
    fn wire(&self) -> Option<Wire> {
        None
    }

    fn parse(&self, head: &Parts, body: Bytes) -> Result<Call, Error> {
        parse::parse(Dialect::AigneImage, Operation::Image, &head.headers, body)
    }

    fn read(&self, call: &Call) -> Result<Asked, Error> {
        simple::draw(call).map(Asked::Draw)
    }

    fn renderer(&self, _call: &Call, target: &Target) -> Box<dyn Renderer> {
        Box::new(whole::Images::new(target))
    }

    fn error(&self, error: &Error) -> Value {
        error::body(error)
    }

    fn broken(&self, error: &Error) -> Bytes {
        error::broken(error)
    }
}
