//! OpenAI's error object.

use serde_json::json;

use crate::error::{Error, Fault, Kind};

/// OpenAI's `error.type` of each kind.
const fn openai_type(kind: Kind) -> &'static str {
    match kind {
        Kind::MissingKey | Kind::InvalidKey => "authentication_error",
        Kind::Forbidden => "permission_error",
        Kind::NoCredit | Kind::BudgetSpent => "insufficient_quota",
        Kind::ProviderBusy | Kind::RateLimited => "rate_limit_error",
        _ => match kind.fault() {
            Fault::Caller => "invalid_request_error",
            Fault::Provider => "upstream_error",
            Fault::Us => "server_error",
        },
    }
}

/// The error object: also what is sent in a broken stream.
pub(crate) fn body(error: &Error) -> serde_json::Value {
    json!({"error": {
        "message": error.told(),
        "type": openai_type(error.kind),
        "param": error.field,
        "code": error.kind.code(),
    }})
}
