//! Google's error object: also what is sent in a broken stream.

use serde_json::{Value, json};

use crate::error::Error;
use crate::http::error::status;

/// Google's status of an HTTP status.
const fn name(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHENTICATED",
        402 | 403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        408 | 504 => "DEADLINE_EXCEEDED",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        500 => "INTERNAL",
        502 | 503 => "UNAVAILABLE",
        400..=499 => "INVALID_ARGUMENT",
        _ => "UNKNOWN",
    }
}

/// The error object.
pub(super) fn body(error: &Error) -> Value {
    let passed = error.passed.as_deref().map(|passed| passed.status);
    let code = passed.unwrap_or_else(|| status(error.kind));
    let mut details = vec![json!({
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": error.kind.code().to_ascii_uppercase(),
        "domain": "hub",
    })];
    if let Some(field) = &error.field {
        details.push(json!({
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            "fieldViolations": [{"field": field, "description": error.message}],
        }));
    }
    if let Some(wait) = error.retry_after {
        details.push(json!({
            "@type": "type.googleapis.com/google.rpc.RetryInfo",
            "retryDelay": format!("{}s", wait.as_secs_f64()),
        }));
    }
    json!({"error": {
        "code": code,
        "message": error.told(),
        "status": name(code),
        "details": details,
    }})
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::error::Kind;

    #[test]
    fn errors_are_googles() {
        let mut error = Error::new(Kind::ProviderBusy, "busy");
        error.retry_after = Some(Duration::from_millis(1500));
        let body = body(&error);
        assert_eq!(body["error"]["code"], 429);
        assert_eq!(body["error"]["status"], "RESOURCE_EXHAUSTED");
        assert_eq!(body["error"]["details"][1]["retryDelay"], "1.5s");
        // Google's Python SDK knows an error in a stream by how it begins
        assert!(body.to_string().starts_with(r#"{"error":"#));
    }
}
