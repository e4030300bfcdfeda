//! Anthropic's stream of events.

use std::sync::Arc;

use bytes::Bytes;
use schemas::event::AttemptError;

use super::failure_inside;
use super::said::Said;
use super::wire::{Event, is_error};
use crate::providers::{Decoder, Endpoint, Failure, Piece, PieceKind, Wanted};
use crate::reply::Tally;
use crate::streaming::sse::{self, Splitter};

/// A stream of events.
pub(super) struct Stream {
    endpoint: Arc<Endpoint>,
    splitter: Splitter,
    said: Said,
    done: bool,
}

impl Stream {
    pub(super) fn new(endpoint: Arc<Endpoint>, wanted: Wanted) -> Self {
        Self { endpoint, splitter: Splitter::default(), said: Said::new(wanted), done: false }
    }

    fn event(&mut self, frame: sse::Event, pieces: &mut Vec<Piece>) -> Result<(), Failure> {
        let data = frame.data();
        let bytes = frame.bytes;
        if data.trim_ascii().is_empty() {
            pieces.push(Piece::new(bytes, PieceKind::Preamble));
            return Ok(());
        }
        let event: Event<'_> =
            serde_json::from_slice(&data).map_err(|_| Failure::of(AttemptError::Malformed))?;
        if is_error(&event.kind, event.error) {
            pieces.push(Piece::new(bytes, PieceKind::Failed));
            return Err(failure_inside(&self.endpoint.vendor, &data));
        }
        let kind = self.read(event);
        let deltas = std::mem::take(&mut self.said.deltas);
        pieces.push(Piece { bytes, kind, deltas });
        Ok(())
    }

    fn read(&mut self, event: Event<'_>) -> PieceKind {
        let said = &mut self.said;
        let is_content = match (&*event.kind, event.content_block, event.delta) {
            ("message_start", ..) => {
                if let Some(message) = event.message {
                    if let Some(usage) = message.usage {
                        said.used(usage, false);
                    }
                    said.start(message.id, message.model);
                }
                false
            }
            ("content_block_start", Some(block), _) => said.begin(event.index, &block),
            ("content_block_delta", _, Some(step)) => said.step(event.index, &step),
            ("content_block_stop", ..) => {
                said.stop(event.index);
                false
            }
            ("message_delta", _, step) => {
                if let Some(usage) = event.usage {
                    said.used(usage, true);
                }
                let Some((step, reason)) =
                    step.and_then(|mut step| step.stop_reason.take().map(|reason| (step, reason)))
                else {
                    return PieceKind::Preamble;
                };
                said.finish(reason, step.stop_sequence, step.stop_details);
                return PieceKind::Closing;
            }
            ("message_stop", ..) => {
                self.done = true;
                return PieceKind::Terminal;
            }
            // a ping, or what is not known yet
            _ => return PieceKind::Preamble,
        };
        said.grew();
        if is_content { PieceKind::Content } else { PieceKind::Preamble }
    }
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

    fn end(&mut self, pieces: &mut Vec<Piece>) -> Result<(), Failure> {
        if let Some(event) = self.splitter.rest().filter(|_| !self.done) {
            // only the terminator may lack its empty line: a cut event is no event
            let data = event.data();
            let kind = serde_json::from_slice::<super::wire::Kind<'_>>(&data);
            if kind.is_ok_and(|kind| kind.kind == "message_stop") {
                self.event(event, pieces)?;
            }
        }
        if self.done { Ok(()) } else { Err(Failure::of(AttemptError::Broken)) }
    }

    fn tally(&self) -> &Tally {
        &self.said.tally
    }
}
