//! What a provider's failure means: how it is counted, and what to try next.

use std::time::Duration;

use http::HeaderMap;
use runtime::clock::Micros;
use schemas::event::AttemptError;

use super::compat::Vendor;
use crate::streaming::Unreadable;

/// What to try after a failed attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// Nothing: it is the caller's fault, and every target would say so.
    Nothing,
    /// The same target again after its `Retry-After`, if that is soon; else the next target.
    Same,
    /// The next target.
    Target,
    /// A target whose model takes more input: the call is too long for this one.
    Larger,
}

/// A failed attempt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// How it is counted.
    pub error: AttemptError,
    /// What to try.
    pub next: Next,
    /// When the provider wants to be asked again.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// A failure after which another target may do better.
    pub const fn of(error: AttemptError) -> Self {
        let next = match error {
            AttemptError::Caller | AttemptError::ContentPolicy | AttemptError::Cancelled => {
                Next::Nothing
            }
            AttemptError::RateLimit | AttemptError::Overload | AttemptError::Server => Next::Same,
            _ => Next::Target,
        };
        Self { error, next, retry_after: None }
    }

    /// The same, of what a provider says in words too: an input that is too long for its model is the
    /// caller's fault only where no model takes more.
    pub(super) fn told(error: AttemptError, said: &ErrorBody) -> Self {
        let failure = Self::of(error);
        match error == AttemptError::Caller && said.is_too_long() {
            true => Self { next: Next::Larger, ..failure },
            false => failure,
        }
    }

    /// The same, told inside an answer: as something was answered already, asking the same target
    /// again is not the first thing to try.
    #[must_use]
    pub(super) fn elsewhere(self) -> Self {
        let next = if self.next == Next::Same { Next::Target } else { self.next };
        Self { next, ..self }
    }
}

impl From<Unreadable> for Failure {
    fn from(_: Unreadable) -> Self {
        Self::of(AttemptError::Malformed)
    }
}

/// What vendors say of an input that is longer than the model's context: OpenAI and its like by code,
/// the others in words (OpenAI, Anthropic, Google, Amazon, vLLM).
const TOO_LONG: [&str; 6] = [
    "maximum context length",
    "prompt is too long",
    "exceeds the maximum number of tokens",
    "Input is too long",
    "context window",
    "context length",
];

/// Waits past this are taken for a typing error, or for a reason to go elsewhere.
const LONGEST_WAIT: Duration = Duration::from_secs(120);

/// What an error's body says, in whichever format.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct ErrorBody {
    /// The vendor's code.
    pub code: String,
    /// The vendor's class of error.
    pub kind: String,
    /// In words; may quote the request.
    pub message: String,
    /// A class that some vendors tell beside the others.
    pub metadata: String,
    /// When the body says that the provider wants to be asked again.
    pub retry_after: Option<Duration>,
}

impl ErrorBody {
    fn is_too_long(&self) -> bool {
        let coded = [&self.code, &self.kind].iter().any(|text| text.contains("context_length"));
        coded || TOO_LONG.iter().any(|words| self.message.contains(words))
    }
}

/// The meaning of an answer that is no success, by status, then by what the body says.
pub(super) fn classify(
    vendor: &Vendor,
    status: u16,
    headers: &HeaderMap,
    said: &ErrorBody,
    now: Micros,
) -> Failure {
    let mut error = meaning(vendor, status, said);
    if status == 402 && headers.contains_key(http::header::RETRY_AFTER) {
        error = AttemptError::RateLimit; // OpenRouter: too much money in flight, for the moment
    }
    let mut failure = Failure {
        retry_after: retry_after(headers, now).or(said.retry_after),
        ..Failure::told(error, said)
    };
    if error == AttemptError::Caller && tells(said, &vendor.lacks_texts) {
        failure.next = Next::Target;
    }
    match headers.get("x-should-retry").map(http::HeaderValue::as_bytes) {
        Some(b"true") if failure.next == Next::Target => failure.next = Next::Same,
        Some(b"false") if failure.next == Next::Same => failure.next = Next::Target,
        _ => {}
    }
    failure
}

/// What an error with this status says.
pub(super) fn meaning(vendor: &Vendor, status: u16, said: &ErrorBody) -> AttemptError {
    let says = |words: &[&str]| {
        words.iter().any(|word| {
            [&said.code, &said.kind, &said.metadata].iter().any(|text| text.contains(word))
        })
    };
    let poor = || says(&POOR) || tells(said, &vendor.credit_texts);
    let wrong_key =
        || says(&["invalid_api_key", "AuthenticationError"]) || tells(said, &vendor.auth_texts);
    let policy = || says(&["content_filter", "content_policy", "moderation", "SensitiveContent"]);
    match status {
        401 => AttemptError::Auth,
        402 => AttemptError::Credit,
        400 | 403 if wrong_key() => AttemptError::Auth,
        400 | 403 | 429 if poor() => AttemptError::Credit,
        400 | 403 if policy() => AttemptError::ContentPolicy,
        400 if says(&["model_not_found"]) => AttemptError::NotFound,
        // no access to the region or model: another credential may have it
        403 => AttemptError::NotFound,
        404 | 410 => AttemptError::NotFound,
        408 | 409 => AttemptError::Server,
        // Bedrock: the model's own server failed
        424 => AttemptError::Server,
        429 if says(&["ServerOverloaded", "overloaded_error", "ModelNotReady"]) => {
            AttemptError::Overload
        }
        429 => AttemptError::RateLimit,
        503 | 529 => AttemptError::Overload,
        500..=599 => AttemptError::Server,
        400..=499 => AttemptError::Caller,
        _ => AttemptError::Malformed,
    }
}

fn tells(said: &ErrorBody, texts: &[String]) -> bool {
    texts.iter().any(|text| said.message.contains(text.as_str()))
}

/// Codes that mean an empty wallet.
const POOR: [&str; 11] = [
    "insufficient_quota",
    "insufficient_balance",
    "insufficient_credits",
    "credit_balance",
    "spend_limit",
    "organization_usage_limit",
    "payment_required",
    "Overdue",
    "InvalidAccountStatus",
    "QuotaExceeded",
    "SetLimitExceeded",
];

/// When the provider wants to be asked again: `retry-after-ms`, `retry-after` (seconds, also with
/// a fraction, or a date), else the reset of the limit that was hit (`1s`, `6m0s`, `12ms`).
pub fn retry_after(headers: &HeaderMap, now: Micros) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let seconds = |text: &str| {
        let number = text.parse::<f64>().ok()?;
        Duration::try_from_secs_f64(number).ok()
    };
    let millis = text("retry-after-ms").and_then(seconds).map(|wait| wait / 1000);
    let after = || {
        let text = text("retry-after")?;
        seconds(text).or_else(|| {
            let date = httpdate::parse_http_date(text).ok()?;
            let at = date.duration_since(std::time::UNIX_EPOCH).ok()?;
            let now = Duration::from_micros(u64::try_from(now.0).ok()?);
            Some(at.saturating_sub(now))
        })
    };
    let reset = || {
        let spent = |kind: &str| text(&format!("x-ratelimit-remaining-{kind}")) == Some("0");
        let kinds = ["requests", "tokens"].into_iter().filter(|kind| spent(kind));
        kinds.filter_map(|kind| span(text(&format!("x-ratelimit-reset-{kind}"))?)).max()
    };
    let wait = millis.or_else(after).or_else(reset)?;
    Some(wait.min(LONGEST_WAIT))
}

/// A span such as `1s`, `6m0s`, `1h2m`, `12ms`.
fn span(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let unit = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit);
        let scale = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        total += Duration::try_from_secs_f64(number.parse::<f64>().ok()? * scale).ok()?;
        rest = tail;
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::super::Wire;
    use super::super::compat::shipped;
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn statuses_and_bodies() {
        let vendors = shipped().unwrap();
        for (vendor, status, body, error, next) in [
            (
                "openai",
                400,
                r#"{"error":{"message":"x","type":"invalid_request_error","code":"context_length_exceeded"}}"#,
                AttemptError::Caller,
                Next::Larger,
            ),
            (
                "openai",
                401,
                r#"{"error":{"code":"invalid_api_key"}}"#,
                AttemptError::Auth,
                Next::Target,
            ),
            (
                "openai",
                404,
                r#"{"error":{"code":"model_not_found"}}"#,
                AttemptError::NotFound,
                Next::Target,
            ),
            (
                "openai",
                429,
                r#"{"error":{"type":"tokens","code":"rate_limit_exceeded"}}"#,
                AttemptError::RateLimit,
                Next::Same,
            ),
            (
                "openai",
                429,
                r#"{"error":{"type":"insufficient_quota","code":"insufficient_quota"}}"#,
                AttemptError::Credit,
                Next::Target,
            ),
            (
                "anthropic",
                400,
                r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000 maximum"}}"#,
                AttemptError::Caller,
                Next::Larger,
            ),
            ("openai", 500, "<html>", AttemptError::Server, Next::Same),
            ("openai", 503, "", AttemptError::Overload, Next::Same),
            (
                "xai",
                400,
                r#"{"code":"invalid-argument","error":"Incorrect API key provided"}"#,
                AttemptError::Auth,
                Next::Target,
            ),
            (
                "xai",
                400,
                r#"{"code":"invalid-argument","error":"bad"}"#,
                AttemptError::Caller,
                Next::Nothing,
            ),
            (
                "openrouter",
                402,
                r#"{"error":{"code":402,"message":"no credits"}}"#,
                AttemptError::Credit,
                Next::Target,
            ),
            (
                "doubao",
                429,
                r#"{"error":{"code":"ServerOverloaded","type":"TooManyRequests"}}"#,
                AttemptError::Overload,
                Next::Same,
            ),
            (
                "doubao",
                400,
                r#"{"error":{"code":"InputTextSensitiveContentDetected"}}"#,
                AttemptError::ContentPolicy,
                Next::Nothing,
            ),
            ("deepseek", 402, "", AttemptError::Credit, Next::Target),
            (
                "ollama",
                404,
                r#"{"error":{"message":"model 'x' not found"}}"#,
                AttemptError::NotFound,
                Next::Target,
            ),
            ("openai", 302, "", AttemptError::Malformed, Next::Target),
        ] {
            let said = Wire::OpenAi.format().error(&HeaderMap::new(), body.as_bytes());
            let failure = classify(&vendors[vendor], status, &HeaderMap::new(), &said, Micros(0));
            assert_eq!((failure.error, failure.next), (error, next), "{vendor} {status} {body}");
        }
    }

    #[test]
    fn waits() {
        let now = Micros(784_111_777_000_000 - 30_000_000);
        for (pairs, wanted) in [
            (&[("retry-after-ms", "1500")][..], Some(1_500)),
            (&[("retry-after", "2")], Some(2_000)),
            (&[("retry-after", "0.5"), ("retry-after-ms", "100")], Some(100)),
            (&[("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")], Some(30_000)),
            (&[("retry-after", "100000")], Some(120_000)),
            (&[("retry-after", "-1")], None),
            (&[("retry-after", "soon")], None),
            (
                &[("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "1m2s")],
                Some(62_000),
            ),
            (&[("x-ratelimit-remaining-tokens", "5"), ("x-ratelimit-reset-tokens", "6m0s")], None),
            (
                &[("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "12ms")],
                Some(12),
            ),
        ] {
            let wait = retry_after(&headers(pairs), now);
            assert_eq!(wait, wanted.map(Duration::from_millis), "{pairs:?}");
        }
    }
}
