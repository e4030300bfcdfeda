//! What a failure means that an answer of status 200 tells.

use schemas::event::AttemptError;
use serde_json::{Value, json};

use crate::providers::compat::Vendor;
use crate::providers::{ErrorBody, Failure, Format as _};

/// A document that came instead of a stream.
pub(super) fn of_document(vendor: &Vendor, body: &[u8]) -> Failure {
    match serde_json::from_slice::<Value>(body) {
        Ok(document) if document.get("error").is_some_and(|error| !error.is_null()) => {
            of_body(vendor, body)
        }
        Ok(document) if document.get("status").is_some_and(|status| status == "failed") => {
            of_body(vendor, body)
        }
        _ => Failure::of(AttemptError::Malformed),
    }
}

/// An `error` event, whose fields stand at its top or under `error`, or a response that failed.
pub(super) fn of_event(vendor: &Vendor, event: &[u8]) -> Failure {
    let event: Value = serde_json::from_slice(event).unwrap_or_default();
    let inner = |value: &Value| value.get("error").filter(|error| !error.is_null()).cloned();
    let error = inner(&event).or_else(|| inner(event.get("response")?));
    let error = error
        .unwrap_or_else(|| json!({"code": event.get("code"), "message": event.get("message")}));
    of_body(vendor, json!({"error": error}).to_string().as_bytes())
}

/// Something was answered already, so asking the same target again is not the first thing to try.
fn of_body(vendor: &Vendor, body: &[u8]) -> Failure {
    let said = super::super::openai::OpenAi.error(&http::HeaderMap::new(), body);
    let error = match status(&said) {
        Some(status) => crate::providers::failure::meaning(vendor, status, &said),
        None => AttemptError::ContentPolicy,
    };
    Failure::told(error, &said).elsewhere()
}

/// The status that the error would have had; `None` where the vendor's rules forbid the content.
fn status(said: &ErrorBody) -> Option<u16> {
    let told = said.code.parse().ok().filter(|code| (400..=599).contains(code));
    let code = said.code.as_str();
    if let Some(told) = told {
        return Some(told);
    }
    match code {
        "invalid_prompt" => None,
        code if code.contains("policy") => None,
        "server_is_overloaded" | "slow_down" => Some(503),
        "failed_to_download_image" | "data_residency_mismatch" | "invalid-argument" => Some(400),
        code if code.starts_with("rate_limit") || code == "insufficient_quota" => Some(429),
        code if code.contains("image") || code == "context_length_exceeded" => Some(400),
        _ if said.kind == "invalid_request_error" => Some(400),
        _ => Some(500),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::Next;
    use crate::providers::compat::shipped;

    #[test]
    fn documents_instead_of_streams() {
        let vendors = shipped().unwrap();
        for (vendor, body, error) in [
            ("openai", r#"{"error":{"code":"rate_limit_exceeded"}}"#, AttemptError::RateLimit),
            ("openai", r#"{"error":{"code":"insufficient_quota"}}"#, AttemptError::Credit),
            ("openai", r#"{"error":{"code":"invalid_prompt"}}"#, AttemptError::ContentPolicy),
            ("openai", r#"{"error":{"code":"server_is_overloaded"}}"#, AttemptError::Overload),
            ("openai", r#"{"error":{"code":"image_too_large"}}"#, AttemptError::Caller),
            ("openai", r#"{"status":"failed","error":null}"#, AttemptError::Server),
            (
                "xai",
                r#"{"code":"The service is unavailable","error":"busy"}"#,
                AttemptError::Server,
            ),
            (
                "xai",
                r#"{"code":"invalid-argument","error":"Incorrect API key"}"#,
                AttemptError::Auth,
            ),
            ("openai", r#"{"id":"resp_1","status":"completed"}"#, AttemptError::Malformed),
            ("openai", "<html>", AttemptError::Malformed),
        ] {
            let failure = of_document(&vendors[vendor], body.as_bytes());
            assert_eq!(failure.error, error, "{body}");
            // something was answered already
            assert_ne!(failure.next, Next::Same, "{body}");
        }
    }
}
