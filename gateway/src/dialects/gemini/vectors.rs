//! Vectors as Google's clients are shown them.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::call::Call;
use crate::dialects::Renderer;
use crate::reply::{Delta, Tally};

/// A whole answer.
pub(super) struct Shown {
    batch: bool,
    vectors: BTreeMap<u32, Vector>,
}

#[derive(Serialize)]
struct Vector {
    values: Vec<f32>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    embedding: Option<&'a Vector>,
    #[serde(skip_serializing_if = "Option::is_none")]
    embeddings: Option<Vec<&'a Vector>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage_metadata: Option<Usage>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Usage {
    prompt_token_count: i64,
    total_token_count: i64,
}

impl Shown {
    pub(super) fn new(call: &Call) -> Self {
        Self { batch: call.field("requests").is_some(), vectors: BTreeMap::new() }
    }
}

impl Renderer for Shown {
    fn show(&mut self, delta: Delta, _: &mut Vec<u8>) {
        if let Delta::Embedding { index, values } = delta {
            self.vectors.insert(index, Vector { values });
        }
    }

    fn end(&mut self, tally: &Tally, out: &mut Vec<u8>) {
        let tokens = tally.input();
        let answer = Answer {
            embedding: self.vectors.values().next().filter(|_| !self.batch),
            embeddings: self.batch.then(|| self.vectors.values().collect()),
            usage_metadata: tally
                .reported
                .then_some(Usage { prompt_token_count: tokens, total_token_count: tokens }),
        };
        // numbers and names can be written, and a Vec takes them
        out.extend(serde_json::to_vec(&answer).unwrap_or_default());
    }
}
