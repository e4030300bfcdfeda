//! An answer as blocks: each is opened, said and closed, one after the other.

use schemas::event::Meter;
use serde_json::{Map, Value, json};

pub(super) use super::stream::Stream;
pub(super) use super::whole::Whole;
use crate::call::chat::Source;
use crate::dialects::Renderer;
use crate::providers::Wire;
use crate::reply::{Delta, Finish, Signature, Tally};

/// What a block is.
pub(super) enum Block {
    Text,
    Thought,
    Call { id: String, name: String },
    Image { format: String },
}

/// What is said in a block.
pub(super) enum More {
    Text(String),
    Citation { url: String, title: Option<String> },
    Thought(String),
    Proof(String),
    Sealed(String),
    Input(String),
    Image(String),
}

/// Where blocks go; they are counted from 0.
pub(super) trait Sink: Send {
    fn begin(&mut self, out: &mut Vec<u8>);
    fn open(&mut self, at: u32, block: Block, out: &mut Vec<u8>);
    fn more(&mut self, at: u32, more: More, out: &mut Vec<u8>);
    fn close(&mut self, at: u32, out: &mut Vec<u8>);
    fn end(&mut self, reason: &'static str, usage: Value, out: &mut Vec<u8>);
}

/// Shows an answer to a sink.
pub(super) struct Shown<S> {
    sink: S,
    began: bool,
    next: u32,
    open: Option<(u32, Kind)>,
    /// The block of each call.
    calls: Vec<u32>,
    reason: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Thought,
    Other,
}

impl<S: Sink> Shown<S> {
    pub(super) const fn new(sink: S) -> Self {
        Self { sink, began: false, next: 0, open: None, calls: Vec::new(), reason: "end_turn" }
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if !self.began {
            self.began = true;
            self.sink.begin(out);
        }
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        if let Some((at, _)) = self.open.take() {
            self.sink.close(at, out);
        }
    }

    fn open(&mut self, kind: Kind, block: Block, out: &mut Vec<u8>) -> u32 {
        self.begin(out);
        self.close(out);
        let at = self.next;
        self.next += 1;
        self.open = Some((at, kind));
        self.sink.open(at, block, out);
        at
    }

    /// The open block, if it is of this kind, or a new one.
    fn within(&mut self, kind: Kind, block: Block, out: &mut Vec<u8>) -> u32 {
        match self.open {
            Some((at, open)) if open == kind => at,
            _ => self.open(kind, block, out),
        }
    }

    fn text(&mut self, more: More, out: &mut Vec<u8>) {
        let at = self.within(Kind::Text, Block::Text, out);
        self.sink.more(at, more, out);
    }

    fn proof(&mut self, signature: &Signature, out: &mut Vec<u8>) {
        let at = self.within(Kind::Thought, Block::Thought, out);
        self.sink.more(at, More::Proof(signature.told(Wire::Bedrock)), out);
        self.close(out);
    }
}

impl<S: Sink> Renderer for Shown<S> {
    fn show(&mut self, delta: Delta, out: &mut Vec<u8>) {
        match delta {
            Delta::Start { .. } => self.begin(out),
            Delta::Text { choice: 0, text } | Delta::Refusal { choice: 0, text }
                if !text.is_empty() =>
            {
                self.text(More::Text(text), out);
            }
            Delta::Citation { choice: 0, url, title } => {
                self.text(More::Citation { url, title }, out);
            }
            Delta::Reasoning { choice: 0, text } => {
                let at = self.within(Kind::Thought, Block::Thought, out);
                self.sink.more(at, More::Thought(text), out);
            }
            Delta::Signature { choice: 0, signature } => self.proof(&signature, out),
            Delta::Redacted { choice: 0, signature } => {
                let at = self.open(Kind::Other, Block::Thought, out);
                self.sink.more(at, More::Sealed(sealed(&signature)), out);
                self.close(out);
            }
            Delta::ToolCall { choice: 0, id, name, signature, .. } => {
                // there is no place for it in a call: it goes ahead as the proof of a thought
                if let Some(signature) = signature {
                    self.close(out);
                    self.proof(&signature, out);
                }
                let at = self.open(Kind::Other, Block::Call { id, name }, out);
                self.calls.push(at);
            }
            Delta::Arguments { choice: 0, index, json } => {
                let index = usize::try_from(index).unwrap_or(usize::MAX);
                if let Some(at) = self.calls.get(index).filter(|_| !json.is_empty()) {
                    self.sink.more(*at, More::Input(json), out);
                }
            }
            Delta::Image { choice: 0, source: Source::Data { media_type, base64 } } => {
                let format = media_type.rsplit('/').next().unwrap_or_default().to_owned();
                let at = self.open(Kind::Other, Block::Image { format }, out);
                self.sink.more(at, More::Image(base64), out);
                self.close(out);
            }
            Delta::Finish { choice: 0, reason } => self.reason = told(&reason),
            // other choices can't be asked for, and the rest has no place
            _ => {}
        }
    }

    fn end(&mut self, tally: &Tally, out: &mut Vec<u8>) {
        self.begin(out);
        self.close(out);
        self.sink.end(self.reason, usage(tally), out);
    }
}

/// A sealed thought is bytes, so another vendor's is made into base64.
fn sealed(signature: &Signature) -> String {
    use base64::Engine as _;
    match signature.for_target(Wire::Bedrock) {
        Some(own) => own.to_owned(),
        None => base64::engine::general_purpose::STANDARD.encode(signature.told(Wire::Bedrock)),
    }
}

fn told(reason: &Finish) -> &'static str {
    match reason {
        Finish::Stop | Finish::Pause | Finish::Other(_) => "end_turn",
        Finish::StopSequence(_) => "stop_sequence",
        Finish::Length => "max_tokens",
        Finish::ToolCalls => "tool_use",
        Finish::ContentFilter | Finish::Refusal => "content_filtered",
    }
}

/// What was used; `inputTokens` leaves out what concerns the cache.
fn usage(tally: &Tally) -> Value {
    let (input, output) = (tally.input(), tally.output());
    let cached = tally.units(Meter::InputCached);
    let (short, long) = (tally.units(Meter::CacheWrite), tally.units(Meter::CacheWriteLong));
    let mut usage = Map::new();
    usage.insert("inputTokens".into(), (input - cached - short - long).into());
    usage.insert("outputTokens".into(), output.into());
    usage.insert("totalTokens".into(), (input + output).into());
    if cached > 0 {
        usage.insert("cacheReadInputTokens".into(), cached.into());
    }
    if short + long > 0 {
        usage.insert("cacheWriteInputTokens".into(), (short + long).into());
        let details = [("5m", short), ("1h", long)].into_iter().filter(|(_, units)| *units > 0);
        let details: Vec<Value> =
            details.map(|(ttl, units)| json!({"ttl": ttl, "inputTokens": units})).collect();
        usage.insert("cacheDetails".into(), details.into());
    }
    usage.into()
}
