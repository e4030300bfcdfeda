//! What only passes: calls that go to providers of OpenAI's format as the client wrote them, and to no others.
//!
//! `POST /v1/images/edits`, `/v1/moderations`, `/v1/audio/speech`, `/v1/audio/transcriptions` and
//! `/v1/audio/translations`, as documented in OpenAI's API reference.

use bytes::Bytes;
use http::HeaderMap;
use http::request::Parts;
use schemas::event::Operation;
use schemas::ids::ModelId;

use super::error;
use crate::call::{Asked, Call};
use crate::dialects::fields::Rule::{Pass, Read};
use crate::dialects::fields::Shape::{Any, Flag, Number, Text, Whole};
use crate::dialects::fields::Table;
use crate::dialects::start::{cut, flag, model, model_of, require, start, start_form, text, whole};
use crate::dialects::{Dialect, Renderer, Silent, Speech, Takes};
use crate::error::{Error, Kind};
use crate::providers::Wire;
use crate::routing::Target;

/// What a moderation is made with when no model is named: OpenAI's own default.
const MODERATOR: &str = "omni-moderation-latest";

/// A dialect that only passes.
#[derive(Debug)]
pub struct Passing {
    takes: Takes,
    parse: fn(&HeaderMap, Bytes) -> Result<Call, Error>,
}

/// `POST /v1/images/edits`: a form, or JSON that names the images.
pub static IMAGE_EDITS: Passing = Passing { takes: Takes::Both, parse: image_edits };
/// `POST /v1/moderations`.
pub static MODERATIONS: Passing = Passing { takes: Takes::Json, parse: moderations };
/// `POST /v1/audio/speech`.
pub static SPEECH: Passing = Passing { takes: Takes::Json, parse: speech };
/// `POST /v1/audio/transcriptions`.
pub static TRANSCRIPTIONS: Passing = Passing { takes: Takes::Forms, parse: transcriptions };
/// `POST /v1/audio/translations`.
pub static TRANSLATIONS: Passing = Passing { takes: Takes::Forms, parse: translations };

impl Speech for Passing {
    fn wire(&self) -> Option<Wire> {
        Some(Wire::OpenAi)
    }

    fn takes(&self) -> Takes {
        self.takes
    }

    fn parse(&self, head: &Parts, body: Bytes) -> Result<Call, Error> {
        (self.parse)(&head.headers, body)
    }

    fn read(&self, call: &Call) -> Result<Asked, Error> {
        let message = format!(
            "{} goes only to providers that offer it in OpenAI's format, and the model's does not",
            call.dialect.as_str()
        );
        Err(Error::new(Kind::UnsupportedField, message).at("model"))
    }

    fn renderer(&self, _: &Call, _: &Target) -> Box<dyn Renderer> {
        Box::new(Silent)
    }

    fn error(&self, error: &Error) -> serde_json::Value {
        error::body(error)
    }

    fn broken(&self, error: &Error) -> Bytes {
        format!("data: {}\n\n", error::body(error)).into()
    }
}

const MODERATION: Table = &[("model", Read(Text)), ("input", Pass(Any))];

fn moderations(headers: &HeaderMap, body: Bytes) -> Result<Call, Error> {
    let dialect = Dialect::OpenAiModerations;
    let mut call = start(dialect, Operation::Moderation, headers, body, MODERATION)?;
    require(&call, "input", "a string, or an array of strings or parts")?;
    call.model = match call.field("model").is_some_and(|value| value != b"null") {
        true => model(&call)?,
        false => ModelId::from(MODERATOR),
    };
    Ok(call)
}

const SPOKEN: Table = &[
    ("model", Read(Text)),
    ("input", Read(Text)),
    ("voice", Pass(Any)),
    ("instructions", Pass(Text)),
    ("response_format", Pass(Text)),
    ("speed", Pass(Number)),
    ("stream_format", Read(Text)),
];

fn speech(headers: &HeaderMap, body: Bytes) -> Result<Call, Error> {
    let mut call = start(Dialect::OpenAiSpeech, Operation::Speech, headers, body, SPOKEN)?;
    require(&call, "model", "the name of a model")?;
    require(&call, "input", "the text to be spoken")?;
    call.model = model(&call)?;
    call.stream = text(&call, "stream_format").as_deref() == Some("sse");
    Ok(call)
}

const EDIT: Table = &[
    ("model", Read(Text)),
    ("prompt", Pass(Text)),
    ("image", Pass(Any)),
    ("images", Pass(Any)),
    ("mask", Pass(Any)),
    ("n", Read(Whole(1))),
    ("stream", Read(Flag)),
    ("user", Read(Text)),
    ("safety_identifier", Read(Text)),
];

fn image_edits(headers: &HeaderMap, body: Bytes) -> Result<Call, Error> {
    let (dialect, operation) = (Dialect::OpenAiImageEdits, Operation::Image);
    if is_form(headers) {
        let once = ["model", "prompt", "n", "stream", "user", "safety_identifier"];
        let mut call = start_form(dialect, operation, headers, body, &once)?;
        call.model = form_model(&call)?;
        said(&call, "prompt", "what the images shall show")?;
        call.stream = form_flag(&call, "stream")?;
        call.choices = form_number(&call, "n")?.unwrap_or(1);
        let user = ["safety_identifier", "user"].iter().find_map(|name| plain(&call, name));
        call.user = user.map(|user| cut(user).into());
        return Ok(call);
    }
    let mut call = start(dialect, operation, headers, body, EDIT)?;
    require(&call, "model", "the name of a model")?;
    require(&call, "prompt", "what the images shall show")?;
    call.model = model(&call)?;
    call.stream = flag(&call, "stream");
    call.choices = whole(&call, "n").unwrap_or(1);
    call.user = ["safety_identifier", "user"].iter().find_map(|name| text(&call, name));
    Ok(call)
}

/// What is read here of a form with sound.
const HEARD: [&str; 4] = ["file", "model", "response_format", "stream"];

fn transcriptions(headers: &HeaderMap, body: Bytes) -> Result<Call, Error> {
    let mut call = heard(Dialect::OpenAiTranscriptions, headers, body)?;
    call.stream = form_flag(&call, "stream")?;
    Ok(call)
}

fn translations(headers: &HeaderMap, body: Bytes) -> Result<Call, Error> {
    let call = heard(Dialect::OpenAiTranslations, headers, body)?;
    if form_flag(&call, "stream")? {
        let message = "stream: translations are not streamed; leave it out";
        return Err(Error::new(Kind::UnsupportedField, message).at("stream"));
    }
    Ok(call)
}

fn heard(dialect: Dialect, headers: &HeaderMap, body: Bytes) -> Result<Call, Error> {
    let mut call = start_form(dialect, Operation::Transcription, headers, body, &HEARD)?;
    call.model = form_model(&call)?;
    said(&call, "file", "the sound")?;
    Ok(call)
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(http::header::CONTENT_TYPE).map(|value| value.as_bytes());
    let start = kind.and_then(|kind| kind.get(..b"multipart/".len()));
    start.is_some_and(|start| start.eq_ignore_ascii_case(b"multipart/"))
}

/// The text of a part.
fn plain<'a>(call: &'a Call, name: &str) -> Option<&'a str> {
    std::str::from_utf8(call.field(name)?).ok().filter(|text| !text.is_empty())
}

fn said(call: &Call, name: &'static str, what: &str) -> Result<(), Error> {
    match call.field(name) {
        Some(value) if !value.is_empty() => Ok(()),
        _ => Err(Error::new(Kind::MissingField, format!("{name} is missing: {what}")).at(name)),
    }
}

fn form_model(call: &Call) -> Result<ModelId, Error> {
    said(call, "model", "the name of a model")?;
    model_of(plain(call, "model").unwrap_or_default())
}

fn form_flag(call: &Call, name: &'static str) -> Result<bool, Error> {
    match call.field(name) {
        None => Ok(false),
        Some(value) if value.eq_ignore_ascii_case(b"true") => Ok(true),
        Some(value) if value.eq_ignore_ascii_case(b"false") => Ok(false),
        Some(_) => {
            let message = format!("{name} must be true or false");
            Err(Error::new(Kind::InvalidField, message).at(name))
        }
    }
}

fn form_number(call: &Call, name: &'static str) -> Result<Option<i64>, Error> {
    if call.field(name).is_none() {
        return Ok(None);
    }
    let number = plain(call, name).and_then(|text| text.parse().ok()).filter(|number| *number >= 1);
    number.map(Some).ok_or_else(|| {
        let message = format!("{name} must be a whole number of at least 1");
        Error::new(Kind::InvalidField, message).at(name)
    })
}
