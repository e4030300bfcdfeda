//! What providers do wrong, and what the caller is told of it.

use serde_json::json;

use super::{Case, Want, chat};

fn failed(status: u16, code: &'static str, says: &'static str, requests: u64) -> Want {
    Want { status, code, param: "", says, fault: "provider", retry: "", upstream: requests }
}

/// Content, and then this.
const fn broken(says: &'static str) -> Want {
    Want { status: 200, code: "", param: "", says, fault: "", retry: "", upstream: 1 }
}

#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    let to = |model: &str| json!({"model": model});
    let stream = |model: &str| json!({"model": model, "stream": true});
    // a kept connection that breaks may just have been idle for too long: asked once more
    vec![
        chat("an HTML page", to("fake/m+html"), failed(502, "provider_failed", "fake failed (HTTP 502)", 3)),
        chat("an answer that is not JSON", to("fake/m+malformed"), failed(502, "provider_failed", "answered with what can't be read", 1)),
        chat("an empty answer", to("fake/m+empty"), failed(502, "provider_failed", "answered with what can't be read", 1)),
        chat("no answer", to("fake/m+no_answer"), failed(502, "provider_failed", "broke the connection off", 3)),
        chat("silence", to("fake/m+stall_first"), failed(504, "provider_timeout", "did not", 1)),
        chat("a server error", to("fake/m+500"), failed(502, "provider_failed", "fake failed (HTTP 500)", 3)),
        chat("an overloaded provider", to("fake/m+503"), failed(429, "provider_busy", "is overloaded", 3)),
        chat("a rate limit", to("fake/m+rate_limit=30"), Want { retry: "30", ..failed(429, "provider_busy", "is rate limiting", 1) }),
        chat("no money at the provider", to("fake/m+quota"), failed(502, "provider_failed", "the hub's account there has no money", 1)),
        chat("a credential that is refused", to("fake/m+401"), failed(502, "provider_failed", "refused the hub's credential (HTTP 401)", 1)),
        chat("a request that is refused", to("fake/m+422"), Want { fault: "caller", ..failed(422, "provider_refused", "", 1) }),
        chat("nobody there", to("gone"), failed(502, "provider_failed", "gone could not be reached", 0)),
        chat("an error as the first of a stream", stream("fake/m+error_chunk=0"), failed(502, "provider_failed", "fake", 1)),
        chat("a stream that ends before it begins", stream("fake/m+cut_after=0"), failed(502, "provider_failed", "broke the connection off", 3)),
        // content was given: the status stands, and the stream says how it ended
        chat("a stream that breaks", stream("fake/m+cut_after=3"), broken("the provider broke the stream off; the answer above is incomplete")),
        chat("a stream that breaks inside a frame", stream("fake/m+mid_chunk=3"), broken("\"code\":\"truncated\"")),
        chat("a stream that ends without its end", stream("fake/m+no_done"), broken("the provider broke the stream off")),
        chat("a stream that falls silent", stream("fake/m+stall_after=3"), broken("the call took longer than it may")),
        chat("a stream that is not JSON", stream("fake/m+malformed"), broken("the provider sent what can't be read")),
        // the provider's own words
        chat("a stream with an error in it", stream("fake/m+error_chunk=3"), broken("the server had an error")),
    ]
}
