//! What clients speak: requests to calls, answers to bytes. Pure.
//!
//! One dialect is one folder: `request.rs` reads a request into what is asked, `answer.rs` shows an
//! answer's deltas, whole or as a stream. A provider of the same format gets the client's bytes
//! and answers with its own; deltas are for all others.

pub mod aigne;
pub mod anthropic;
mod bedrock;
mod fields;
pub mod gemini;
pub mod openai;
pub(crate) mod responses;
mod size;
mod start;
mod translated;

use bytes::Bytes;
use http::HeaderValue;
use http::request::Parts;
use serde_json::Value;

pub use translated::Translated;

use crate::call::{Asked, Call};
use crate::error::Error;
use crate::providers::Wire;
use crate::reply::{Delta, Tally};
use crate::routing::Target;

/// The dialect that a client speaks, by what it asks for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Dialect {
    /// OpenAI's `POST /v1/chat/completions`.
    OpenAiChat,
    /// OpenAI's `POST /v1/embeddings`.
    OpenAiEmbeddings,
    /// OpenAI's `POST /v1/images/generations`.
    OpenAiImages,
    /// OpenAI's `POST /v1/images/edits`.
    OpenAiImageEdits,
    /// OpenAI's `POST /v1/moderations`.
    OpenAiModerations,
    /// OpenAI's `POST /v1/audio/speech`.
    OpenAiSpeech,
    /// OpenAI's `POST /v1/audio/transcriptions`.
    OpenAiTranscriptions,
    /// OpenAI's `POST /v1/audio/translations`.
    OpenAiTranslations,
    /// OpenAI's `POST /v1/responses`.
    Responses,
    /// Anthropic's `POST /v1/messages`.
    Anthropic,
    /// Google's `generateContent`.
    Gemini,
    /// Google's `embedContent` and `batchEmbedContents`.
    GeminiEmbed,
    /// Amazon Bedrock's `Converse`.
    Bedrock,
    /// AIGNE Hub's `POST /api/v2/chat`.
    Aigne,
    /// AIGNE Hub's `POST /api/v2/embeddings`.
    AigneEmbeddings,
    /// AIGNE Hub's `POST /api/v2/image`.
    AigneImage,
}

impl Dialect {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::OpenAiChat,
        Self::OpenAiEmbeddings,
        Self::OpenAiImages,
        Self::OpenAiImageEdits,
        Self::OpenAiModerations,
        Self::OpenAiSpeech,
        Self::OpenAiTranscriptions,
        Self::OpenAiTranslations,
        Self::Responses,
        Self::Anthropic,
        Self::Gemini,
        Self::GeminiEmbed,
        Self::Bedrock,
        Self::Aigne,
        Self::AigneEmbeddings,
        Self::AigneImage,
    ];

    /// Its name in events, metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenAiChat => "openai.chat",
            Self::OpenAiEmbeddings => "openai.embeddings",
            Self::OpenAiImages => "openai.images",
            Self::OpenAiImageEdits => "openai.image_edits",
            Self::OpenAiModerations => "openai.moderations",
            Self::OpenAiSpeech => "openai.speech",
            Self::OpenAiTranscriptions => "openai.transcriptions",
            Self::OpenAiTranslations => "openai.translations",
            Self::Responses => "openai.responses",
            Self::Anthropic => "anthropic.messages",
            Self::Gemini => "gemini.generate",
            Self::GeminiEmbed => "gemini.embed",
            Self::Bedrock => "bedrock.converse",
            Self::Aigne => "aigne.chat",
            Self::AigneEmbeddings => "aigne.embeddings",
            Self::AigneImage => "aigne.image",
        }
    }

    /// By its name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dialect| dialect.as_str() == name)
    }

    /// Who reads and writes it.
    pub fn speech(self) -> &'static dyn Speech {
        match self {
            Self::OpenAiChat => &openai::Chat,
            Self::OpenAiEmbeddings => &openai::Embeddings,
            Self::OpenAiImages => &openai::Images,
            Self::OpenAiImageEdits => &openai::IMAGE_EDITS,
            Self::OpenAiModerations => &openai::MODERATIONS,
            Self::OpenAiSpeech => &openai::SPEECH,
            Self::OpenAiTranscriptions => &openai::TRANSCRIPTIONS,
            Self::OpenAiTranslations => &openai::TRANSLATIONS,
            Self::Responses => &responses::Responses,
            Self::Anthropic => &anthropic::Messages,
            Self::Gemini => &gemini::Generate,
            Self::GeminiEmbed => &gemini::Embed,
            Self::Bedrock => &bedrock::Converse,
            Self::Aigne => &aigne::Chat,
            Self::AigneEmbeddings => &aigne::Embeddings,
            Self::AigneImage => &aigne::Image,
        }
    }
}

/// What a dialect's requests are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Takes {
    /// JSON.
    Json,
    /// Forms (`multipart/form-data`).
    Forms,
    /// Either.
    Both,
}

/// A dialect as a client speaks it. Pure.
pub trait Speech: Sync {
    /// The format that it is; `None` where no provider speaks it.
    fn wire(&self) -> Option<Wire>;

    /// What its requests are.
    fn takes(&self) -> Takes {
        Takes::Json
    }

    /// The call of a request: its model, whether it streams, what it may cost at most. The body is
    /// checked as far as its top-level fields say; what is inside is left to [`read`](Self::read).
    ///
    /// # Errors
    /// Names the field and what would be right.
    fn parse(&self, head: &Parts, body: Bytes) -> Result<Call, Error>;

    /// What the call asks for.
    ///
    /// # Errors
    /// Names the field and what would be right.
    fn read(&self, call: &Call) -> Result<Asked, Error>;

    /// Shows the answer of a provider of another format.
    fn renderer(&self, call: &Call, target: &Target) -> Box<dyn Renderer>;

    /// The content type of its answers.
    fn content_type(&self, stream: bool) -> HeaderValue {
        HeaderValue::from_static(if stream { "text/event-stream" } else { "application/json" })
    }

    /// What a client of a stream is sent while the provider is silent; `None` where the dialect has
    /// nothing for it.
    fn heartbeat(&self) -> Option<&'static str> {
        Some(": keep-alive\n\n")
    }

    /// The body of an answer that says what is wrong.
    fn error(&self, error: &Error) -> Value;

    /// A header of that answer, where the dialect's clients read the class of an error from one.
    fn error_header(&self, _error: &Error) -> Option<(&'static str, &'static str)> {
        None
    }

    /// The last frame of a stream that broke.
    fn broken(&self, error: &Error) -> Bytes;
}

/// Shows an answer in a client's dialect. Made for one answer.
pub trait Renderer: Send {
    /// The next step of the answer. Appends what the client is shown at once: nothing, where a whole answer is
    /// wanted.
    fn show(&mut self, delta: Delta, out: &mut Vec<u8>);

    /// The answer is complete. Appends the rest: what closes the stream, or the whole answer.
    fn end(&mut self, tally: &Tally, out: &mut Vec<u8>);
}

/// Shows nothing.
pub struct Silent;
impl Renderer for Silent {
    fn show(&mut self, _: Delta, _: &mut Vec<u8>) {}
    fn end(&mut self, _: &Tally, _: &mut Vec<u8>) {}
}
