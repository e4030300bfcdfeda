//! Anthropic's messages.
//!
//! <https://docs.anthropic.com/en/api/messages>

mod foreign;
mod models;
mod request;
mod said;
mod stream;
mod thinking;
mod turns;
mod usage;
mod whole;
mod wire;
mod write;

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use schemas::event::{AttemptError, Operation};

use self::stream::Stream;
use self::whole::Whole;
use super::compat::Vendor;
use super::edit::{Change, edit, quoted};
use super::failure;
use super::held::Collect;
use super::{Decoder, ErrorBody, Failure, Format, Outbound, Wanted};
use crate::call::{Asked, Call};
use crate::error::{Error, Kind};
use crate::routing::Target;

/// The version of the API that requests are in, unless the client names another.
const VERSION: (HeaderName, HeaderValue) =
    (HeaderName::from_static("anthropic-version"), HeaderValue::from_static("2023-06-01"));

/// Anthropic's messages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Anthropic;

impl Format for Anthropic {
    fn pass(&self, call: &Call, target: &Target) -> Result<Outbound, Error> {
        let vendor = &target.endpoint.vendor;
        for field in &call.fields {
            if let Some(why) = vendor.refuse.get(&*field.name) {
                let message =
                    format!("{} can't be honoured by {}: {why}", field.name, target.provider);
                return Err(Error::new(Kind::UnsupportedField, message).at(&*field.name));
            }
        }
        // of several changes of a field the first counts
        let mut changes: Vec<(&str, Change)> = Vec::new();
        if let (true, Some(most)) = (call.capped, call.max_output) {
            changes.push(("max_tokens", Change::Set(most.to_string().into_bytes())));
        }
        if call.model != target.model {
            changes.push(("model", Change::Set(quoted(target.model.as_str()))));
        }
        let model = vendor.model(target.model.as_str());
        let dropped = vendor.drop.iter().chain(model.into_iter().flat_map(|model| &model.drop));
        changes.extend(dropped.map(|name| (name.as_str(), Change::Drop)));
        let own = call.field("messages").and_then(foreign::without);
        changes.extend(own.map(|messages| ("messages", Change::Set(messages))));
        let body = edit(&call.body, &call.fields, &changes);
        let mut outbound = Outbound::new(uri(call.operation, target)?, body);
        outbound.headers.extend(call.passed_headers.iter().cloned());
        if !outbound.headers.iter().any(|(name, _)| *name == VERSION.0) {
            outbound.headers.push(VERSION);
        }
        Ok(outbound)
    }

    fn write(&self, asked: &Asked, call: &Call, target: &Target) -> Result<Outbound, Error> {
        let Asked::Chat(chat) = asked else {
            return Err(offers_no(call.operation, target));
        };
        let (body, dropped) = write::write(chat, call, target)?;
        let mut outbound = Outbound::new(uri(call.operation, target)?, body.into());
        outbound.headers.push(VERSION);
        outbound.dropped = dropped;
        Ok(outbound)
    }

    fn decoder(&self, call: &Call, target: &Target, wanted: Wanted) -> Box<dyn Decoder> {
        let endpoint = Arc::clone(&target.endpoint);
        match call.stream {
            true => Box::new(Stream::new(endpoint, wanted)),
            false => Box::new(Collect::of(Whole::new(endpoint, wanted))),
        }
    }

    fn error(&self, _headers: &HeaderMap, body: &[u8]) -> ErrorBody {
        wire::error(body)
    }

    fn instead_of_stream(&self, vendor: &Vendor, body: &[u8]) -> Failure {
        match serde_json::from_slice::<wire::Kind<'_>>(body) {
            Ok(said) if said.is_error() => failure_inside(vendor, body),
            _ => Failure::of(AttemptError::Malformed),
        }
    }
}

fn uri(operation: Operation, target: &Target) -> Result<http::Uri, Error> {
    let chat = match operation {
        Operation::Chat => target.endpoint.chat.clone(),
        _ => None,
    };
    chat.ok_or_else(|| offers_no(operation, target))
}

fn offers_no(operation: Operation, target: &Target) -> Error {
    let message = format!("{} offers no {operation}", target.provider);
    Error::new(Kind::UnsupportedField, message).at("model")
}

/// A failure told inside an answer of status 200. Something was answered already, so asking the
/// same target again is not the first thing to try.
fn failure_inside(vendor: &Vendor, body: &[u8]) -> Failure {
    let said = wire::error(body);
    let status = match said.kind.as_str() {
        "invalid_request_error" => 400,
        "authentication_error" => 401,
        "billing_error" => 402,
        "permission_error" => 403,
        "not_found_error" => 404,
        "conflict_error" => 409,
        "request_too_large" => 413,
        "rate_limit_error" => 429,
        "timeout_error" => 504,
        "overloaded_error" => 529,
        _ => 500,
    };
    let failure = Failure::told(failure::meaning(vendor, status, &said), &said);
    failure.elsewhere()
}
