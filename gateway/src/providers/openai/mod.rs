//! OpenAI's chat completions and embeddings, to OpenAI and to vendors that speak the same format.
//!
//! The client speaks it too, so its bytes go out as they are but for the fields that must change,
//! and the provider's bytes come back but for what was there only because the hub asked for it.

mod stream;
mod usage;
mod weight;
mod wire;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use memchr::memmem;
use schemas::event::{AttemptError, Operation};
use serde::Deserialize;
use serde_json::value::RawValue;

use self::stream::Stream;
use self::usage::enter;
use self::wire::{Answer, Usage};
use super::compat::Vendor;
use super::edit::{Change, edit, quoted};
use super::failure;
use super::{
    Decoder, Endpoint, ErrorBody, Failure, Format, Next, Outbound, Piece, PieceKind, Wanted,
};
use crate::call::{Asked, Call, place, scan};
use crate::error::{Error, Kind};
use crate::reply::Tally;
use crate::routing::Target;

/// OpenAI's chat completions and embeddings.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenAi;

impl Format for OpenAi {
    fn pass(&self, call: &Call, target: &Target) -> Result<Outbound, Error> {
        encode(call, target)
    }

    fn write(&self, _asked: &Asked, call: &Call, target: &Target) -> Result<Outbound, Error> {
        let message = format!("{} can't be asked in {}", target.provider, call.dialect.as_str());
        Err(Error::new(Kind::UnsupportedField, message).at("model"))
    }

    fn decoder(&self, call: &Call, target: &Target, wanted: Wanted) -> Box<dyn Decoder> {
        let endpoint = Arc::clone(&target.endpoint);
        match call.stream {
            true => Box::new(Stream::new(call, endpoint)),
            false => Box::new(Whole { endpoint, held: Vec::new(), tally: Tally::default() }),
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

fn encode(call: &Call, target: &Target) -> Result<Outbound, Error> {
    let vendor = &target.endpoint.vendor;
    let uri = match call.operation {
        Operation::Embeddings => &target.endpoint.embeddings,
        Operation::Chat | Operation::Other => &target.endpoint.chat,
    };
    let uri = uri.clone().ok_or_else(|| {
        let message = format!("{} offers no {}", target.provider, call.operation);
        Error::new(Kind::UnsupportedField, message).at("model")
    })?;
    for field in &call.fields {
        if let Some(why) = vendor.refuse.get(&*field.name) {
            let message = format!("{} can't be honoured by {}: {why}", field.name, target.provider);
            return Err(Error::new(Kind::UnsupportedField, message).at(&*field.name));
        }
    }
    let model = vendor.model(target.model.as_str());
    let mut changes: Vec<(&str, Change)> = Vec::new();
    // of several changes of a field the first counts
    if let (true, Some(most)) = (call.capped, call.max_output) {
        changes
            .push((vendor.max_output_field.as_str(), Change::Set(most.to_string().into_bytes())));
    }
    if call.model != target.model {
        changes.push(("model", Change::Set(quoted(target.model.as_str()))));
    }
    let dropped = vendor.drop.iter().chain(model.into_iter().flat_map(|model| &model.drop));
    changes.extend(dropped.map(|name| (name.as_str(), Change::Drop)));
    let renamed = vendor.rename.iter().chain(model.into_iter().flat_map(|model| &model.rename));
    let said = |name: &str| call.field(name).is_some_and(|value| value != b"null");
    for (from, to) in renamed {
        // the name that the vendor knows wins if both are there
        if said(to) || !said(from) {
            changes.push((from.as_str(), Change::Drop));
        } else {
            changes.push((to.as_str(), Change::Drop));
            changes.push((from.as_str(), Change::Rename(to.clone())));
        }
    }
    for (name, values) in &vendor.values {
        let said =
            call.field(name).and_then(|value| serde_json::from_slice::<Cow<'_, str>>(value).ok());
        let known = said.and_then(|said| values.get(&*said));
        changes.extend(known.map(|known| (name.as_str(), Change::Set(quoted(known)))));
    }
    if call.stream && vendor.include_usage && !call.usage_wanted {
        changes.push(("stream_options", with_usage(call)));
    }
    let roles = vendor.developer_role.as_deref().and_then(|role| with_role(call, role));
    changes.extend(roles.map(|roles| ("messages", roles)));
    Ok(Outbound::new(uri, edit(&call.body, &call.fields, &changes)))
}

/// Asks for usage, beside what the client said of the stream.
fn with_usage(call: &Call) -> Change {
    let asked = br#"{"include_usage":true}"#;
    let said = call.fields.iter().find(|field| &*field.name == "stream_options");
    let said =
        said.and_then(|field| Some(Bytes::copy_from_slice(call.body.get(field.value.clone())?)));
    let Some((said, fields)) = said.and_then(|said| scan(&said).ok().map(|fields| (said, fields)))
    else {
        return Change::Set(asked.to_vec());
    };
    let change = Change::Set(b"true".to_vec());
    Change::Set(edit(&said, &fields, &[("include_usage", change)]).to_vec())
}

/// The messages whose role is `developer` get the role `role`; `None` when there is none. Only
/// the roles are touched.
fn with_role(call: &Call, role: &str) -> Option<Change> {
    #[derive(Deserialize)]
    struct Message<'a> {
        #[serde(borrow, default)]
        role: Option<&'a RawValue>,
    }
    let messages = call.field("messages")?;
    memmem::find(messages, b"developer")?;
    // a message that is no object is the provider's to refuse
    let messages: Vec<Message<'_>> = serde_json::from_slice(messages).ok()?;
    let roles = messages.into_iter().filter_map(|message| message.role);
    let patches: Vec<(Range<usize>, Vec<u8>)> = roles
        .filter(|said| {
            serde_json::from_str::<Cow<'_, str>>(said.get()).is_ok_and(|said| said == "developer")
        })
        .map(|said| (place(&call.body, said.get()), quoted(role)))
        .collect();
    (!patches.is_empty()).then_some(Change::Patch(patches))
}

/// A whole answer: one piece.
struct Whole {
    endpoint: Arc<Endpoint>,
    held: Vec<Bytes>,
    tally: Tally,
}

impl Decoder for Whole {
    fn push(&mut self, bytes: Bytes, _: &mut Vec<Piece>) -> Result<(), Failure> {
        self.held.push(bytes);
        Ok(())
    }

    fn end(&mut self, pieces: &mut Vec<Piece>) -> Result<(), Failure> {
        let mut held = std::mem::take(&mut self.held);
        let bytes = if held.len() == 1 { held.swap_remove(0) } else { held.concat().into() };
        let answer: Answer<'_> =
            serde_json::from_slice(&bytes).map_err(|_| Failure::of(AttemptError::Malformed))?;
        let vendor = &self.endpoint.vendor;
        if answer.error.is_some() || answer.choices.failed {
            return Err(failure_inside(vendor, &bytes));
        }
        if answer.choices.count == 0 && answer.data.is_none() {
            return Err(Failure::of(AttemptError::Malformed));
        }
        if answer.choices.finished.iter().any(|reason| failed(vendor, reason)) {
            return Err(Failure::of(AttemptError::Server));
        }
        self.tally.content_bytes = answer.choices.weight.bytes;
        enter_if_said(answer.usage, vendor, &mut self.tally);
        pieces.push(Piece::new(bytes, PieceKind::Terminal));
        Ok(())
    }

    fn tally(&self) -> &Tally {
        &self.tally
    }
}

/// Enters a usage object that says something: some providers send nulls on the way, and some zeros
/// for models that they do not count.
fn enter_if_said(usage: Option<&RawValue>, vendor: &Vendor, tally: &mut Tally) {
    let usage: Option<Usage> = usage.and_then(|usage| serde_json::from_str(usage.get()).ok()?);
    if let Some(usage) = usage {
        let said = [usage.prompt_tokens, usage.completion_tokens];
        if said.into_iter().flatten().any(|tokens| tokens > 0) {
            enter(&usage, vendor, tally);
        }
    }
}

/// A failure told inside an answer of status 200. Something was answered already, so asking the
/// same target again is not the first thing to try.
fn failure_inside(vendor: &Vendor, body: &[u8]) -> Failure {
    let said = wire::error(body);
    let status = said.code.parse().ok().filter(|code| (400..=599).contains(code));
    let error = match (status, said.kind.as_str(), said.code.as_str()) {
        (Some(status), ..) => failure::meaning(vendor, status, &said),
        (None, "invalid_request_error", _) | (None, _, "invalid-argument" | "invalid_request") => {
            failure::meaning(vendor, 400, &said)
        }
        (None, _, code) if code.starts_with("rate_limit") => AttemptError::RateLimit,
        (None, ..) => failure::meaning(vendor, 500, &said),
    };
    let failure = Failure::of(error);
    match failure.next {
        Next::Same => Failure { next: Next::Target, ..failure },
        Next::Nothing | Next::Target => failure,
    }
}

fn failed(vendor: &Vendor, finish: &str) -> bool {
    vendor.failed_finish.iter().any(|bad| bad == finish)
}
