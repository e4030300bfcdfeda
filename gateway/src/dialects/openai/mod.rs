//! OpenAI's chat completions, embeddings, images, sound and moderations, as clients speak them.
//!
//! Fields as documented for `POST /v1/chat/completions` and `POST /v1/embeddings` in OpenAI's API
//! reference. To a provider of the same format the body stays as the client wrote it; for others it is
//! read into what it asks for. What [`passing`] has only passes.

mod answer;
pub(super) mod error;
mod images;
mod passing;
mod read;
mod request;

use bytes::Bytes;
use http::request::Parts;

pub use self::passing::{IMAGE_EDITS, MODERATIONS, Passing, SPEECH, TRANSCRIPTIONS, TRANSLATIONS};
pub use self::request::{chat, embeddings};
use super::{Renderer, Speech};
use crate::call::{Asked, Call};
use crate::error::Error;
use crate::providers::Wire;
use crate::routing::Target;

/// `POST /v1/chat/completions`.
#[derive(Clone, Copy, Debug)]
pub struct Chat;

/// `POST /v1/embeddings`.
#[derive(Clone, Copy, Debug)]
pub struct Embeddings;

/// `POST /v1/images/generations`.
#[derive(Clone, Copy, Debug)]
pub struct Images;

impl Speech for Chat {
    fn wire(&self) -> Option<Wire> {
        Some(Wire::OpenAi)
    }

    fn parse(&self, head: &Parts, body: Bytes) -> Result<Call, Error> {
        chat(&head.headers, body)
    }

    fn read(&self, call: &Call) -> Result<Asked, Error> {
        read::chat(call)
    }

    fn renderer(&self, call: &Call, target: &Target) -> Box<dyn Renderer> {
        match call.stream {
            true => Box::new(answer::Chunks::new(call, target)),
            false => Box::new(answer::Whole::new(call, target)),
        }
    }

    fn error(&self, error: &Error) -> serde_json::Value {
        error::body(error)
    }

    fn broken(&self, error: &Error) -> Bytes {
        format!("data: {}\n\n", error::body(error)).into()
    }
}

impl Speech for Embeddings {
    fn wire(&self) -> Option<Wire> {
        Some(Wire::OpenAi)
    }

    fn parse(&self, head: &Parts, body: Bytes) -> Result<Call, Error> {
        embeddings(&head.headers, body)
    }

    fn read(&self, call: &Call) -> Result<Asked, Error> {
        read::embed(call)
    }

    fn renderer(&self, call: &Call, target: &Target) -> Box<dyn Renderer> {
        Box::new(answer::Vectors::new(call, target))
    }

    fn error(&self, error: &Error) -> serde_json::Value {
        error::body(error)
    }

    fn broken(&self, error: &Error) -> Bytes {
        format!("data: {}\n\n", error::body(error)).into()
    }
}

impl Speech for Images {
    fn wire(&self) -> Option<Wire> {
        None
    }

    fn parse(&self, head: &Parts, body: Bytes) -> Result<Call, Error> {
        images::parse(&head.headers, body)
    }

    fn read(&self, call: &Call) -> Result<Asked, Error> {
        read::draw(call)
    }

    fn renderer(&self, call: &Call, _: &Target) -> Box<dyn Renderer> {
        Box::new(images::Images::new(call))
    }

    fn error(&self, error: &Error) -> serde_json::Value {
        error::body(error)
    }

    fn broken(&self, error: &Error) -> Bytes {
        format!("data: {}\n\n", error::body(error)).into()
    }
}
