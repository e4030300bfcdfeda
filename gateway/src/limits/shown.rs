//! What a caller is told of the rates that bound it. Pure.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use runtime::clock::Micros;

use super::calendar::{rfc3339, short};
use super::rule::Measure;
use crate::dialects::Dialect;

/// How much is left of a rate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Left {
    pub(super) most: i64,
    pub(super) left: i64,
    /// Until all of it is there again.
    pub(super) reset: Duration,
}

/// The tightest limits of requests and of tokens that hold for a call; none where there are none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Shown {
    requests: Option<Left>,
    tokens: Option<Left>,
    now: Micros,
}

impl Shown {
    pub(super) fn at(now: Micros) -> Self {
        Self { now, ..Self::default() }
    }

    /// Takes a limit in, if it is the tightest of its kind: of which the least is left.
    pub(super) fn see(&mut self, measure: Measure, left: Left) {
        let place = match measure {
            Measure::Requests => &mut self.requests,
            Measure::Tokens => &mut self.tokens,
            Measure::Concurrent | Measure::CallCost | Measure::Spend(_) => return,
        };
        let key = |it: &Left| (it.left, it.most);
        if place.as_ref().is_none_or(|known| key(&left) < key(known)) {
            *place = Some(left);
        }
    }

    /// Tells it as the dialect's vendor does.
    pub fn tell(&self, dialect: Dialect, headers: &mut HeaderMap) {
        for (what, left) in [("requests", self.requests), ("tokens", self.tokens)] {
            let Some(Left { most, left, reset }) = left else {
                continue;
            };
            let mut put = |name: String, value: String| {
                let name = HeaderName::try_from(name);
                if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value)) {
                    headers.insert(name, value);
                }
            };
            if dialect == Dialect::Anthropic {
                let reset = i64::try_from(reset.as_micros()).unwrap_or(i64::MAX);
                let at = rfc3339(Micros(self.now.0.saturating_add(reset)));
                put(format!("anthropic-ratelimit-{what}-limit"), most.to_string());
                put(format!("anthropic-ratelimit-{what}-remaining"), left.to_string());
                put(format!("anthropic-ratelimit-{what}-reset"), at);
            } else {
                put(format!("x-ratelimit-limit-{what}"), most.to_string());
                put(format!("x-ratelimit-remaining-{what}"), left.to_string());
                put(format!("x-ratelimit-reset-{what}"), short(reset));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tightest_is_told_in_the_vendors_words() {
        let mut shown = Shown::at(Micros(1_767_323_045_000_000));
        let left = |most, left, secs| Left { most, left, reset: Duration::from_secs(secs) };
        shown.see(Measure::Requests, left(60, 59, 1));
        shown.see(Measure::Requests, left(600, 12, 90));
        shown.see(Measure::Requests, left(5_000, 4_000, 3));
        shown.see(Measure::Concurrent, left(1, 0, 0));
        let told = |dialect| {
            let mut headers = HeaderMap::new();
            shown.tell(dialect, &mut headers);
            let text = |(name, value): (&HeaderName, &HeaderValue)| {
                format!("{name}: {}", value.to_str().unwrap())
            };
            let mut all: Vec<_> = headers.iter().map(text).collect();
            all.sort();
            all
        };
        assert_eq!(
            told(Dialect::OpenAiChat),
            [
                "x-ratelimit-limit-requests: 600",
                "x-ratelimit-remaining-requests: 12",
                "x-ratelimit-reset-requests: 1m30s"
            ]
        );
        assert_eq!(
            told(Dialect::Anthropic),
            [
                "anthropic-ratelimit-requests-limit: 600",
                "anthropic-ratelimit-requests-remaining: 12",
                "anthropic-ratelimit-requests-reset: 2026-01-02T03:05:35Z"
            ]
        );
        let mut none = HeaderMap::new();
        Shown::default().tell(Dialect::Gemini, &mut none);
        assert!(none.is_empty());
    }
}
