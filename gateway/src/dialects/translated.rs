//! A provider's answer as a client of another format is shown it.

use bytes::Bytes;

use super::Renderer;
use crate::call::Call;
use crate::providers::{Decoder, Failure, Piece, PieceKind};
use crate::reply::Tally;
use crate::routing::Target;

/// A decoder whose pieces are in the client's format.
pub struct Translated {
    decoder: Box<dyn Decoder>,
    renderer: Box<dyn Renderer>,
    read: Vec<Piece>,
    /// The call's input tokens, told where the provider counts none.
    input: i64,
}

impl Translated {
    /// Shows what `decoder` reads to the client of the call.
    pub fn new(decoder: Box<dyn Decoder>, call: &Call, target: &Target) -> Self {
        let renderer = call.dialect.speech().renderer(call, target);
        Self { decoder, renderer, read: Vec::new(), input: call.estimated_input() }
    }

    fn show(&mut self, pieces: &mut Vec<Piece>) {
        for piece in self.read.drain(..) {
            let mut out = Vec::new();
            for delta in piece.deltas {
                self.renderer.show(delta, &mut out);
            }
            match piece.kind {
                // the relay says it in the client's own words
                PieceKind::Failed => continue,
                PieceKind::Terminal => {
                    let tally = self.decoder.tally().clone().or_input(self.input);
                    self.renderer.end(&tally, &mut out);
                }
                PieceKind::Preamble | PieceKind::Content | PieceKind::Closing => {}
            }
            pieces.push(Piece::new(Bytes::from(out), piece.kind));
        }
    }
}

impl Decoder for Translated {
    fn push(&mut self, bytes: Bytes, pieces: &mut Vec<Piece>) -> Result<(), Failure> {
        let read = self.decoder.push(bytes, &mut self.read);
        self.show(pieces);
        read
    }

    fn end(&mut self, pieces: &mut Vec<Piece>) -> Result<(), Failure> {
        let read = self.decoder.end(&mut self.read);
        self.show(pieces);
        read
    }

    fn tally(&self) -> &Tally {
        self.decoder.tally()
    }
}
