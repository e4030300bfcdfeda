//! Google's errors.
//!
//! <https://ai.google.dev/gemini-api/docs/troubleshooting>

use std::time::Duration;

use serde_json::Value;

use crate::providers::ErrorBody;

/// What [`failure::meaning`](crate::providers::failure) takes for a wrong credential.
const WRONG_KEY: &str = "invalid_api_key";
/// What it takes for an empty wallet.
const POOR: &str = "insufficient_quota";
/// What it takes for a model that is not there for this credential.
const NO_MODEL: &str = "model_not_found";

/// What an error's body says: `{"error": {"code", "message", "status", "details"}}`, alone or in an array.
pub(super) fn read(body: &[u8]) -> ErrorBody {
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        return ErrorBody::default();
    };
    let body = match &body {
        Value::Array(list) => list.iter().find(|item| item.get("error").is_some()),
        body => Some(body),
    };
    let Some(error) = body.and_then(|body| body.get("error")) else {
        return ErrorBody::default();
    };
    let text = |value: Option<&Value>| match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    if let Value::String(message) = error {
        return ErrorBody { message: message.clone(), ..ErrorBody::default() };
    }
    let mut said = ErrorBody {
        code: text(error.get("code")),
        kind: text(error.get("status")),
        message: text(error.get("message")),
        ..ErrorBody::default()
    };
    let details = error.get("details").and_then(Value::as_array);
    let details = details.map(Vec::as_slice).unwrap_or_default();
    said.retry_after =
        details.iter().filter_map(|detail| span(detail.get("retryDelay")?.as_str()?)).next();
    said.metadata = class(&said, details).to_owned();
    said
}

/// What the status alone does not say.
fn class(said: &ErrorBody, details: &[Value]) -> &'static str {
    let tells = |texts: &[&str]| texts.iter().any(|text| said.message.contains(text));
    let reason = details.iter().filter_map(|detail| detail.get("reason")?.as_str()).next();
    let reason = reason.unwrap_or_default();
    match said.kind.as_str() {
        _ if reason.starts_with("API_KEY_") || tells(&["API key not valid", "API key expired"]) => {
            WRONG_KEY
        }
        // of one file, cache or tuned model: nothing is wrong with the key
        "PERMISSION_DENIED" if tells(&["permission to access"]) => "",
        "PERMISSION_DENIED" | "UNAUTHENTICATED" => WRONG_KEY,
        "FAILED_PRECONDITION" if tells(&["location", "country", "region"]) => NO_MODEL,
        "FAILED_PRECONDITION" if tells(&["billing"]) => POOR,
        "RESOURCE_EXHAUSTED" if tells(&["credits", "limit: 0"]) || spent_for_today(details) => POOR,
        _ => "",
    }
}

/// A quota of the day: waiting seconds does not help, another credential does.
fn spent_for_today(details: &[Value]) -> bool {
    let violations = details.iter().filter_map(|detail| detail.get("violations")?.as_array());
    let mut ids = violations.flatten().filter_map(|violation| violation.get("quotaId")?.as_str());
    ids.any(|id| id.contains("PerDay"))
}

/// A `google.protobuf.Duration`, such as `17s` or `0.25s`.
fn span(text: &str) -> Option<Duration> {
    let seconds = text.strip_suffix('s')?.parse().ok()?;
    let wait = Duration::try_from_secs_f64(seconds).ok()?;
    // past this it is a reason to go elsewhere, as with Retry-After
    Some(wait.min(Duration::from_secs(120)))
}

/// The HTTP status that goes with a status of Google's, where only that is told.
pub(super) fn status(kind: &str) -> Option<u16> {
    Some(match kind {
        "INVALID_ARGUMENT" | "FAILED_PRECONDITION" | "OUT_OF_RANGE" => 400,
        "UNAUTHENTICATED" => 401,
        "PERMISSION_DENIED" => 403,
        "NOT_FOUND" => 404,
        "ABORTED" | "ALREADY_EXISTS" => 409,
        "RESOURCE_EXHAUSTED" => 429,
        "INTERNAL" | "UNKNOWN" | "DATA_LOSS" | "CANCELLED" => 500,
        "UNAVAILABLE" => 503,
        "DEADLINE_EXCEEDED" => 504,
        _ => return None,
    })
}
