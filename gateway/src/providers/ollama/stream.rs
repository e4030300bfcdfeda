//! Ollama's stream: an object a line.

use std::sync::Arc;

use bytes::Bytes;
use schemas::event::AttemptError;

use super::answer::Reader;
use super::failure_inside;
use super::wire::Answer;
use crate::call::Call;
use crate::providers::{Decoder, Endpoint, Failure, Piece, PieceKind, Wanted};
use crate::reply::Tally;
use crate::routing::Target;
use crate::streaming::lines::Splitter;

/// A stream of lines.
pub(super) struct Stream {
    endpoint: Arc<Endpoint>,
    wanted: Wanted,
    splitter: Splitter,
    reader: Reader,
    done: bool,
}

impl Stream {
    pub(super) fn new(call: &Call, target: &Target, wanted: Wanted) -> Self {
        Self {
            endpoint: Arc::clone(&target.endpoint),
            wanted,
            splitter: Splitter::default(),
            reader: Reader::new(call, wanted),
            done: false,
        }
    }

    fn line(&mut self, line: Bytes, pieces: &mut Vec<Piece>) -> Result<(), Failure> {
        let mut deltas = Vec::new();
        let kind = if line.trim_ascii().is_empty() {
            PieceKind::Preamble
        } else {
            let answer: Answer<'_> =
                serde_json::from_slice(&line).map_err(|_| Failure::of(AttemptError::Malformed))?;
            if answer.error.is_some() {
                let failure = failure_inside(&self.endpoint.vendor, &line);
                pieces.push(Piece::new(line, PieceKind::Failed));
                return Err(failure);
            }
            self.reader.read(answer, &mut deltas)
        };
        self.done = kind == PieceKind::Terminal;
        let bytes = if self.wanted == Wanted::Bytes { line } else { Bytes::new() };
        pieces.push(Piece { bytes, kind, deltas });
        Ok(())
    }
}

impl Decoder for Stream {
    fn push(&mut self, bytes: Bytes, pieces: &mut Vec<Piece>) -> Result<(), Failure> {
        self.splitter.push(bytes);
        while let Some(line) = self.splitter.line()? {
            // nothing that counts comes behind the terminator
            if !self.done {
                self.line(line, pieces)?;
            }
        }
        Ok(())
    }

    fn end(&mut self, pieces: &mut Vec<Piece>) -> Result<(), Failure> {
        if let Some(line) = self.splitter.rest().filter(|_| !self.done) {
            // the last line may lack its ending; one that was cut is no JSON
            match self.line(line, pieces) {
                Err(failure) if failure.error == AttemptError::Malformed => {}
                read => read?,
            }
        }
        if self.done { Ok(()) } else { Err(Failure::of(AttemptError::Broken)) }
    }

    fn tally(&self) -> &Tally {
        &self.reader.tally
    }
}
