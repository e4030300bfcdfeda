//! Vendors' proofs of what their models thought, carried where AIGNE has a place for what only a
//! provider understands: the metadata of a call of a tool, which its client brings back untouched.
//! The proof of a call itself stands where AIGNE puts Gemini's.

use serde_json::{Value, json};

use super::object::Object;
use crate::call::chat::Content;
use crate::error::Error;
use crate::providers::Wire;
use crate::reply::Signature;

/// Whose proofs stand there without a mark.
const PLAIN: Wire = Wire::Gemini;

/// What the metadata of a call tell.
#[derive(Default)]
pub(super) struct Told {
    /// The proof of the call.
    pub(super) signature: Option<Signature>,
    /// What was thought before it, with proofs.
    pub(super) thoughts: Vec<Content>,
}

/// Reads the metadata of a call; what others put there says nothing here.
pub(super) fn read(mut metadata: Object) -> Result<Told, Error> {
    let heard = |text: String| Signature::heard(PLAIN, &text);
    let signature = metadata.text("thoughtSignature")?.map(heard);
    let mut thoughts = Vec::new();
    for (path, item) in metadata.list("thoughts")?.unwrap_or_default() {
        let mut thought = Object::of(path, item)?;
        let (text, proof) = (thought.text("text")?, thought.text("signature")?.map(heard));
        thoughts.extend(match (text, proof) {
            (Some(text), signature) => Some(Content::Reasoning { text, signature }),
            (None, Some(signature)) => Some(Content::Redacted(signature)),
            (None, None) => None,
        });
    }
    Ok(Told { signature, thoughts })
}

/// The metadata of a call; `None` where there is nothing to tell.
pub(super) fn tell(signature: Option<&Signature>, thoughts: &[Value]) -> Option<Value> {
    let mut metadata = serde_json::Map::new();
    if let Some(signature) = signature {
        metadata.insert("thoughtSignature".into(), signature.told(PLAIN).into());
    }
    if !thoughts.is_empty() {
        metadata.insert("thoughts".into(), thoughts.into());
    }
    (!metadata.is_empty()).then(|| metadata.into())
}

/// A thought with its proof, as [`read`] takes it back.
pub(super) fn thought(text: Option<&str>, signature: &Signature) -> Value {
    match text {
        Some(text) => json!({"text": text, "signature": signature.told(PLAIN)}),
        None => json!({"signature": signature.told(PLAIN)}),
    }
}
