//! OpenAI's chat completions and embeddings, to OpenAI and to vendors that speak the same format.
//!
//! The client speaks it too, so its bytes go out as they are but for the fields that must change,
//! and the provider's bytes come back but for what was there only because the hub asked for it.

use bytes::Bytes;
use memchr::memmem;
use schemas::event::{AttemptError, Operation};

use super::edit::{Change, edit};
use super::openai_usage::enter;
use super::openai_wire::{Answer, Usage};
use super::{Decoder, Failure, Outbound, Piece, PieceKind};
use crate::call::Call;
use crate::error::{Error, Kind};
use crate::reply::Tally;
use crate::routing::Target;
use crate::streaming::sse::Splitter;

/// The request to the target.
///
/// # Errors
/// The target can't do this: another one may.
pub fn encode(call: &Call, target: &Target) -> Result<Outbound, Error> {
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
    if call.model != target.model {
        changes.push(("model", Change::Set(quoted(target.model.as_str()))));
    }
    let dropped = vendor.drop.iter().chain(model.into_iter().flat_map(|model| &model.drop));
    changes.extend(dropped.map(|name| (name.as_str(), Change::Drop)));
    let renamed = vendor.rename.iter().chain(model.into_iter().flat_map(|model| &model.rename));
    for (from, to) in renamed {
        // the name that the vendor knows wins if both are there
        let change = if call.field(to).is_some() { Change::Drop } else { Change::Rename(to.clone()) };
        changes.push((from.as_str(), change));
    }
    if call.stream && vendor.include_usage && !call.usage_wanted {
        changes.push(("stream_options", Change::Set(br#"{"include_usage":true}"#.to_vec())));
    }
    if let (true, Some(most)) = (call.capped, call.max_output) {
        changes.push((vendor.max_output_field.as_str(), Change::Set(most.to_string().into_bytes())));
    }
    let messages = vendor.developer_role.as_deref().and_then(|role| with_role(call, role));
    changes.extend(messages.map(|messages| ("messages", Change::Set(messages))));
    Ok(Outbound { uri, body: edit(&call.body, &call.fields, &changes) })
}

fn quoted(text: &str) -> Vec<u8> {
    serde_json::Value::from(text).to_string().into_bytes()
}

/// The messages with the role `developer` called `role`; `None` when there is none.
fn with_role(call: &Call, role: &str) -> Option<Vec<u8>> {
    let messages = call.field("messages")?;
    memmem::find(messages, b"\"developer\"")?;
    let mut messages: Vec<serde_json::Value> = serde_json::from_slice(messages).ok()?;
    for message in &mut messages {
        if let Some(said) = message.get_mut("role").filter(|said| *said == "developer") {
            *said = role.into();
        }
    }
    serde_json::to_vec(&messages).ok()
}

/// A decoder for the answer to `call`.
pub fn decoder(call: &Call, target: &Target, stream: bool) -> Box<dyn Decoder> {
    if stream { Box::new(Stream::new(call, target)) } else { Box::new(Whole::new(target)) }
}

/// A whole answer: one piece.
struct Whole {
    endpoint: std::sync::Arc<super::Endpoint>,
    held: Vec<Bytes>,
    tally: Tally,
}

impl Whole {
    fn new(target: &Target) -> Self {
        Self { endpoint: target.endpoint.clone(), held: Vec::new(), tally: Tally::default() }
    }
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
        if answer.error.is_some_and(|error| error.get() != "null") {
            return Err(failure_inside(vendor, &bytes));
        }
        let choices = answer.choices.unwrap_or_default();
        if choices.is_empty() && answer.data.is_none() {
            return Err(Failure::of(AttemptError::Malformed));
        }
        if choices.iter().any(|choice| failed(vendor, choice.finish_reason.as_deref())) {
            return Err(Failure::of(AttemptError::Server));
        }
        let content = choices.iter().filter_map(|choice| choice.message.as_ref());
        self.tally.content_bytes = content.map(|message| message.content_bytes() as u64).sum();
        if let Some(usage) = answer.usage.and_then(|usage| serde_json::from_str(usage.get()).ok()) {
            enter_if_said(&usage, vendor, &mut self.tally);
        }
        pieces.push(Piece { bytes, kind: PieceKind::Terminal });
        Ok(())
    }

    fn tally(&self) -> &Tally {
        &self.tally
    }
}

/// Some providers send a usage object of nothing but nulls on the way.
fn enter_if_said(usage: &Usage, vendor: &super::compat::Vendor, tally: &mut Tally) {
    if usage.prompt_tokens.is_some() || usage.completion_tokens.is_some() {
        enter(usage, vendor, tally);
    }
}

/// A failure told inside an answer of status 200.
pub(crate) fn failure_inside(_: &super::compat::Vendor, body: &[u8]) -> Failure {
    let said = super::openai_wire::ErrorBody::read(body);
    let error = match (said.code.as_str(), said.kind.as_str()) {
        ("429" | "rate_limit_exceeded", _) => AttemptError::RateLimit,
        ("insufficient_quota", _) | (_, "insufficient_quota") => AttemptError::Credit,
        ("503" | "529", _) => AttemptError::Overload,
        ("400" | "413" | "422", _) | (_, "invalid_request_error") => AttemptError::Caller,
        _ => AttemptError::Server,
    };
    // something was answered already, so asking the same target again is not the first thing to try
    Failure { next: super::Next::Target, ..Failure::of(error) }
}

fn failed(vendor: &super::compat::Vendor, finish: Option<&str>) -> bool {
    finish.is_some_and(|finish| vendor.failed_finish.iter().any(|bad| bad == finish))
}

/// A stream of chunks.
struct Stream {
    endpoint: std::sync::Arc<super::Endpoint>,
    splitter: Splitter,
    /// The hub asked for usage, the client did not: it is taken out again.
    hide_usage: bool,
    choices: i64,
    finished: i64,
    done: bool,
    tally: Tally,
}

impl Stream {
    fn new(call: &Call, target: &Target) -> Self {
        Self {
            endpoint: target.endpoint.clone(),
            splitter: Splitter::default(),
            hide_usage: target.endpoint.vendor.include_usage && !call.usage_wanted,
            choices: call.choices,
            finished: 0,
            done: false,
            tally: Tally::default(),
        }
    }

    fn event(&mut self, bytes: Bytes, data: &Bytes) -> Result<Piece, Failure> {
        if data.is_empty() {
            return Ok(Piece { bytes, kind: PieceKind::Preamble });
        }
        if data.trim_ascii() == b"[DONE]" {
            self.done = true;
            return Ok(Piece { bytes, kind: PieceKind::Terminal });
        }
        let chunk: Answer<'_> =
            serde_json::from_slice(data).map_err(|_| Failure::of(AttemptError::Malformed))?;
        if chunk.error.is_some_and(|error| error.get() != "null") {
            return Err(failure_inside(&self.endpoint.vendor, data));
        }
        let usage = chunk.usage.filter(|usage| usage.get() != "null");
        if let Some(usage) = usage.and_then(|usage| serde_json::from_str(usage.get()).ok()) {
            enter_if_said(&usage, &self.endpoint.vendor, &mut self.tally);
        }
        let choices = chunk.choices.unwrap_or_default();
        let mut content = 0;
        for choice in &choices {
            content += choice.delta.as_ref().map_or(0, super::openai_wire::Delta::content_bytes);
            let finish = choice.finish_reason.as_deref().filter(|finish| !finish.is_empty());
            if failed(&self.endpoint.vendor, finish) {
                return Err(Failure { next: super::Next::Target, ..Failure::of(AttemptError::Server) });
            }
            self.finished += i64::from(finish.is_some());
        }
        self.tally.content_bytes += content as u64;
        let kind = if choices.is_empty() && usage.is_some() || self.finished >= self.choices {
            PieceKind::Closing
        } else if content > 0 {
            PieceKind::Content
        } else {
            PieceKind::Preamble
        };
        let bytes = if self.hide_usage { without_usage(bytes, choices.is_empty(), usage.is_some()) } else { bytes };
        Ok(Piece { bytes, kind })
    }
}

/// Takes out what is there only because the hub asked for usage: the chunk that holds nothing
/// else, and the `"usage":null` of the others.
fn without_usage(bytes: Bytes, no_choices: bool, usage: bool) -> Bytes {
    // inside a JSON string these quotes would be escaped
    const NULL: &[u8] = b",\"usage\":null";
    if no_choices && usage {
        return Bytes::new();
    }
    match memmem::find(&bytes, NULL) {
        Some(at) => [bytes.get(..at), bytes.get(at + NULL.len()..)].map(Option::unwrap_or_default).concat().into(),
        None => bytes,
    }
}

impl Decoder for Stream {
    fn push(&mut self, bytes: Bytes, pieces: &mut Vec<Piece>) -> Result<(), Failure> {
        let mut events = Vec::new();
        let split = self.splitter.push(bytes, |event| events.push(event));
        for event in events {
            if self.done {
                break; // nothing that counts comes behind the terminator
            }
            let data = event.data();
            pieces.push(self.event(event.bytes, &data)?);
        }
        split.map_err(|_| Failure::of(AttemptError::Malformed))
    }

    fn end(&mut self, pieces: &mut Vec<Piece>) -> Result<(), Failure> {
        if let Some(event) = self.splitter.rest().filter(|_| !self.done) {
            let data = event.data();
            // only the terminator may lack its empty line: a cut event is no event
            if data.trim_ascii() == b"[DONE]" {
                pieces.push(self.event(event.bytes, &data)?);
            }
        }
        if self.done { Ok(()) } else { Err(Failure::of(AttemptError::Broken)) }
    }

    fn tally(&self) -> &Tally {
        &self.tally
    }
}
