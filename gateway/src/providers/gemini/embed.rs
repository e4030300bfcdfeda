//! Google's embeddings.
//!
//! <https://ai.google.dev/api/embeddings>

use std::sync::Arc;

use bytes::Bytes;
use schemas::event::AttemptError;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::wire::Usage;
use super::write::{lacks, outbound, own};
use super::{address, content, failure_inside, usage};
use crate::call::{Embed, Embeddable};
use crate::error::Error;
use crate::providers::held::Collected;
use crate::providers::{Endpoint, Failure, Outbound, Piece, PieceKind, Wanted};
use crate::reply::{Delta, Tally};
use crate::routing::Target;

/// The request: always a batch.
pub(super) fn write(embed: &Embed, target: &Target) -> Result<Outbound, Error> {
    let mut lacks = lacks(target);
    let resource = address::resource(target);
    let mut requests = Vec::with_capacity(embed.inputs.len());
    for input in &embed.inputs {
        let part = match input {
            Embeddable::Text(text) => json!({"text": text}),
            Embeddable::Image(source) => json!({"inlineData": content::inline(source, &lacks)?}),
            Embeddable::Tokens(_) => {
                lacks.refuse("input", true)?;
                continue;
            }
        };
        let mut request = Map::new();
        request.insert("model".into(), resource.as_str().into());
        request.insert("content".into(), json!({"parts": [part]}));
        let more = [
            ("outputDimensionality", embed.dimensions.map(Value::from)),
            ("taskType", embed.task.as_deref().map(Value::from)),
            ("title", embed.title.as_deref().map(Value::from)),
        ];
        let more = more.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        request.extend(more);
        requests.push(Value::from(request));
    }
    lacks.drop("user", embed.user.is_some());
    own(&mut lacks, &embed.own)?;
    outbound(target, "batchEmbedContents", &json!({"requests": requests}), lacks)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a, V> {
    embedding: Option<V>,
    embeddings: Option<Vec<V>>,
    #[serde(borrow, default)]
    usage_metadata: Option<Usage<'a>>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Vector {
    #[serde(default)]
    values: Vec<f32>,
}

/// A whole answer of vectors.
pub(super) struct Vectors {
    endpoint: Arc<Endpoint>,
    wanted: Wanted,
    /// Shortened vectors of this model are not of length 1, as those of all others are.
    normalise: bool,
    tally: Tally,
}

impl Vectors {
    pub(super) fn new(target: &Target, wanted: Wanted) -> Self {
        Self {
            endpoint: Arc::clone(&target.endpoint),
            wanted,
            normalise: target.model.as_str().ends_with("gemini-embedding-001"),
            tally: Tally::default(),
        }
    }

    fn read<'a, V: DeserializeOwned>(&mut self, bytes: &'a [u8]) -> Result<Vec<V>, Failure> {
        let answer = serde_json::from_slice::<Answer<'a, V>>(bytes);
        let answer = answer.map_err(|_| failure_inside(&self.endpoint.vendor, bytes))?;
        if answer.error.is_some() {
            return Err(failure_inside(&self.endpoint.vendor, bytes));
        }
        let vectors: Vec<V> =
            answer.embedding.into_iter().chain(answer.embeddings.unwrap_or_default()).collect();
        if vectors.is_empty() {
            return Err(Failure::of(AttemptError::Malformed));
        }
        self.tally.quantities =
            answer.usage_metadata.map_or_else(Vec::new, |said| usage::quantities(&said));
        self.tally.reported = !self.tally.quantities.is_empty();
        Ok(vectors)
    }
}

impl Collected for Vectors {
    fn whole(&mut self, bytes: Bytes, pieces: &mut Vec<Piece>) -> Result<(), Failure> {
        let mut deltas = Vec::new();
        if self.wanted == Wanted::Bytes {
            self.read::<IgnoredAny>(&bytes)?;
        } else {
            deltas.push(Delta::Start { id: None, model: None });
            for (index, vector) in (0_u32..).zip(self.read::<Vector>(&bytes)?) {
                let mut values = vector.values;
                if self.normalise {
                    normalise(&mut values);
                }
                deltas.push(Delta::Embedding { index, values });
            }
        }
        pieces.push(Piece { bytes, kind: PieceKind::Terminal, deltas });
        Ok(())
    }

    fn tally(&self) -> &Tally {
        &self.tally
    }
}

/// To length 1.
fn normalise(values: &mut [f32]) {
    let length = values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
    // one that is of length 1 but for its rounding stays as it is
    if length > 0.0 && (length - 1.0).abs() > 1e-4 {
        for value in values {
            #[expect(clippy::cast_possible_truncation, reason = "of a vector of length 1")]
            let scaled = (f64::from(*value) / length) as f32;
            *value = scaled;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::providers::{Deadlines, compat};

    /// What an answer says, and how many input tokens it says were read.
    fn read(answer: &str, wanted: Wanted) -> Result<(Vec<Delta>, i64), AttemptError> {
        let vendor = compat::shipped().unwrap().remove("gemini").unwrap();
        let base = vendor.base_url.parse().unwrap();
        let deadlines = Deadlines::all(Duration::from_secs(1));
        let endpoint = Endpoint::new("gemini".into(), vendor, base, deadlines).unwrap();
        let mut vectors = Vectors {
            endpoint: Arc::new(endpoint),
            wanted,
            normalise: true,
            tally: Tally::default(),
        };
        let mut pieces = Vec::new();
        let bytes = Bytes::copy_from_slice(answer.as_bytes());
        vectors.whole(bytes, &mut pieces).map_err(|failure| failure.error)?;
        let [piece] = pieces.try_into().ok().unwrap();
        assert_eq!((&piece.bytes[..], piece.kind), (answer.as_bytes(), PieceKind::Terminal));
        Ok((piece.deltas, vectors.tally().input()))
    }

    #[test]
    fn vectors_are_read() {
        let batch = r#"{"embeddings":[{"values":[3,4.0]},{"values":[0.6,0.8]}],"usageMetadata":{"promptTokenCount":4}}"#;
        let embedding = |index, values: [f32; 2]| Delta::Embedding { index, values: values.into() };
        let start = || Delta::Start { id: None, model: None };
        // those that are too long are brought to length 1
        let wanted = vec![start(), embedding(0, [0.6, 0.8]), embedding(1, [0.6, 0.8])];
        assert_eq!(read(batch, Wanted::Deltas), Ok((wanted, 4)));
        assert_eq!(read(batch, Wanted::Bytes), Ok((vec![], 4)));
        let one = r#"{"embedding":{"values":[0,0]}}"#;
        assert_eq!(read(one, Wanted::Deltas), Ok((vec![start(), embedding(0, [0.0, 0.0])], 0)));
        for (answer, error) in [
            ("{}", AttemptError::Malformed),
            ("<html>", AttemptError::Malformed),
            (r#"{"error":{"code":429,"status":"RESOURCE_EXHAUSTED"}}"#, AttemptError::RateLimit),
        ] {
            assert_eq!(read(answer, Wanted::Deltas), Err(error), "{answer}");
            assert_eq!(read(answer, Wanted::Bytes), Err(error), "{answer}");
        }
    }
}
