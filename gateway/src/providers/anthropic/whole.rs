//! Anthropic's whole answer.

use std::sync::Arc;

use bytes::Bytes;
use schemas::event::AttemptError;

use super::failure_inside;
use super::said::Said;
use super::wire::{Message, is_error};
use crate::providers::held::Held;
use crate::providers::{Decoder, Endpoint, Failure, Piece, PieceKind, Wanted};
use crate::reply::Tally;

/// A whole answer: one piece.
pub(super) struct Whole {
    endpoint: Arc<Endpoint>,
    held: Held,
    said: Said,
}

impl Whole {
    pub(super) fn new(endpoint: Arc<Endpoint>, wanted: Wanted) -> Self {
        Self { endpoint, held: Held::default(), said: Said::new(wanted) }
    }
}

impl Decoder for Whole {
    fn push(&mut self, bytes: Bytes, _: &mut Vec<Piece>) -> Result<(), Failure> {
        self.held.push(bytes);
        Ok(())
    }

    fn end(&mut self, pieces: &mut Vec<Piece>) -> Result<(), Failure> {
        let bytes = self.held.take();
        let message: Message<'_> =
            serde_json::from_slice(&bytes).map_err(|_| Failure::of(AttemptError::Malformed))?;
        if is_error(&message.kind, message.error) {
            return Err(failure_inside(&self.endpoint.vendor, &bytes));
        }
        let Some(content) = message.content else {
            return Err(Failure::of(AttemptError::Malformed));
        };
        let said = &mut self.said;
        said.start(message.id, message.model);
        for (index, block) in (0..).zip(&content) {
            said.begin(index, block);
            said.stop(index);
        }
        let reason = message.stop_reason.unwrap_or_else(|| "end_turn".to_owned());
        said.finish(reason, message.stop_sequence, message.stop_details);
        if let Some(usage) = message.usage {
            said.used(usage, true);
        }
        let deltas = std::mem::take(&mut said.deltas);
        pieces.push(Piece { bytes, kind: PieceKind::Terminal, deltas });
        Ok(())
    }

    fn tally(&self) -> &Tally {
        &self.said.tally
    }
}
