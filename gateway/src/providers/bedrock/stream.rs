//! A stream of frames.

use std::sync::Arc;

use bytes::Bytes;
use schemas::event::AttemptError;
use serde::Deserialize;

use super::error;
use super::usage::{enter, finish, weigh};
use super::whole::{citation, picture, redacted, signed};
use super::wire::{BlockDelta, BlockStart, BlockStop, MessageStop, Metadata, More};
use crate::providers::{Decoder, Endpoint, Failure, Piece, PieceKind, Wanted};
use crate::reply::{Delta, Tally};
use crate::streaming::frames::{Frame, FrameKind, Frames};

/// A stream of frames. It ends with usage behind the stop; where that is missing, with the bytes.
pub(super) struct Stream {
    endpoint: Arc<Endpoint>,
    wanted: Wanted,
    frames: Frames,
    /// The calls of tools so far.
    calls: u32,
    /// The block that is a call or an image, while it is open.
    open: Option<Open>,
    stopped: bool,
    done: bool,
    tally: Tally,
}

struct Open {
    block: u32,
    what: What,
}

enum What {
    /// A call, and whether it has arguments.
    Call(u32, bool),
    /// An image of this format.
    Image(String),
    /// Something that the vendor runs itself.
    Hidden,
}

/// What a frame says.
struct Says {
    wanted: Wanted,
    deltas: Vec<Delta>,
    /// Whether it says anything: deltas are made only where they are wanted.
    any: bool,
}

impl Says {
    fn say(&mut self, delta: impl FnOnce() -> Delta) {
        self.any = true;
        if self.wanted == Wanted::Deltas {
            self.deltas.push(delta());
        }
    }

    /// What had to be made to know whether it is any.
    fn maybe(&mut self, delta: Option<Delta>) {
        if let Some(delta) = delta {
            self.say(|| delta);
        }
    }
}

impl Stream {
    pub(super) fn new(endpoint: Arc<Endpoint>, wanted: Wanted) -> Self {
        Self {
            endpoint,
            wanted,
            frames: Frames::default(),
            calls: 0,
            open: None,
            stopped: false,
            done: false,
            tally: Tally::default(),
        }
    }

    fn frame(&mut self, frame: &Frame, pieces: &mut Vec<Piece>) -> Result<(), Failure> {
        let payload = frame.payload();
        let vendor = &self.endpoint.vendor;
        let mut says = Says { wanted: self.wanted, deltas: Vec::new(), any: false };
        let kind = match frame.kind() {
            FrameKind::Event("messageStart") => {
                says.say(|| Delta::Start { id: None, model: None });
                PieceKind::Preamble
            }
            FrameKind::Event("contentBlockStart") => self.start(read(payload)?, &mut says),
            FrameKind::Event("contentBlockDelta") => self.more(read(payload)?, &mut says),
            FrameKind::Event("contentBlockStop") => self.stop(&read(payload)?, &mut says),
            FrameKind::Event("messageStop") => {
                let stop: MessageStop<'_> = read(payload)?;
                if vendor.failed_finish.iter().any(|bad| *bad == *stop.stop_reason) {
                    return Err(error::failed());
                }
                self.stopped = true;
                says.say(|| Delta::Finish { choice: 0, reason: finish(&stop.stop_reason) });
                PieceKind::Closing
            }
            FrameKind::Event("metadata") => {
                let metadata: Metadata = read(payload)?;
                if let Some(usage) = &metadata.usage {
                    enter(usage, &mut self.tally);
                }
                self.done = self.stopped;
                if self.done { PieceKind::Terminal } else { PieceKind::Closing }
            }
            FrameKind::Event(_) | FrameKind::Other => PieceKind::Preamble,
            FrameKind::Exception(name) => {
                pieces.push(Piece::new(frame.bytes.clone(), PieceKind::Failed));
                return Err(error::inside(vendor, name, payload));
            }
            FrameKind::Error(code, _) => {
                pieces.push(Piece::new(frame.bytes.clone(), PieceKind::Failed));
                return Err(error::inside(vendor, code, payload));
            }
        };
        pieces.push(Piece { bytes: frame.bytes.clone(), kind, deltas: says.deltas });
        Ok(())
    }

    fn start(&mut self, event: BlockStart<'_>, says: &mut Says) -> PieceKind {
        let block = event.content_block_index;
        if let Some(call) = event.start.tool_use {
            if call.kind.is_some() {
                self.open = Some(Open { block, what: What::Hidden });
                return PieceKind::Preamble;
            }
            let index = self.calls;
            self.calls += 1;
            self.open = Some(Open { block, what: What::Call(index, false) });
            weigh(&mut self.tally, &call.name);
            says.say(|| {
                let (id, name) = (call.tool_use_id.into_owned(), call.name.into_owned());
                Delta::ToolCall { choice: 0, index, id, name, signature: None }
            });
            return PieceKind::Content;
        }
        let what = match event.start.image {
            Some(image) => What::Image(image.format.into_owned()),
            None => What::Hidden,
        };
        self.open = Some(Open { block, what });
        PieceKind::Preamble
    }

    fn more(&mut self, event: BlockDelta<'_>, says: &mut Says) -> PieceKind {
        let block = event.content_block_index;
        let More { text, tool_use, reasoning_content, citation: cited, image } = event.delta;
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            weigh(&mut self.tally, &text);
            says.say(|| Delta::Text { choice: 0, text: text.into_owned() });
        }
        let open = self.open.as_mut().filter(|open| open.block == block);
        match (open.map(|open| &mut open.what), tool_use, image) {
            (Some(What::Call(index, has)), Some(more), _) if !more.input.is_empty() => {
                *has = true;
                weigh(&mut self.tally, &more.input);
                let json = || more.input.into_owned();
                says.say(|| Delta::Arguments { choice: 0, index: *index, json: json() });
            }
            (Some(What::Image(format)), _, Some(image)) => says.maybe(picture(image, format)),
            _ => {}
        }
        if let Some(more) = reasoning_content {
            if let Some(text) = more.text.filter(|text| !text.is_empty()) {
                weigh(&mut self.tally, &text);
                says.say(|| Delta::Reasoning { choice: 0, text: text.into_owned() });
            }
            if let Some(proof) = more.signature.filter(|proof| !proof.is_empty()) {
                says.say(|| signed(&proof));
            }
            if let Some(sealed) = more.redacted_content {
                says.say(|| redacted(&sealed));
            }
        }
        says.maybe(cited.and_then(citation));
        if says.any { PieceKind::Content } else { PieceKind::Preamble }
    }

    /// A call without arguments has none to say: an empty object.
    fn stop(&mut self, event: &BlockStop, says: &mut Says) -> PieceKind {
        let open = self.open.take_if(|open| open.block == event.content_block_index);
        if let Some(Open { what: What::Call(index, false), .. }) = open {
            weigh(&mut self.tally, "{}");
            says.say(|| Delta::Arguments { choice: 0, index, json: "{}".into() });
        }
        PieceKind::Preamble
    }
}

fn read<'a, T: Deserialize<'a>>(payload: &'a [u8]) -> Result<T, Failure> {
    serde_json::from_slice(payload).map_err(|_| Failure::of(AttemptError::Malformed))
}

impl Decoder for Stream {
    fn push(&mut self, bytes: Bytes, pieces: &mut Vec<Piece>) -> Result<(), Failure> {
        // nothing that counts comes behind the terminator
        if self.done {
            return Ok(());
        }
        self.frames.push(bytes);
        while let Some(frame) = self.frames.frame()? {
            self.frame(&frame, pieces)?;
            if self.done {
                break;
            }
        }
        Ok(())
    }

    fn end(&mut self, pieces: &mut Vec<Piece>) -> Result<(), Failure> {
        if self.done {
            return Ok(());
        }
        if !self.stopped || !self.frames.is_whole() {
            return Err(Failure::of(AttemptError::Broken));
        }
        // all was said, but for what it used
        self.done = true;
        pieces.push(Piece::new(Bytes::new(), PieceKind::Terminal));
        Ok(())
    }

    fn tally(&self) -> &Tally {
        &self.tally
    }
}
