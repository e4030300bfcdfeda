//! Anthropic's whole answer.

use std::sync::Arc;

use bytes::Bytes;
use schemas::event::AttemptError;

use super::failure_inside;
use super::said::Said;
use super::wire::{Message, is_error};
use crate::providers::held::Collected;
use crate::providers::{Endpoint, Failure, Piece, PieceKind, Wanted};
use crate::reply::Tally;

/// A whole answer: one piece.
pub(super) struct Whole {
    endpoint: Arc<Endpoint>,
    said: Said,
}

impl Whole {
    pub(super) fn new(endpoint: Arc<Endpoint>, wanted: Wanted) -> Self {
        Self { endpoint, said: Said::new(wanted) }
    }
}

impl Collected for Whole {
    fn whole(&mut self, bytes: Bytes, pieces: &mut Vec<Piece>) -> Result<(), Failure> {
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
