//! Embeddings of an answer.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemas::event::AttemptError;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::providers::Failure;
use crate::reply::Delta;

#[derive(Deserialize)]
struct Embedding<'a> {
    #[serde(default)]
    index: Option<u32>,
    /// Numbers, or base64 of little-endian floats.
    #[serde(borrow)]
    embedding: &'a RawValue,
}

/// The vectors of an answer's `data`: a list, or a single one (Doubao).
pub(super) fn read(data: &str, out: &mut Vec<Delta>) -> Result<(), Failure> {
    let wrong = || Failure::of(AttemptError::Malformed);
    let list: Vec<Embedding<'_>> = match data.as_bytes().first() {
        Some(b'{') => vec![serde_json::from_str(data).map_err(|_| wrong())?],
        _ => serde_json::from_str(data).map_err(|_| wrong())?,
    };
    for (at, one) in list.into_iter().enumerate() {
        let values = vector(one.embedding.get()).ok_or_else(wrong)?;
        let at = u32::try_from(at).map_err(|_| wrong())?;
        out.push(Delta::Embedding { index: one.index.unwrap_or(at), values });
    }
    Ok(())
}

fn vector(text: &str) -> Option<Vec<f32>> {
    let values: Vec<f32> = if text.starts_with('"') {
        let text: String = serde_json::from_str(text).ok()?;
        let bytes = STANDARD.decode(text).ok()?;
        let (floats, rest) = bytes.as_chunks::<4>();
        rest.is_empty().then(|| floats.iter().map(|float| f32::from_le_bytes(*float)).collect())?
    } else {
        serde_json::from_str(text).ok()?
    };
    // what is no number can't be told to clients of other formats
    values.iter().all(|value| value.is_finite()).then_some(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_numbers() {
        for (text, wanted) in [
            ("[0.5, -1]", Some(vec![0.5, -1.0])),
            ("[1e39]", None),
            (r#""AAAAPwAAgL8=""#, Some(vec![0.5, -1.0])),
            (r#""AADAfw==""#, None), // NaN
            (r#""AAAAPwA=""#, None),
        ] {
            assert_eq!(vector(text), wanted, "{text}");
        }
    }
}
