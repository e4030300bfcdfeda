//! A whole answer.

use std::sync::Arc;

use bytes::Bytes;
use schemas::event::AttemptError;

use super::error;
use super::usage::{enter, finish, weigh};
use super::wire::{Answer, Block, Citation, Image};
use crate::call::chat::Source;
use crate::providers::held::Collected;
use crate::providers::{Endpoint, Failure, Piece, PieceKind, Wanted, Wire};
use crate::reply::{Delta, Signature, Tally};

/// A whole answer: one piece.
pub(super) struct Whole {
    endpoint: Arc<Endpoint>,
    wanted: Wanted,
    tally: Tally,
}

impl Whole {
    pub(super) fn new(endpoint: Arc<Endpoint>, wanted: Wanted) -> Self {
        Self { endpoint, wanted, tally: Tally::default() }
    }
}

impl Collected for Whole {
    fn whole(&mut self, bytes: Bytes, pieces: &mut Vec<Piece>) -> Result<(), Failure> {
        let answer: Answer<'_> =
            serde_json::from_slice(&bytes).map_err(|_| Failure::of(AttemptError::Malformed))?;
        if self.endpoint.vendor.failed_finish.iter().any(|bad| *bad == *answer.stop_reason) {
            return Err(error::failed());
        }
        let mut deltas = vec![Delta::Start { id: None, model: None }];
        let mut calls = 0;
        for block in answer.output.message.content {
            read(block, &mut calls, &mut self.tally, &mut deltas);
        }
        deltas.push(Delta::Finish { choice: 0, reason: finish(&answer.stop_reason) });
        if let Some(usage) = &answer.usage {
            enter(usage, &mut self.tally);
        }
        let mut piece = Piece::new(bytes, PieceKind::Terminal);
        if self.wanted == Wanted::Deltas {
            piece.deltas = deltas;
        }
        pieces.push(piece);
        Ok(())
    }

    fn tally(&self) -> &Tally {
        &self.tally
    }
}

fn read(block: Block<'_>, calls: &mut u32, tally: &mut Tally, deltas: &mut Vec<Delta>) {
    let mut say = |text: &str| {
        weigh(tally, text);
        text.to_owned()
    };
    if let Some(text) = block.text.filter(|text| !text.is_empty()) {
        deltas.push(Delta::Text { choice: 0, text: say(&text) });
    }
    if let Some(reasoning) = block.reasoning_content {
        if let Some(thought) = reasoning.reasoning_text {
            if !thought.text.is_empty() {
                deltas.push(Delta::Reasoning { choice: 0, text: say(&thought.text) });
            }
            let proof = thought.signature.filter(|proof| !proof.is_empty());
            deltas.extend(proof.map(|proof| signed(&proof)));
        }
        deltas.extend(reasoning.redacted_content.map(|sealed| redacted(&sealed)));
    }
    // what the vendor runs itself is not for the client to run
    if let Some(call) = block.tool_use.filter(|call| call.kind.is_none()) {
        let (index, id, name) = (*calls, call.tool_use_id.into_owned(), say(&call.name));
        *calls += 1;
        let json = say(call.input.map_or("{}", |input| input.get()));
        deltas.push(Delta::ToolCall { choice: 0, index, id, name, signature: None });
        deltas.push(Delta::Arguments { choice: 0, index, json });
    }
    if let Some(cited) = block.citations_content {
        for text in cited.content.into_iter().filter_map(|part| part.text) {
            deltas.push(Delta::Text { choice: 0, text: say(&text) });
        }
        deltas.extend(cited.citations.into_iter().filter_map(citation));
    }
    deltas.extend(block.image.and_then(|image| {
        let format = image.format.to_string();
        picture(image, &format)
    }));
}

pub(super) fn signed(proof: &str) -> Delta {
    Delta::Signature { choice: 0, signature: Signature::new(Wire::Bedrock, proof) }
}

pub(super) fn redacted(sealed: &str) -> Delta {
    Delta::Redacted { choice: 0, signature: Signature::new(Wire::Bedrock, sealed) }
}

/// Only what is in the web has an address.
pub(super) fn citation(citation: Citation<'_>) -> Option<Delta> {
    let url = citation.location?.web?.url?.into_owned();
    Some(Delta::Citation { choice: 0, url, title: citation.title.map(|title| title.into_owned()) })
}

pub(super) fn picture(image: Image<'_>, format: &str) -> Option<Delta> {
    let base64 = image.source?.bytes?.into_owned();
    let source = Source::Data { media_type: format!("image/{format}"), base64 };
    Some(Delta::Image { choice: 0, source })
}
