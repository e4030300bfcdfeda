//! What an answer says, in no vendor's format.

use std::collections::BTreeMap;

use schemas::event::AttemptError;
use serde_json::{Map, Value};

use super::message::{Choice, Function, Image, Message, Told, ToolCall, words};
use super::vectors;
use crate::call::Call;
use crate::call::chat::Source;
use crate::providers::{Failure, Wire};
use crate::reply::{Delta, Finish, Signature};

/// Reads an answer, chunk by chunk or whole.
pub(super) struct Reading {
    /// Ids of calls that have none are made of it.
    seed: u64,
    started: bool,
    choices: BTreeMap<u32, State>,
}

/// How far a choice is.
#[derive(Default)]
struct State {
    calls: Vec<Known>,
    refused: bool,
    finished: bool,
}

/// A call that has begun.
struct Known {
    index: Option<u32>,
    id: Option<String>,
}

impl Reading {
    pub(super) fn new(call: &Call) -> Self {
        Self { seed: call.id.seed(), started: false, choices: BTreeMap::new() }
    }

    /// A chunk, or a whole answer.
    pub(super) fn read(&mut self, data: &[u8], out: &mut Vec<Delta>) -> Result<(), Failure> {
        let told: Told<'_> = told(data)?;
        self.start(told.id, told.model, out);
        for url in told.citations.into_iter().flatten() {
            if !self.choices.get(&0).is_some_and(|state| state.finished) {
                out.push(Delta::Citation { choice: 0, url, title: None });
            }
        }
        for (at, choice) in told.choices.into_iter().flatten().enumerate() {
            self.choice(u32::try_from(at).unwrap_or(0), choice, out);
        }
        Ok(())
    }

    /// Embeddings.
    pub(super) fn vectors(
        &mut self,
        answer: &[u8],
        data: &str,
        out: &mut Vec<Delta>,
    ) -> Result<(), Failure> {
        let told: Told<'_> = told(answer)?;
        self.start(told.id, told.model, out);
        vectors::read(data, out)
    }

    /// Images.
    pub(super) fn images(
        &mut self,
        answer: &[u8],
        images: Vec<super::images::Image>,
        out: &mut Vec<Delta>,
    ) -> Result<(), Failure> {
        let told: Told<'_> = told(answer)?;
        self.start(told.id, told.model, out);
        out.extend(images.into_iter().map(super::images::Image::delta));
        self.choices.entry(0).or_default();
        Ok(())
    }

    /// The answer ended: so did the choices that said nothing of it.
    pub(super) fn close(&mut self, out: &mut Vec<Delta>) {
        for (choice, state) in &mut self.choices {
            state.finish(*choice, "stop", out);
        }
    }

    fn start(&mut self, id: Option<String>, model: Option<String>, out: &mut Vec<Delta>) {
        if !self.started {
            self.started = true;
            let said = |text: Option<String>| text.filter(|text| !text.is_empty());
            out.push(Delta::Start { id: said(id), model: said(model) });
        }
    }

    fn choice(&mut self, at: u32, said: Choice<'_>, out: &mut Vec<Delta>) {
        let choice = said.index.unwrap_or(at);
        let state = self.choices.entry(choice).or_default();
        if state.finished {
            return;
        }
        let (delta, message) = (said.delta, said.message);
        for message in delta.into_iter().chain(message) {
            state.message(choice, message, self.seed, out);
        }
        if let Some(value) = said.logprobs.filter(|value| !value.is_null()) {
            out.push(Delta::Own { choice, name: "logprobs".into(), value });
        }
        if let Some(reason) = said.finish_reason.filter(|reason| !reason.is_empty()) {
            state.finish(choice, &reason, out);
        }
    }
}

fn told(data: &[u8]) -> Result<Told<'_>, Failure> {
    serde_json::from_slice(data).map_err(|_| Failure::of(AttemptError::Malformed))
}

impl State {
    fn message(&mut self, choice: u32, message: Message<'_>, seed: u64, out: &mut Vec<Delta>) {
        let said = |text: Option<String>| text.filter(|text| !text.is_empty());
        let thought = said(message.reasoning_content).or(said(message.reasoning));
        thoughts(choice, thought, message.reasoning_details.unwrap_or_default(), out);
        let text = words(message.content);
        if !text.is_empty() {
            out.push(Delta::Text { choice, text });
        }
        if let Some(text) = said(message.refusal) {
            self.refused = true;
            out.push(Delta::Refusal { choice, text });
        }
        for (at, call) in message.tool_calls.into_iter().flatten().enumerate() {
            self.call(choice, at, call, seed, out);
        }
        if let Some(function) = message.function_call {
            let call = ToolCall {
                index: Some(0),
                id: None,
                function: Some(function),
                extra_content: None,
            };
            self.call(choice, 0, call, seed, out);
        }
        for Image { image_url } in message.images.into_iter().flatten() {
            out.push(Delta::Image { choice, source: source(image_url.url) });
        }
        for annotation in message.annotations.into_iter().flatten() {
            if let Some(cited) = annotation.url_citation {
                out.push(Delta::Citation { choice, url: cited.url, title: cited.title });
            }
        }
        if let Some(value) = message.audio.filter(|value| !value.is_null()) {
            out.push(Delta::Own { choice, name: "audio".into(), value });
        }
    }

    /// A call, or more of one. Some vendors leave the index out, some say the same for all: a new
    /// id is a new call.
    fn call(
        &mut self,
        choice: u32,
        at: usize,
        call: ToolCall<'_>,
        seed: u64,
        out: &mut Vec<Delta>,
    ) {
        let id = call.id.filter(|id| !id.is_empty());
        let index = call.index.or_else(|| u32::try_from(at).ok());
        let other = |known: &Known| id.is_some() && known.id != id;
        let found = match (call.index, &id) {
            (None, Some(_)) => self.calls.iter().rposition(|known| known.id == id),
            (None, None) if at == 0 => self.calls.len().checked_sub(1),
            _ => self.calls.iter().rposition(|known| known.index == index),
        };
        let found = found.filter(|at| !self.calls.get(*at).is_some_and(other));
        let function = call.function.unwrap_or_default();
        let json = function.json();
        let at = found.unwrap_or(self.calls.len());
        let place = u32::try_from(at).unwrap_or(u32::MAX);
        if found.is_none() {
            let signature = call.extra_content.as_ref().and_then(thought_signature);
            let Function { name, .. } = function;
            out.push(Delta::ToolCall {
                choice,
                index: place,
                id: id.clone().unwrap_or_else(|| format!("call_{seed:016x}_{place}")),
                name: name.unwrap_or_default(),
                signature,
            });
            self.calls.push(Known { index, id });
        }
        if !json.is_empty() {
            out.push(Delta::Arguments { choice, index: place, json });
        }
    }

    fn finish(&mut self, choice: u32, reason: &str, out: &mut Vec<Delta>) {
        if std::mem::replace(&mut self.finished, true) {
            return;
        }
        let reason = match reason {
            // with a call that it was told to make, the model is said to be done as well
            "stop" if !self.calls.is_empty() => Finish::ToolCalls,
            "stop" if self.refused => Finish::Refusal,
            "stop" => Finish::Stop,
            "length" => Finish::Length,
            "tool_calls" | "function_call" => Finish::ToolCalls,
            "content_filter" => Finish::ContentFilter,
            other => Finish::Other(other.to_owned()),
        };
        out.push(Delta::Finish { choice, reason });
    }
}

/// Thoughts and their proofs. What OpenRouter says in detail is said beside it as one text, too.
fn thoughts(
    choice: u32,
    thought: Option<String>,
    details: Vec<Map<String, Value>>,
    out: &mut Vec<Delta>,
) {
    let words = |detail: &Map<String, Value>| {
        let text = ["text", "summary"].iter().find_map(|name| detail.get(*name)?.as_str());
        text.filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let in_detail = details.iter().any(|detail| words(detail).is_some());
    if let Some(text) = thought.filter(|_| !in_detail) {
        out.push(Delta::Reasoning { choice, text });
    }
    for detail in details {
        if let Some(text) = words(&detail) {
            out.push(Delta::Reasoning { choice, text });
        }
        let said = |name: &str| detail.get(name)?.as_str().filter(|text| !text.is_empty());
        if let Some(proof) = said("signature") {
            let signature = proof_of(proof, &detail);
            out.push(Delta::Signature { choice, signature });
        } else if let Some(sealed) = said("data") {
            let signature = proof_of(sealed, &detail);
            out.push(Delta::Redacted { choice, signature });
        }
    }
}

/// A proof that stands in a detail of the reasoning. Details go back unchanged, so what else they
/// say is carried along, as JSON.
fn proof_of(proof: &str, detail: &Map<String, Value>) -> Signature {
    let apart = ["type", "text", "summary", "signature", "data", "index"];
    let plain = detail.iter().all(|(name, value)| value.is_null() || apart.contains(&&**name));
    if plain {
        return Signature::new(Wire::OpenAi, proof);
    }
    let mut carried = detail.clone();
    ["text", "summary", "index"].iter().for_each(|name| drop(carried.remove(*name)));
    Signature::new(Wire::OpenAi, Value::Object(carried).to_string())
}

fn thought_signature(extra: &Value) -> Option<Signature> {
    let text = extra.pointer("/google/thought_signature")?.as_str()?;
    Some(Signature::new(Wire::OpenAi, text))
}

/// An address, or data in one.
pub(super) fn source(url: String) -> Source {
    let data = url.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,"));
    match data {
        Some((media_type, base64)) => {
            Source::Data { media_type: media_type.to_owned(), base64: base64.to_owned() }
        }
        None => Source::Url { url, media_type: None },
    }
}
