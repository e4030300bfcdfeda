//! Errors, whether they come as an answer or inside a stream.

use http::HeaderMap;
use schemas::event::AttemptError;

use super::wire::Refusal;
use crate::providers::compat::Vendor;
use crate::providers::failure;
use crate::providers::{ErrorBody, Failure, Next};

/// Codes that mean that the credential is wrong or too old.
const WRONG_KEY: [&str; 8] = [
    "UnrecognizedClientException",
    "ExpiredTokenException",
    "ExpiredToken",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "IncompleteSignatureException",
    "MissingAuthenticationTokenException",
    "InvalidClientTokenId",
];

/// Words of a `ValidationException` that is about the model's name.
const NO_MODEL: [&str; 3] = [
    "model identifier is invalid",
    "on-demand throughput",
    "Could not resolve the foundation model",
];

/// What an error's answer says: its code is in a header.
pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> ErrorBody {
    let refusal: Refusal = serde_json::from_slice(body).unwrap_or_default();
    let code = headers.get("x-amzn-errortype").and_then(|value| value.to_str().ok());
    told(code.or(refusal.kind.as_deref()).unwrap_or_default(), &refusal)
}

fn told(code: &str, refusal: &Refusal) -> ErrorBody {
    // ThrottlingException:http://internal.amazon.com/…, com.amazon.coral#ThrottlingException
    let code = code.split(':').next().unwrap_or_default();
    let code = code.rsplit('#').next().unwrap_or_default();
    let words = [&refusal.message, &refusal.original_message];
    let message = words.into_iter().flatten().find(|text| !text.is_empty());
    let message = message.cloned().unwrap_or_default();
    let no_model =
        code == "ValidationException" && NO_MODEL.iter().any(|words| message.contains(words));
    ErrorBody {
        code: code.to_owned(),
        // the class that other vendors have for the same
        kind: if WRONG_KEY.contains(&code) { "AuthenticationError".into() } else { String::new() },
        metadata: if no_model { "model_not_found".into() } else { String::new() },
        message,
        retry_after: None,
    }
}

/// A failure inside a stream of status 200. Something was answered already, so asking the same
/// target again is not the first thing to try.
pub(super) fn inside(vendor: &Vendor, name: &str, payload: &[u8]) -> Failure {
    let refusal: Refusal = serde_json::from_slice(payload).unwrap_or_default();
    let status = match name {
        "throttlingException" => 429,
        "validationException" => 400,
        "serviceUnavailableException" => 503,
        "modelTimeoutException" => 408,
        // what the model's own server said
        "modelStreamErrorException" => {
            let told = refusal.original_status_code;
            told.filter(|status| matches!(status, 429 | 503)).unwrap_or(500)
        }
        _ => 500,
    };
    let mut code: String = name.chars().take(1).flat_map(char::to_uppercase).collect();
    code.extend(name.chars().skip(1));
    let said = told(&code, &refusal);
    Failure::told(failure::meaning(vendor, status, &said), &said).elsewhere()
}

/// The model ended in a way that the vendor counts as a failure.
pub(super) const fn failed() -> Failure {
    Failure { next: Next::Target, ..Failure::of(AttemptError::Server) }
}
