//! How the body arrives and what it is.

use super::{CHAT, CONTENT, Case, Want, post, raw, refused};
use crate::rig::http::request;

const GOOD: (&str, &str) = ("authorization", "Bearer key-of-a-test-hub");
const BODY: &[u8] = br#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;

fn with(name: &'static str, headers: &[(&str, &str)], body: &[u8], want: Want) -> Case {
    let headers: Vec<_> = [GOOD].iter().chain(headers).copied().collect();
    raw(name, request("POST", CHAT, &headers, body), want)
}

fn malformed(name: &'static str, body: impl AsRef<[u8]>, says: &'static str) -> Case {
    post(name, CHAT, body.as_ref(), refused(400, "malformed_body", "", says))
}

#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    let json = ("content-type", "application/json");
    let large = || refused(413, "body_too_large", "", "larger than 65536 bytes");
    let kind = |says| refused(415, "unsupported_content_type", "", says);
    let many = format!("{{{}}}", (0..300).map(|n| format!("\"f{n}\":1")).collect::<Vec<_>>().join(","));
    let deep = format!(r#"{{"model":"m","messages":{}{}}}"#, "[".repeat(20_000), "]".repeat(20_000));
    let long = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"{}"}}]}}"#, "x".repeat(70_000));
    let chunked = [format!("{:x}\r\n", long.len()).as_bytes(), long.as_bytes(), b"\r\n0\r\n\r\n"].concat();
    let half = &BODY[..20];
    vec![
        malformed("no body", "", "ends inside its JSON"),
        malformed("a body that ends early", r#"{"model":"m","messages":[{"role":"user""#, "ends inside its JSON"),
        malformed("a comma too many", r#"{"model":"m",}"#, "not valid JSON at line 1, column 14"),
        malformed("words", CONTENT, "not valid JSON at line 1, column 2"),
        malformed("an array", r#"[{"model":"m"}]"#, "must be a JSON object"),
        malformed("a string", format!("{CONTENT:?}"), "must be a JSON object"),
        malformed("two bodies", r#"{"model":"m"}{"model":"m"}"#, "not valid JSON"),
        malformed("a field twice", r#"{"model":"m","model":"n","messages":[1]}"#, "the field \"model\" twice"),
        malformed("a field twice, once escaped", r#"{"model":"m","mod\u0065l":"n","messages":[1]}"#, "the field \"model\" twice"),
        malformed("more fields than 256", many, "more than 256 fields"),
        malformed("not UTF-8", b"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"\xff\xfe\"}]}", "not valid JSON"),
        malformed("UTF-16", b"\xff\xfe{\x00}\x00", "not valid JSON"),
        // parsed by nobody here, so the provider says what it thinks of it
        post("deep nesting", CHAT, deep.as_bytes(), Want { upstream: 1, ..refused(400, "provider_refused", "", "not a JSON object") }),

        post("a huge body", CHAT, long.as_bytes(), large()),
        with("a huge body, only announced", &[json, ("content-length", "1000000000000")], b"", large()),
        with("a huge body in chunks", &[json, ("transfer-encoding", "chunked")], &chunked, large()),
        with("a length that is none", &[json, ("content-length", "ten")], BODY, Want { fault: "", ..refused(400, "", "", "") }),
        with("a slow body", &[json, ("content-length", "100")], half, refused(408, "body_timeout", "", "took longer than 1 s")),
        with("chunks that are none", &[json, ("transfer-encoding", "chunked")], b"zz\r\nwhat\r\n", refused(400, "malformed_body", "", "broke off")),

        with("plain text", &[("content-type", "text/plain")], BODY, kind("\"text/plain\" is not supported; send application/json")),
        with("a form", &[("content-type", "application/x-www-form-urlencoded")], b"model=m", kind("send application/json")),
        with("a file", &[("content-type", "multipart/form-data; boundary=x")], b"--x--", kind("\"multipart/form-data\"")),
        with("a compressed body", &[json, ("content-encoding", "gzip")], b"\x1f\x8b\x08\x00", kind("content-encoding \"gzip\" is not supported; send the body uncompressed")),
    ]
}
