//! Thought signatures: Google's own, those of other vendors in its field, and the one that stands
//! for none.
//!
//! The field is `bytes`, and Google's SDKs decode and encode it again: what is put there must be
//! base64, and comes back in either alphabet.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::providers::Wire;
use crate::reply::Signature;

/// Google's documented stand-in where a call of a tool is not the model's own, or its signature is
/// lost: <https://ai.google.dev/gemini-api/docs/thought-signatures>.
pub(crate) const NONE: &str = "skip_thought_signature_validator";

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);

/// As it stands in Google's field.
pub(crate) fn told(signature: &Signature) -> String {
    match signature.for_target(Wire::Gemini) {
        Some(text) => text.to_owned(),
        None => STANDARD.encode(signature.told(Wire::Gemini)),
    }
}

/// What stands in Google's field; `None` for the stand-in.
pub(crate) fn heard(text: &str) -> Option<Signature> {
    if text.is_empty() || text == NONE {
        return None;
    }
    let decoded = STANDARD.decode(standard(text)).ok();
    let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    let foreign = decoded.map(|text| Signature::heard(Wire::Gemini, &text));
    match foreign.filter(|signature| signature.by != Wire::Gemini) {
        Some(signature) => Some(signature),
        None => Some(Signature::new(Wire::Gemini, text)),
    }
}

/// How proofs of other vendors begin in Google's field.
pub(crate) fn foreign_starts() -> impl Iterator<Item = String> {
    let others = Wire::ALL.into_iter().filter(|wire| *wire != Wire::Gemini);
    others.map(|wire| {
        let name = wire.as_str().as_bytes();
        // whole groups of three bytes look the same whatever follows
        let whole = name.len() - name.len() % 3;
        STANDARD.encode(name.get(..whole).unwrap_or_default())
    })
}

/// Base64 of either alphabet, as Google's Python SDK writes that of addresses, in the usual one.
pub(crate) fn padded(text: &str) -> String {
    if text.len().is_multiple_of(4) && !text.contains(['-', '_']) {
        return text.to_owned();
    }
    let mut usual = standard(text);
    while !usual.len().is_multiple_of(4) {
        usual.push('=');
    }
    usual
}

fn standard(text: &str) -> String {
    text.trim_end_matches('=').replace('-', "+").replace('_', "/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proofs_survive_googles_field() {
        for signature in [
            Signature::new(Wire::Anthropic, "EqQB+/=="),
            Signature::new(Wire::OpenAi, "gAAAA_-"),
            Signature::new(Wire::Gemini, "CiQBVKhc7g=="),
        ] {
            let told = told(&signature);
            assert_eq!(heard(&told), Some(signature.clone()), "{told}");
            // as Google's Python SDK sends it back
            let urlsafe = told.replace('+', "-").replace('/', "_");
            assert_eq!(heard(&urlsafe), Some(signature.clone()), "{urlsafe}");
            let starts = foreign_starts().any(|start| told.starts_with(&start));
            assert_eq!(starts, signature.by != Wire::Gemini, "{told}");
        }
        assert_eq!(heard(NONE), None);
        assert_eq!(heard(""), None);
        // the stand-in is base64 in both alphabets' sense, so that SDKs leave it as it is
        assert!(STANDARD.decode(standard(NONE)).is_ok());
    }
}
