//! Blocks as frames of an event stream.

use serde_json::{Value, json};

use super::render::{Block, More, Sink};
use crate::streaming::frames::event;

/// Writes frames.
pub(super) struct Stream;

fn say(name: &'static str, payload: &Value, out: &mut Vec<u8>) {
    event(name, payload.to_string().into_bytes(), out);
}

impl Sink for Stream {
    fn begin(&mut self, out: &mut Vec<u8>) {
        say("messageStart", &json!({"role": "assistant"}), out);
    }

    /// Text and thoughts begin with what they say.
    fn open(&mut self, at: u32, block: Block, out: &mut Vec<u8>) {
        let start = match block {
            Block::Text | Block::Thought => return,
            Block::Call { id, name } => json!({"toolUse": {"toolUseId": id, "name": name}}),
            Block::Image { format } => json!({"image": {"format": format}}),
        };
        say("contentBlockStart", &json!({"contentBlockIndex": at, "start": start}), out);
    }

    fn more(&mut self, at: u32, more: More, out: &mut Vec<u8>) {
        let delta = match more {
            More::Text(text) => json!({"text": text}),
            More::Citation { url, title } => json!({"citation": citation(&url, title.as_deref())}),
            More::Thought(text) => json!({"reasoningContent": {"text": text}}),
            More::Proof(proof) => json!({"reasoningContent": {"signature": proof}}),
            More::Sealed(sealed) => json!({"reasoningContent": {"redactedContent": sealed}}),
            More::Input(input) => json!({"toolUse": {"input": input}}),
            More::Image(bytes) => json!({"image": {"source": {"bytes": bytes}}}),
        };
        say("contentBlockDelta", &json!({"contentBlockIndex": at, "delta": delta}), out);
    }

    fn close(&mut self, at: u32, out: &mut Vec<u8>) {
        say("contentBlockStop", &json!({"contentBlockIndex": at}), out);
    }

    fn end(&mut self, reason: &'static str, usage: Value, out: &mut Vec<u8>) {
        say("messageStop", &json!({"stopReason": reason}), out);
        say("metadata", &json!({"metrics": {"latencyMs": 0}, "usage": usage}), out);
    }
}

/// A place in the web.
pub(super) fn citation(url: &str, title: Option<&str>) -> Value {
    match title {
        Some(title) => json!({"location": {"web": {"url": url}}, "title": title}),
        None => json!({"location": {"web": {"url": url}}}),
    }
}
