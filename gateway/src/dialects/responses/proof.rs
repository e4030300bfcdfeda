//! How a vendor's proof travels in `encrypted_content`, so that it outlives a client that keeps
//! nothing but the items it was given.

use crate::providers::Wire;
use crate::reply::Signature;

/// Before the proof of thoughts that are not shown at all.
const SEALED: &str = "sealed~";
/// Before the proof of the call of a tool that follows.
const OF_CALL: &str = "call~";

/// What a proof is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Of {
    /// The thoughts beside it, where there are any.
    Thoughts,
    /// Thoughts that are not shown at all.
    Sealed,
    /// The next call of a tool.
    Call,
}

/// As it stands in `encrypted_content`. What a vendor of this very format wrote stays as it is.
pub(crate) fn told(signature: &Signature, of: Of) -> String {
    let text = signature.told(Wire::Responses);
    match of {
        Of::Sealed if signature.by != Wire::Responses => format!("{SEALED}{text}"),
        Of::Call => format!("{OF_CALL}{text}"),
        Of::Thoughts | Of::Sealed => text,
    }
}

/// What stands in `encrypted_content`.
pub(crate) fn heard(text: &str) -> (Signature, Of) {
    let (text, of) = match (text.strip_prefix(SEALED), text.strip_prefix(OF_CALL)) {
        (Some(text), _) => (text, Of::Sealed),
        (None, Some(text)) => (text, Of::Call),
        (None, None) => (text, Of::Thoughts),
    };
    (Signature::heard(Wire::Responses, text), of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proofs_come_back_as_they_went() {
        for by in Wire::ALL {
            let signature = Signature::new(by, "a~b==");
            for of in [Of::Thoughts, Of::Sealed, Of::Call] {
                let (back, what) = heard(&told(&signature, of));
                assert_eq!(back, signature);
                let own = by == Wire::Responses && of == Of::Sealed;
                assert_eq!(what, if own { Of::Thoughts } else { of });
            }
        }
    }
}
