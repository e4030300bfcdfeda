//! Which format goes to a target, and what is the same for all formats.

use http::HeaderMap;
use runtime::clock::Micros;
use serde::{Deserialize, Serialize};

use super::compat::Vendor;
use super::failure::{self, ErrorBody, Failure};
use super::{Decoder, Outbound, Wanted, anthropic, bedrock, gemini, ollama, openai, responses};
use crate::call::{Asked, Call};
use crate::error::Error;
use crate::routing::Target;

/// A format of requests and answers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wire {
    /// OpenAI's chat completions and embeddings, and all who copied them.
    #[default]
    OpenAi,
    /// OpenAI's responses.
    Responses,
    /// Anthropic's messages.
    Anthropic,
    /// Google's `generateContent`.
    Gemini,
    /// Amazon Bedrock's `Converse`.
    Bedrock,
    /// Ollama's own `/api/chat`.
    Ollama,
}

impl Wire {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::OpenAi, Self::Responses, Self::Anthropic, Self::Gemini, Self::Bedrock, Self::Ollama];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Responses => "responses",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::Bedrock => "bedrock",
            Self::Ollama => "ollama",
        }
    }

    /// By its name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|wire| wire.as_str() == name)
    }

    /// Who writes and reads it.
    pub fn format(self) -> &'static dyn Format {
        match self {
            Self::OpenAi => &openai::OpenAi,
            Self::Responses => &responses::Responses,
            Self::Anthropic => &anthropic::Anthropic,
            Self::Gemini => &gemini::Gemini,
            Self::Bedrock => &bedrock::Bedrock,
            Self::Ollama => &ollama::Ollama,
        }
    }
}

/// A format as a provider speaks it. Pure.
pub trait Format: Sync {
    /// The request, where the client speaks the same format: its bytes, edited where they must
    /// change.
    ///
    /// # Errors
    /// The target can't do this: another one may.
    fn pass(&self, call: &Call, target: &Target) -> Result<Outbound, Error>;

    /// The request, for a client of another format. What the format can't say goes through
    /// [`Lacks`](crate::call::Lacks).
    ///
    /// # Errors
    /// The target can't do this: another one may.
    fn write(&self, asked: &Asked, call: &Call, target: &Target) -> Result<Outbound, Error>;

    /// Whether media may stand in a request by their `https` address; where not, the hub fetches them first.
    fn takes_urls(&self) -> bool {
        true
    }

    /// A decoder for the answer to `call`.
    fn decoder(&self, call: &Call, target: &Target, wanted: Wanted) -> Box<dyn Decoder>;

    /// What an error's body says.
    fn error(&self, headers: &HeaderMap, body: &[u8]) -> ErrorBody;

    /// What a document means that came instead of a stream: an error, whatever its status.
    fn instead_of_stream(&self, vendor: &Vendor, body: &[u8]) -> Failure;
}

/// The format in which a target is asked, and whether the client's own bytes will do.
fn way(call: &Call, target: &Target) -> (Wire, bool) {
    let (vendor, said) = (&target.endpoint.vendor, call.dialect.speech().wire());
    match said {
        Some(Wire::Responses) if target.endpoint.responses.is_some() => (Wire::Responses, true),
        said => (vendor.format, said == Some(vendor.format)),
    }
}

/// The request to the target.
///
/// # Errors
/// The target can't do this: another one may.
pub fn encode(call: &Call, target: &Target) -> Result<Outbound, Error> {
    match way(call, target) {
        (wire, true) => wire.format().pass(call, target),
        (wire, false) => wire.format().write(&*call.asked()?, call, target),
    }
}

/// Whether media at an address must be fetched before the target can be asked.
pub fn wants_media(call: &Call, target: &Target) -> bool {
    let (wire, passes) = way(call, target);
    !passes && !wire.format().takes_urls()
}

/// A decoder for the answer to `call`, whose pieces are for the client.
pub fn decoder(call: &Call, target: &Target) -> Box<dyn Decoder> {
    match way(call, target) {
        (wire, true) => wire.format().decoder(call, target, Wanted::Bytes),
        (wire, false) => {
            let decoder = wire.format().decoder(call, target, Wanted::Deltas);
            Box::new(crate::dialects::Translated::new(decoder, call, target))
        }
    }
}

/// The meaning of an answer that is no success, and what it says in words.
pub fn classify(
    call: &Call,
    target: &Target,
    status: u16,
    (headers, body): (&HeaderMap, &[u8]),
    now: Micros,
) -> (Failure, String) {
    let said = way(call, target).0.format().error(headers, body);
    (failure::classify(&target.endpoint.vendor, status, headers, &said, now), said.message)
}

/// What a document means that came instead of a stream: an error, whatever its status (xAI).
pub fn instead_of_stream(call: &Call, target: &Target, body: &[u8]) -> Failure {
    way(call, target).0.format().instead_of_stream(&target.endpoint.vendor, body)
}

/// Whether the provider's words can be passed on to the client as they are.
pub fn passes(call: &Call, target: &Target) -> bool {
    way(call, target).1
}
