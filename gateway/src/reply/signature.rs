//! A vendor's proof of what its model thought, carried through clients of other formats.

use serde::{Deserialize, Serialize};

use crate::providers::Wire;

/// Between the format's name and the proof, where a client of another format carries it.
const MARK: char = '~';

/// A proof, and whose.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Signature {
    /// The format that understands it.
    pub by: Wire,
    /// As the vendor wrote it.
    pub text: String,
}

impl Signature {
    /// A proof of this format's own.
    pub fn new(by: Wire, text: impl Into<String>) -> Self {
        Self { by, text: text.into() }
    }

    /// As a client of format `of` carries it: as it is in the same format, else with a mark.
    pub fn told(&self, of: Wire) -> String {
        if self.by == of {
            self.text.clone()
        } else {
            format!("{}{MARK}{}", self.by.as_str(), self.text)
        }
    }

    /// What a client of format `of` brought back.
    pub fn heard(of: Wire, text: &str) -> Self {
        let marked = text.split_once(MARK).and_then(|(by, text)| Some((Wire::named(by)?, text)));
        match marked {
            Some((by, text)) => Self::new(by, text),
            None => Self::new(of, text),
        }
    }

    /// For a target of format `of`; `None` when it would not understand it.
    pub fn for_target(&self, of: Wire) -> Option<&str> {
        (self.by == of).then_some(self.text.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proofs_come_back_to_whom_they_are_from() {
        let by = Signature::new(Wire::Gemini, "a~b==");
        for client in Wire::ALL {
            let carried = by.told(client);
            assert_eq!(Signature::heard(client, &carried), by, "{carried}");
        }
        assert_eq!(by.told(Wire::Gemini), "a~b==");
        assert_eq!(by.for_target(Wire::Anthropic), None);
        assert_eq!(
            Signature::heard(Wire::Anthropic, "xyz").for_target(Wire::Anthropic),
            Some("xyz")
        );
    }
}
