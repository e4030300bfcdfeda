//! Anthropic's error object.
//!
//! <https://docs.anthropic.com/en/api/errors>

use serde_json::{Value, json};

use crate::error::{Error, Fault, Kind};

/// Anthropic's `error.type` of each kind.
const fn anthropic_type(kind: Kind) -> &'static str {
    match kind {
        Kind::MissingKey | Kind::InvalidKey => "authentication_error",
        Kind::Forbidden | Kind::NoPrice => "permission_error",
        Kind::NoCredit => "billing_error",
        Kind::UnknownModel | Kind::UnknownRoute => "not_found_error",
        Kind::BodyTooLarge => "request_too_large",
        Kind::ProviderBusy | Kind::RateLimited | Kind::BudgetSpent => "rate_limit_error",
        Kind::BodyTimeout | Kind::ProviderTimeout => "timeout_error",
        Kind::OutboxFull | Kind::NotReady => "overloaded_error",
        _ => match kind.fault() {
            Fault::Caller => "invalid_request_error",
            Fault::Provider | Fault::Us => "api_error",
        },
    }
}

/// The error object: also what is sent in a broken stream.
pub(super) fn body(error: &Error) -> Value {
    json!({
        "type": "error",
        "error": {"type": anthropic_type(error.kind), "message": error.told()},
        "request_id": null,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialects::Dialect;

    #[test]
    fn errors_have_the_vendors_types() {
        for (kind, wanted) in [
            (Kind::InvalidField, "invalid_request_error"),
            (Kind::InvalidKey, "authentication_error"),
            (Kind::Forbidden, "permission_error"),
            (Kind::NoCredit, "billing_error"),
            (Kind::UnknownModel, "not_found_error"),
            (Kind::BodyTooLarge, "request_too_large"),
            (Kind::ProviderBusy, "rate_limit_error"),
            (Kind::RateLimited, "rate_limit_error"),
            (Kind::BudgetSpent, "rate_limit_error"),
            (Kind::TooExpensive, "invalid_request_error"),
            (Kind::ProviderTimeout, "timeout_error"),
            (Kind::NotReady, "overloaded_error"),
            (Kind::Truncated, "api_error"),
            (Kind::Internal, "api_error"),
        ] {
            let speech = Dialect::Anthropic.speech();
            let error = Error::new(kind, "what is wrong");
            let body = speech.error(&error);
            assert_eq!(body["error"]["type"], wanted, "{kind:?}");
            assert_eq!(body["error"]["message"], "what is wrong");
            let frame = String::from_utf8(speech.broken(&error).to_vec()).unwrap();
            assert_eq!(frame, format!("event: error\ndata: {body}\n\n"));
        }
    }
}
