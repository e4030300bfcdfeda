//! AIGNE's error object.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::error::{Error, Kind};

/// What its client knows a kind of error by: the one that it offers to buy credit for.
fn kind(error: &Error) -> &'static str {
    match error.kind {
        Kind::NoCredit => "NOT_ENOUGH",
        kind => kind.code(),
    }
}

/// The body of an answer that says what is wrong.
pub(super) fn body(error: &Error) -> Value {
    json!({"error": {"message": error.told(), "type": kind(error)}})
}

/// The last frame of a stream that broke.
pub(super) fn broken(error: &Error) -> Bytes {
    let said = json!({"message": error.told(), "type": kind(error)});
    format!("event: error\ndata: {said}\n\n").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_knows_what_it_can_buy() {
        for (kind, type_) in [(Kind::NoCredit, "NOT_ENOUGH"), (Kind::InvalidKey, "invalid_api_key")]
        {
            let said = body(&Error::new(kind, "no"));
            assert_eq!(said, json!({"error": {"message": "no", "type": type_}}));
        }
        let frame = broken(&Error::new(Kind::Truncated, "cut"));
        assert_eq!(frame, "event: error\ndata: {\"message\":\"cut\",\"type\":\"truncated\"}\n\n");
    }
}
