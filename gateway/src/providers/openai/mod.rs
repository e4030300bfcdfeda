//! OpenAI's chat completions, embeddings, images, sound and moderations, to OpenAI and to vendors that speak the same
//! format.
//!
//! A client that speaks it too has its bytes sent as they are but for the fields that must change,
//! and gets the provider's bytes but for what is there only because the hub asked for it. What
//! clients of other formats ask is written as OpenAI documents it, and then fitted to the vendor
//! by the same row.

mod deltas;
mod fit;
mod images;
mod inside;
mod message;
mod passing;
mod stream;
mod usage;
mod vectors;
mod weight;
mod whole;
mod wire;
mod write;

use std::sync::Arc;

use http::HeaderMap;
use schemas::event::{AttemptError, Operation};

use self::fit::{Body, fit};
use self::inside::failure_inside;
use self::passing::{Document, Events, Sound};
use self::stream::Stream;
use self::whole::Whole;
use self::wire::Answer;
use super::compat::Vendor;
use super::held::Collect;
use super::{Decoder, ErrorBody, Failure, Format, Outbound, Wanted};
use crate::call::{Asked, Call, scan};
use crate::dialects::Dialect;
use crate::error::{Error, Kind};
use crate::routing::Target;

/// OpenAI's chat completions and embeddings.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenAi;

impl Format for OpenAi {
    fn pass(&self, call: &Call, target: &Target) -> Result<Outbound, Error> {
        let uri = address(call.dialect, target)?;
        if let Some(form) = &call.form {
            return passing::form(call, form, target, uri);
        }
        let body = Body { bytes: &call.body, fields: &call.fields };
        let most = call.max_output.filter(|_| call.capped);
        let (bytes, mut dropped) = fit(body, call, target, most)?;
        let ignored = target.endpoint.vendor.ignores.iter().filter(|name| body.says(name));
        dropped.extend(ignored.cloned());
        Ok(Outbound { dropped, ..Outbound::new(uri, bytes) })
    }

    fn write(&self, asked: &Asked, call: &Call, target: &Target) -> Result<Outbound, Error> {
        let (uri, written) = match asked {
            Asked::Chat(chat) => {
                (address(Dialect::OpenAiChat, target)?, write::chat(chat, call, target)?)
            }
            Asked::Embed(embed) => {
                (address(Dialect::OpenAiEmbeddings, target)?, write::embed(embed, target)?)
            }
            Asked::Draw(draw) => {
                let images = target.endpoint.vendor.images.as_ref();
                let images = images.ok_or_else(|| offers_no("images", target))?;
                (target.endpoint.at(&images.path)?, write::draw(draw, images, target)?)
            }
        };
        let fields = scan(&written.body)?;
        let body = Body { bytes: &written.body, fields: &fields };
        let (bytes, untold) = fit(body, call, target, written.most)?;
        let mut lacks = written.lacks;
        untold.iter().for_each(|name| lacks.drop(name, true));
        Ok(Outbound { dropped: lacks.dropped(), ..Outbound::new(uri, bytes) })
    }

    fn decoder(&self, call: &Call, target: &Target, wanted: Wanted) -> Box<dyn Decoder> {
        let endpoint = Arc::clone(&target.endpoint);
        match call.operation {
            Operation::Image if call.stream => Box::new(Events::new(call, endpoint)),
            Operation::Moderation => Box::new(Document::new(call, endpoint)),
            Operation::Transcription if call.stream => Box::new(Events::new(call, endpoint)),
            Operation::Transcription => Box::new(Document::new(call, endpoint)),
            Operation::Speech if call.stream => Box::new(Events::new(call, endpoint)),
            Operation::Speech => Box::new(Sound::default()),
            _ if call.stream => Box::new(Stream::new(call, endpoint, wanted)),
            _ => Box::new(Collect::of(Whole::new(call, endpoint, wanted))),
        }
    }

    fn error(&self, _headers: &HeaderMap, body: &[u8]) -> ErrorBody {
        wire::error(body)
    }

    fn instead_of_stream(&self, vendor: &Vendor, body: &[u8]) -> Failure {
        match serde_json::from_slice::<Answer<'_>>(body) {
            Ok(answer) if answer.error.is_some() || answer.choices.failed => {
                failure_inside(vendor, body)
            }
            _ => Failure::of(AttemptError::Malformed),
        }
    }
}

/// Where the vendor is asked for this.
fn address(dialect: Dialect, target: &Target) -> Result<http::Uri, Error> {
    let uri = target.endpoint.offered(dialect)?;
    uri.ok_or_else(|| {
        let what = match dialect {
            Dialect::OpenAiEmbeddings => "embeddings",
            Dialect::OpenAiImageEdits => "changes of images",
            Dialect::OpenAiModerations => "moderations",
            Dialect::OpenAiSpeech => "speech",
            Dialect::OpenAiTranscriptions => "transcriptions",
            Dialect::OpenAiTranslations => "translations",
            _ => "chat",
        };
        offers_no(what, target)
    })
}

fn offers_no(what: &str, target: &Target) -> Error {
    let message = format!("{} offers no {what}", target.provider);
    Error::new(Kind::UnsupportedField, message).at("model")
}
