//! Who calls, what for, and by which route.

use serde_json::json;

use super::{CHAT, Case, MONEY, NARROW, NO_MONEY, To, Want, by, chat, post, raw, refused};
use crate::rig::http::request;

const BODY: &[u8] = br#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
const JSON: (&str, &str) = ("content-type", "application/json");
const GOOD: (&str, &str) = ("authorization", "Bearer key-of-a-test-hub");

/// What the funded account can't pay for.
pub(super) const DEAR: &[u8] =
    br#"{"model":"demo","max_tokens":100000000,"messages":[{"role":"user","content":"hi"}]}"#;

fn with(name: &'static str, headers: &[(&str, &str)], want: Want) -> Case {
    raw(name, request("POST", CHAT, headers, BODY), want)
}

fn route(name: &'static str, method: &str, path: &str, want: Want) -> Case {
    raw(name, request(method, path, &[GOOD, JSON], b""), want)
}

/// Refused below the hub's routes, by HTTP itself.
const fn by_http(status: u16) -> Want {
    Want { fault: "", ..refused(status, "", "", "") }
}

#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    let missing = || refused(401, "missing_api_key", "", "send the header Authorization: Bearer <key>");
    let unknown = || refused(401, "invalid_api_key", "", "not known");
    let long = format!("Bearer {}", "k".repeat(2_000));
    let model = |says| refused(404, "model_not_found", "model", says);
    let mut cases = vec![
        with("no key", &[JSON], missing()),
        with("wrong scheme", &[JSON, ("authorization", "Basic a2V5Og==")], missing()),
        with("scheme without a key", &[JSON, ("authorization", "Bearer ")], missing()),
        with("a key that is not known", &[JSON, ("authorization", "Bearer guess")], unknown()),
        with("a key without its end", &[JSON, ("authorization", "Bearer key-of-a-test-hu")], unknown()),
        with("a key that is too long", &[JSON, ("authorization", &long)], unknown()),
        with("a key that is not ASCII", &[JSON, ("authorization", "Bearer schlüssel")], unknown()),
        raw("models without a key", request("GET", "/v1/models", &[], b""), missing()),

        by("a model that the key may not use", NARROW, CHAT, BODY, refused(403, "forbidden", "model", "may not use the model \"m\"")),
        by("no credit", NO_MONEY, CHAT, br#"{"model":"demo","messages":[{"role":"user","content":"hi"}]}"#,
            refused(402, "insufficient_credit", "", "account \"spent\"")),
        by("more than the credit", MONEY, CHAT, DEAR,
            refused(402, "insufficient_credit", "", "has 5.00 USD available")),
        by("no price", MONEY, CHAT, br#"{"model":"unpriced","messages":[{"role":"user","content":"hi"}]}"#,
            Want { fault: "hub", ..refused(403, "no_price", "model", "has no price here") }),

        chat("unknown model", json!({"model": "gpt-none"}), model("\"gpt-none\" is not served here")),
        chat("a pin on a provider that is not there", json!({"model": "nowhere/m"}), model("\"nowhere/m\" is not served")),
        chat("a pin on nothing", json!({"model": "fake/"}), model("is not served")),
        chat("a model that the pinned provider does not know", json!({"model": "demo/gpt-none"}),
            refused(404, "model_not_found", "", "")),
        route("a model that is not listed", "GET", "/v1/models/gpt-none", model("\"gpt-none\" is not listed here")),

        post("videos", "/api/v2/video", b"{}", refused(400, "unsupported_field", "", "no provider makes videos here")),
        raw("videos without a key", request("POST", "/api/v2/video", &[JSON], b"{}"), missing()),
        post("unknown route", "/v1/completion", BODY, refused(404, "route_not_found", "", "try /v1/chat/completions")),
        route("the root", "GET", "/", refused(404, "route_not_found", "", "there is no \"/\" here")),
        route("wrong method on a call", "GET", CHAT, refused(405, "method_not_allowed", "", "GET is not allowed")),
        route("wrong method on models", "DELETE", "/v1/models", refused(405, "method_not_allowed", "", "DELETE is not allowed")),
        route("wrong method on health", "POST", "/healthz", refused(405, "method_not_allowed", "", "POST is not allowed")),
        route("metrics where callers are", "GET", "/metrics", refused(404, "route_not_found", "", "\"/metrics\"")),

        raw("not HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(), by_http(400)),
        with("a head that is too large", &[("x-large", &"x".repeat(1 << 20))], by_http(431)),
        with("more headers than 100", &vec![("x-many", "1"); 200], by_http(431)),
        with("two lengths", &[GOOD, JSON, ("content-length", "5"), ("content-length", "7")], by_http(400)),
    ];
    cases.push(Case { to: To::Operators, ..route("a call where operators are", "POST", CHAT,
        refused(404, "route_not_found", "", "try /healthz, /readyz, /metrics")) });
    cases
}
