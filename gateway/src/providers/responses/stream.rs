//! A stream of typed events.

use bytes::Bytes;
use schemas::event::AttemptError;

use super::failure;
use super::items::cite;
use super::reader::{Reader, Said};
use super::wire::{Annotation, Event, Item, Response, text};
use crate::providers::{Decoder, Failure, Piece, PieceKind};
use crate::reply::Tally;
use crate::streaming::sse;

/// A stream of typed events.
pub(super) struct Stream {
    reader: Reader,
    splitter: sse::Splitter,
    done: bool,
}

impl Stream {
    pub(super) fn new(reader: Reader) -> Self {
        Self { reader, splitter: sse::Splitter::default(), done: false }
    }

    fn event(&mut self, event: sse::Event, pieces: &mut Vec<Piece>) -> Result<(), Failure> {
        let data = event.data();
        let trimmed = data.trim_ascii();
        if trimmed.is_empty() || trimmed == b"[DONE]" {
            pieces.push(Piece::new(event.bytes, PieceKind::Preamble));
            return Ok(());
        }
        let said: Event<'_> =
            serde_json::from_slice(&data).map_err(|_| Failure::of(AttemptError::Malformed))?;
        let kind = match self.read(&said, &data) {
            Ok(kind) => kind,
            Err(failure) => {
                pieces.push(Piece::new(event.bytes, PieceKind::Failed));
                return Err(failure);
            }
        };
        self.done = kind == PieceKind::Terminal;
        pieces.push(Piece { bytes: event.bytes, kind, deltas: self.reader.take() });
        Ok(())
    }

    fn read(&mut self, said: &Event<'_>, data: &[u8]) -> Result<PieceKind, Failure> {
        let at = said.output_index.unwrap_or(0);
        let reader = &mut self.reader;
        let delta = || text(said.delta).unwrap_or_default();
        let content = match &*said.kind {
            "response.created" | "response.queued" | "response.in_progress" => {
                if reader.is_new() {
                    reader.start(&response(said)?);
                }
                false
            }
            "response.output_text.delta" => {
                let content = reader.say(at, Said::Text, &delta());
                reader.logprobs(said.logprobs);
                content
            }
            "response.refusal.delta" => reader.say(at, Said::Refusal, &delta()),
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
                reader.say(at, Said::Thoughts, &delta())
            }
            "response.reasoning_summary_part.added" => {
                if said.summary_index.is_some_and(|index| index > 0) {
                    reader.part(at);
                }
                false
            }
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                reader.arguments(at, &delta(), false)
            }
            "response.function_call_arguments.done" => {
                reader.arguments(at, &text(said.arguments).unwrap_or_default(), true)
            }
            "response.output_item.added" => {
                let item =
                    said.item.and_then(|raw| serde_json::from_str::<Item<'_>>(raw.get()).ok());
                item.is_some_and(|item| begins(reader, at, &item))
            }
            "response.output_item.done" => said.item.is_some_and(|item| reader.item(at, item)),
            "response.output_text.annotation.added" => {
                let raw = said.annotation.map(serde_json::value::RawValue::get);
                if let Some(Ok(annotation)) = raw.map(serde_json::from_str::<Annotation<'_>>) {
                    cite(reader, &annotation);
                }
                false
            }
            // xAI calls the first of these by another name, too
            "response.completed" | "response.done" | "response.incomplete" => {
                let whole = response(said)?;
                if reader.is_empty() {
                    reader.start(&whole);
                    for (at, item) in (0..).zip(whole.output.iter().flatten()) {
                        reader.item(at, item);
                    }
                }
                reader.finish(&whole, data)?;
                return Ok(PieceKind::Terminal);
            }
            "response.failed" | "error" => return Err(failure::of_event(reader.vendor(), data)),
            _ if said.error.is_some_and(|error| error.get() != "null") => {
                return Err(failure::of_event(reader.vendor(), data));
            }
            _ => false,
        };
        Ok(if content { PieceKind::Content } else { PieceKind::Preamble })
    }
}

/// An item begins; tells whether it is content. What the vendor's own tools do is: it costs, and
/// takes long, so that there is no other attempt after it.
fn begins(reader: &mut Reader, at: u32, item: &Item<'_>) -> bool {
    match &*item.kind {
        "function_call" | "custom_tool_call" => reader.call(at, item),
        "message" | "reasoning" | "" => return false,
        _ => {}
    }
    true
}

fn response<'a>(said: &Event<'a>) -> Result<Response<'a>, Failure> {
    let malformed = || Failure::of(AttemptError::Malformed);
    serde_json::from_str(said.response.ok_or_else(malformed)?.get()).map_err(|_| malformed())
}

impl Decoder for Stream {
    fn push(&mut self, bytes: Bytes, pieces: &mut Vec<Piece>) -> Result<(), Failure> {
        self.splitter.push(bytes);
        while let Some(event) = self.splitter.event()? {
            // nothing that counts comes behind the terminator
            if !self.done {
                self.event(event, pieces)?;
            }
        }
        Ok(())
    }

    fn end(&mut self, _: &mut Vec<Piece>) -> Result<(), Failure> {
        // an event without its empty line is cut, and no event
        if self.done { Ok(()) } else { Err(Failure::of(AttemptError::Broken)) }
    }

    fn tally(&self) -> &Tally {
        &self.reader.tally
    }
}
