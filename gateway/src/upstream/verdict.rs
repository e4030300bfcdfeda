//! What an answer means that is none, and what to tell the caller when all attempts failed. Pure.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use runtime::clock::Micros;
use schemas::event::AttemptError;
use schemas::ids::ProviderId;

use super::zone::Denied;
use crate::call::Call;
use crate::error::{Error, Kind, Passed};
use crate::providers::{Failure, classify, passes};
use crate::routing::Target;

/// A failed attempt.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) provider: ProviderId,
    pub(super) failure: Failure,
    /// HTTP status; 0 when there was no answer.
    pub(super) status: u16,
    /// The provider's own words, where it refused with 4xx.
    pub(super) refusal: Option<Passed>,
    /// Why its address was not connected to.
    pub(super) denied: Option<Denied>,
    /// A kept connection broke before a byte of an answer: it may just have been closed for being
    /// idle, which says nothing about the target.
    pub(super) stale: bool,
}

/// What an answer means that is no success.
pub(super) fn refused(
    call: &Call,
    target: &Target,
    (status, headers, body): (StatusCode, &HeaderMap, Bytes),
    now: Micros,
) -> Failed {
    let code = status.as_u16();
    let (failure, message) = classify(call, target, code, (headers, &body), now);
    let refusal = status.is_client_error().then(|| Passed {
        status: code,
        content_type: headers.get(header::CONTENT_TYPE).cloned(),
        body,
        message,
        is_own: passes(call, target),
    });
    let provider = target.provider.clone();
    Failed { provider, failure, status: code, refusal, denied: None, stale: false }
}

/// What the caller is told when the only target refused so.
pub fn told(
    call: &Call,
    target: &Target,
    answer: (StatusCode, &HeaderMap, Bytes),
    now: Micros,
) -> Error {
    verdict(vec![refused(call, target, answer, now)], None)
}

/// The error for the caller when no attempt answered. `refused`: why a target was not even asked.
pub(super) fn verdict(mut failed: Vec<Failed>, refused: Option<Error>) -> Error {
    use AttemptError as A;
    let all = |kinds: &[A]| failed.iter().all(|failed| kinds.contains(&failed.failure.error));
    let waits = failed.iter().filter_map(|failed| failed.failure.retry_after).min();
    let attempts = failed.len();
    let busy = all(&[A::RateLimit, A::Overload]);
    let unknown = all(&[A::NotFound]);
    let Some(last) = failed.pop() else {
        return refused
            .unwrap_or_else(|| Error::new(Kind::Internal, "the plan of the call had no target"));
    };
    let kind = match last.failure.error {
        A::Caller | A::ContentPolicy => Kind::ProviderRefused,
        _ if busy => Kind::ProviderBusy,
        _ if unknown => Kind::UnknownModel,
        A::FirstByteTimeout | A::IdleTimeout | A::TotalTimeout => Kind::ProviderTimeout,
        _ => Kind::ProviderFailed,
    };
    let mut error = Error::new(kind, words(&last, attempts));
    match kind {
        Kind::ProviderBusy => error.retry_after = waits,
        Kind::ProviderRefused | Kind::UnknownModel => error.passed = last.refusal.map(Box::new),
        _ => {}
    }
    error
}

fn words(last: &Failed, attempts: usize) -> Cow<'static, str> {
    use AttemptError as A;
    let what = match last.failure.error {
        A::Connect => "could not be reached",
        A::FirstByteTimeout => "did not begin to answer in time",
        A::IdleTimeout => "fell silent",
        A::TotalTimeout => "did not finish in time",
        A::Broken => "broke the connection off",
        A::Auth => "refused the hub's credential",
        A::Credit => "refused as the hub's account there has no money",
        A::RateLimit => "is rate limiting",
        A::Overload => "is overloaded",
        A::Server => "failed",
        A::Malformed => "answered with what can't be read",
        A::ContentPolicy => "refused by its content policy",
        A::NotFound => "does not know the model",
        A::Caller => "refused the request",
        A::Cancelled | A::None | A::Other => "gave no answer",
    };
    let status = match (last.status, last.denied) {
        (0, None) => String::new(),
        (0, Some(why)) => format!(": {why}"),
        (status, _) => format!(" (HTTP {status})"),
    };
    let provider = &last.provider;
    match attempts {
        1 => format!("{provider} {what}{status}").into(),
        many => format!("{many} attempts failed; in the last, {provider} {what}{status}").into(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn failed(error: AttemptError, status: u16, wait_ms: Option<u64>) -> Failed {
        let retry_after = wait_ms.map(Duration::from_millis);
        Failed {
            provider: "p".into(),
            failure: Failure { retry_after, ..Failure::of(error) },
            status,
            refusal: (400..500).contains(&status).then(|| Passed {
                status,
                content_type: None,
                body: "{}".into(),
                message: String::new(),
                is_own: true,
            }),
            denied: None,
            stale: false,
        }
    }

    #[test]
    fn verdicts() {
        use AttemptError::{Auth, Caller, FirstByteTimeout, NotFound, Overload, RateLimit, Server};
        for (attempts, kind, wait, passed) in [
            (
                vec![(RateLimit, 429, Some(7_000)), (Overload, 503, Some(3_000))],
                Kind::ProviderBusy,
                Some(3_000),
                false,
            ),
            (
                vec![(Server, 500, None), (RateLimit, 429, Some(3_000))],
                Kind::ProviderFailed,
                None,
                false,
            ),
            (
                vec![(RateLimit, 429, None), (FirstByteTimeout, 0, None)],
                Kind::ProviderTimeout,
                None,
                false,
            ),
            (vec![(Server, 500, None), (Caller, 422, None)], Kind::ProviderRefused, None, true),
            (vec![(NotFound, 404, None)], Kind::UnknownModel, None, true),
            (vec![(NotFound, 404, None), (Auth, 401, None)], Kind::ProviderFailed, None, false),
            (vec![(Auth, 401, None)], Kind::ProviderFailed, None, false),
        ] {
            let list = attempts.iter().map(|(error, status, wait)| failed(*error, *status, *wait));
            let error = verdict(list.collect(), None);
            assert_eq!(error.kind, kind, "{attempts:?}");
            assert_eq!(error.retry_after, wait.map(Duration::from_millis), "{attempts:?}");
            assert_eq!(error.passed.is_some(), passed, "{attempts:?}");
        }
        let refused = Error::new(Kind::UnsupportedField, "no").at("seed");
        assert_eq!(verdict(Vec::new(), Some(refused)).kind, Kind::UnsupportedField);
    }
}
