//! Embeddings.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::head::Head;
use crate::call::Call;
use crate::dialects::Renderer;
use crate::reply::{Delta, Tally};
use crate::routing::Target;

/// Vectors, gathered and shown at the end.
pub(in super::super) struct Vectors {
    head: Head,
    /// As base64 of little-endian floats.
    base64: bool,
    data: Vec<(u32, Vec<f32>)>,
}

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: Vec<Embedding<'a>>,
    model: &'a str,
    usage: Usage,
}

#[derive(Serialize)]
struct Embedding<'a> {
    object: &'static str,
    index: u32,
    embedding: Vector<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Vector<'a> {
    Numbers(&'a [f32]),
    Base64(String),
}

#[derive(Serialize)]
struct Usage {
    prompt_tokens: i64,
    total_tokens: i64,
}

impl Vectors {
    pub(in super::super) fn new(call: &Call, target: &Target) -> Self {
        let base64 = call.field("encoding_format") == Some(b"\"base64\"");
        Self { head: Head::new(call, target), base64, data: Vec::new() }
    }

    fn embedding<'a>(&self, index: u32, values: &'a [f32]) -> Embedding<'a> {
        let embedding = if self.base64 {
            let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            Vector::Base64(STANDARD.encode(bytes))
        } else {
            Vector::Numbers(values)
        };
        Embedding { object: "embedding", index, embedding }
    }
}

impl Renderer for Vectors {
    fn show(&mut self, delta: Delta, _: &mut Vec<u8>) {
        match delta {
            Delta::Start { id, model } => self.head.start(id, model),
            Delta::Embedding { index, values } => self.data.push((index, values)),
            _ => {} // the rest is for chats
        }
    }

    fn end(&mut self, tally: &Tally, out: &mut Vec<u8>) {
        self.data.sort_by_key(|(index, _)| *index);
        let tokens = tally.input();
        let list = List {
            object: "list",
            data: self.data.iter().map(|(index, values)| self.embedding(*index, values)).collect(),
            model: self.head.model(),
            usage: Usage { prompt_tokens: tokens, total_tokens: tokens },
        };
        let start = out.len();
        if serde_json::to_writer(&mut *out, &list).is_err() {
            out.truncate(start); // can't be: all of it is plain data
        }
    }
}
