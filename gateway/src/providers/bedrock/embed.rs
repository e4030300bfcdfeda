//! Embeddings, by the models' own bodies: `Converse` has none.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html>

use bytes::Bytes;
use schemas::event::{AttemptError, Meter, Quantity};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::address;
use crate::call::chat::Source;
use crate::call::{Embed, Embeddable, Lacks};
use crate::error::{Error, Kind};
use crate::providers::held::Collected;
use crate::providers::{Failure, Outbound, Piece, PieceKind, Wanted};
use crate::reply::{Delta, Tally};
use crate::routing::Target;

/// The most texts that Cohere takes at once.
const MAX_COHERE: usize = 96;

/// The request.
pub(super) fn write(asked: &Embed, target: &Target) -> Result<Outbound, Error> {
    let model = target.model.as_str();
    let mut lacks = Lacks::of(format!("{} ({model})", target.provider));
    for own in &asked.own {
        if own.may_drop { lacks.drop(&own.name, true) } else { lacks.refuse(&own.name, true)? }
    }
    lacks.drop("user", asked.user.is_some());
    lacks.drop("title", asked.title.is_some());
    let body = match () {
        () if model.contains("amazon.titan-embed") => titan(asked, model, &mut lacks)?,
        () if model.contains("cohere.embed") => cohere(asked, model, &lacks)?,
        () => {
            let message = format!(
                "{model} makes no embeddings that are known here: amazon.titan-embed-* and cohere.embed-* do"
            );
            return Err(Error::new(Kind::UnsupportedField, message).at("model"));
        }
    };
    let mut outbound =
        Outbound::new(address(target, "invoke")?, Value::from(body).to_string().into());
    outbound.dropped = lacks.dropped();
    Ok(outbound)
}

/// Titan takes one text, or one image.
fn titan(asked: &Embed, model: &str, lacks: &mut Lacks) -> Result<Map<String, Value>, Error> {
    lacks.drop("task", asked.task.is_some());
    let [input] = asked.inputs.as_slice() else {
        lacks.refuse("more than one input", true)?;
        return Ok(Map::new());
    };
    let sees = model.contains("titan-embed-image");
    let mut body = Map::new();
    match input {
        Embeddable::Text(text) => body.insert("inputText".into(), text.as_str().into()),
        Embeddable::Image(Source::Data { base64, .. }) if sees => {
            body.insert("inputImage".into(), base64.as_str().into())
        }
        Embeddable::Tokens(_) | Embeddable::Image(_) => {
            lacks.refuse("input other than text", true)?;
            None
        }
    };
    if let Some(length) = asked.dimensions {
        if sees {
            body.insert("embeddingConfig".into(), json!({"outputEmbeddingLength": length}));
        } else {
            lacks.refuse("dimensions", model.contains("-v1") || model.contains("g1-text"))?;
            body.insert("dimensions".into(), length.into());
        }
    }
    Ok(body)
}

fn cohere(asked: &Embed, model: &str, lacks: &Lacks) -> Result<Map<String, Value>, Error> {
    lacks.refuse("more than 96 inputs", asked.inputs.len() > MAX_COHERE)?;
    let mut texts = Vec::new();
    for input in &asked.inputs {
        match input {
            Embeddable::Text(text) => texts.push(Value::from(text.as_str())),
            Embeddable::Tokens(_) | Embeddable::Image(_) => {
                lacks.refuse("input other than text", true)?;
            }
        }
    }
    // it must be said: what is embedded is mostly what is searched
    let task = match asked.task.as_deref() {
        Some("RETRIEVAL_QUERY" | "QUESTION_ANSWERING" | "CODE_RETRIEVAL_QUERY") => "search_query",
        Some("CLASSIFICATION") => "classification",
        Some("CLUSTERING" | "SEMANTIC_SIMILARITY") => "clustering",
        _ => "search_document",
    };
    let mut body = Map::new();
    body.insert("texts".into(), texts.into());
    body.insert("input_type".into(), task.into());
    body.insert("embedding_types".into(), json!(["float"]));
    if let Some(length) = asked.dimensions {
        lacks.refuse("dimensions", model.contains("-v3"))?;
        body.insert("output_dimension".into(), length.into());
    }
    Ok(body)
}

/// An answer with vectors: one piece.
pub(super) struct Vectors {
    wanted: Wanted,
    tally: Tally,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    embedding: Option<Vec<f32>>,
    embeddings: Option<Lists>,
    input_text_token_count: Option<i64>,
}

/// Cohere's: bare, or by their type.
#[derive(Deserialize)]
#[serde(untagged)]
enum Lists {
    Bare(Vec<Vec<f32>>),
    Typed { float: Vec<Vec<f32>> },
}

impl Vectors {
    pub(super) fn new(wanted: Wanted) -> Self {
        Self { wanted, tally: Tally::default() }
    }
}

impl Collected for Vectors {
    fn whole(&mut self, bytes: Bytes, pieces: &mut Vec<Piece>) -> Result<(), Failure> {
        let malformed = || Failure::of(AttemptError::Malformed);
        let answer: Answer = serde_json::from_slice(&bytes).map_err(|_| malformed())?;
        let lists = match (answer.embedding, answer.embeddings) {
            (Some(one), _) => vec![one],
            (None, Some(Lists::Bare(lists) | Lists::Typed { float: lists })) => lists,
            (None, None) => return Err(malformed()),
        };
        if let Some(units) = answer.input_text_token_count.filter(|units| *units > 0) {
            self.tally.quantities = vec![Quantity { meter: Meter::Input, units }];
            self.tally.reported = true;
        }
        let mut piece = Piece::new(bytes, PieceKind::Terminal);
        if self.wanted == Wanted::Deltas {
            piece.deltas.push(Delta::Start { id: None, model: None });
            let vectors = (0..).zip(lists);
            piece.deltas.extend(vectors.map(|(index, values)| Delta::Embedding { index, values }));
        }
        pieces.push(piece);
        Ok(())
    }

    fn tally(&self) -> &Tally {
        &self.tally
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bodies as Amazon and Cohere document them.
    #[test]
    fn vectors_are_read() {
        for (body, vectors, units) in [
            (
                r#"{"embedding":[0.5,-1],"embeddingsByType":{"float":[0.5,-1]},"inputTextTokenCount":3}"#,
                Some(vec![vec![0.5, -1.0]]),
                Some(3),
            ),
            (
                r#"{"embeddings":[[1],[2]],"id":"i","response_type":"embeddings_floats","texts":["a","b"]}"#,
                Some(vec![vec![1.0], vec![2.0]]),
                None,
            ),
            (
                r#"{"embeddings":{"float":[[1,2]]},"response_type":"embeddings_by_type"}"#,
                Some(vec![vec![1.0, 2.0]]),
                None,
            ),
            (r#"{"message":"no"}"#, None, None),
        ] {
            let (mut reader, mut pieces) = (Vectors::new(Wanted::Deltas), Vec::new());
            let read = reader.whole(Bytes::from(body), &mut pieces);
            assert_eq!(read.is_ok(), vectors.is_some(), "{body}");
            let deltas = pieces.into_iter().flat_map(|piece| piece.deltas).skip(1);
            let wanted = (0..).zip(vectors.into_iter().flatten());
            let wanted = wanted.map(|(index, values)| Delta::Embedding { index, values });
            assert_eq!(deltas.collect::<Vec<_>>(), wanted.collect::<Vec<_>>(), "{body}");
            let said = units.is_some().then(|| reader.tally().units(Meter::Input));
            assert_eq!(said, units, "{body}");
            assert_eq!(reader.tally().reported, units.is_some(), "{body}");
        }
    }
}
