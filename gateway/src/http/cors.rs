//! Calls of scripts in web pages.
//!
//! <https://fetch.spec.whatwg.org/#http-cors-protocol>: a browser asks first, without the key, whether it may
//! call; who calls is known only then.

use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use http::{HeaderName, HeaderValue, Method};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use crate::Gateway;
use crate::auth::authenticate;

/// How long a browser remembers that it may call.
const REMEMBERED: Duration = Duration::from_secs(60 * 60);

/// What scripts may read of an answer's headers.
const SHOWN: [HeaderName; 14] = [
    HeaderName::from_static("x-hub-call"),
    HeaderName::from_static("x-hub-target"),
    HeaderName::from_static("x-hub-attempts"),
    HeaderName::from_static("x-hub-route"),
    HeaderName::from_static("x-hub-error"),
    HeaderName::from_static("x-hub-fault"),
    HeaderName::from_static("x-hub-dropped"),
    HeaderName::from_static("retry-after"),
    HeaderName::from_static("x-ratelimit-limit-requests"),
    HeaderName::from_static("x-ratelimit-remaining-requests"),
    HeaderName::from_static("x-ratelimit-reset-requests"),
    HeaderName::from_static("x-ratelimit-limit-tokens"),
    HeaderName::from_static("x-ratelimit-remaining-tokens"),
    HeaderName::from_static("x-ratelimit-reset-tokens"),
];

/// The layer that answers browsers.
pub(super) fn layer(gateway: Arc<Gateway>) -> CorsLayer {
    let allows = move |origin: &HeaderValue, request: &Parts| {
        let snapshot = gateway.snapshot.load();
        let origin = origin.as_bytes();
        match request.method {
            Method::OPTIONS => snapshot.keys.values().any(|key| key.allows_origin(origin)),
            _ => authenticate(request, &snapshot, gateway.clock.now())
                .is_ok_and(|key| key.allows_origin(origin)),
        }
    };
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(allows))
        .allow_methods([Method::GET, Method::POST])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(SHOWN)
        .max_age(REMEMBERED)
}
