//! The only place with status codes: errors as answers, in the dialect's own shape.

use axum::body::Body;
use http::{HeaderName, HeaderValue, Response, header};
use schemas::ids::CallId;

use crate::dialects::Dialect;
use crate::error::{Error, Fault, Kind};

/// The call's id.
pub const CALL: HeaderName = HeaderName::from_static("x-hub-call");
/// The stable code of an error.
const CODE: HeaderName = HeaderName::from_static("x-hub-error");
/// Whether a client's library shall try again by itself: OpenAI's and Anthropic's go by it.
const RETRY: HeaderName = HeaderName::from_static("x-should-retry");
/// Who failed.
const FAULT: HeaderName = HeaderName::from_static("x-hub-fault");

/// The HTTP status of each kind.
pub const fn status(kind: Kind) -> u16 {
    match kind {
        Kind::MalformedBody
        | Kind::InvalidField
        | Kind::UnsupportedField
        | Kind::MissingField
        | Kind::TooExpensive
        | Kind::ProviderRefused => 400,
        Kind::MissingKey | Kind::InvalidKey => 401,
        Kind::NoCredit => 402,
        Kind::Forbidden | Kind::NoPrice => 403,
        Kind::UnknownModel | Kind::UnknownRoute => 404,
        Kind::Method => 405,
        Kind::BodyTimeout => 408,
        Kind::BodyTooLarge => 413,
        Kind::ContentType => 415,
        Kind::ProviderBusy | Kind::RateLimited | Kind::BudgetSpent => 429,
        Kind::Internal => 500,
        Kind::ProviderFailed | Kind::Truncated => 502,
        Kind::OutboxFull | Kind::NotReady => 503,
        Kind::ProviderTimeout => 504,
    }
}

/// The whole answer, in OpenAI's shape: what is said where no dialect is known.
pub fn openai_response(error: &Error, call: Option<CallId>) -> Response<Body> {
    response(Dialect::OpenAiChat, error, call)
}

/// The whole answer, in the dialect's shape.
pub fn response(dialect: Dialect, error: &Error, call: Option<CallId>) -> Response<Body> {
    let passed = error.passed.as_deref();
    let own = passed.filter(|passed| passed.is_own);
    let mut response = match own {
        Some(passed) => Response::new(Body::from(passed.body.clone())),
        None => Response::new(Body::from(dialect.speech().error(error).to_string())),
    };
    let code = passed.map_or_else(|| status(error.kind), |passed| passed.status);
    *response.status_mut() =
        http::StatusCode::from_u16(code).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    let json = HeaderValue::from_static("application/json");
    let content_type = own.and_then(|passed| passed.content_type.clone()).unwrap_or(json);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, content_type);
    headers.insert(CODE, HeaderValue::from_static(error.kind.code()));
    let fault = match error.kind.fault() {
        Fault::Caller => "caller",
        Fault::Provider => "provider",
        Fault::Us => "hub",
    };
    headers.insert(FAULT, HeaderValue::from_static(fault));
    if let Some((name, value)) = dialect.speech().error_header(error) {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if let Some(value) = call.and_then(|call| HeaderValue::from_str(&call.to_string()).ok()) {
        headers.insert(CALL, value);
    }
    if let Some(wait) = error.retry_after {
        // whole seconds, rounded up: a caller who waits as told is never too early
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if error.kind == Kind::BudgetSpent {
        // money comes back in hours, and no second try helps
        headers.insert(RETRY, HeaderValue::from_static("false"));
    }
    match error.kind.fault() {
        Fault::Caller => tracing::debug!(code = error.kind.code(), field = ?error.field, "refused"),
        Fault::Provider => tracing::debug!(code = error.kind.code(), "provider failed"),
        // a state that lasts is told once by who is in it, not by each call that meets it
        Fault::Us if matches!(error.kind, Kind::OutboxFull | Kind::NotReady) => {
            tracing::debug!(code = error.kind.code(), %error, "refused");
        }
        Fault::Us => tracing::error!(code = error.kind.code(), %error, "failed"),
    }
    response
}
