//! What the vendor would answer: pure, from a request and a behaviour to a script.

use serde_json::{Value, json};

use super::behaviour::{Behaviour, Fault};
use super::script::{Script, Step, chunk, write};
use super::{chat, embeddings};

/// What the answer is made from.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// Path without its query.
    pub(super) path: String,
    /// The body; null when it is not JSON.
    pub(super) body: Value,
    /// The request's number at this fake.
    pub(super) number: u64,
}

impl Asked {
    /// The model asked for, with its directives.
    pub(super) fn model(&self) -> &str {
        self.body["model"].as_str().unwrap_or_default()
    }

    /// Whether a stream was asked for.
    pub(super) fn stream(&self) -> bool {
        self.body["stream"].as_bool().unwrap_or_default()
    }

    /// The directives that the request brings: in `metadata.fake`, in `user` after `fake:`, or in
    /// the model's name after `+`.
    pub(super) fn directives(&self) -> &str {
        self.body["metadata"]["fake"]
            .as_str()
            .or_else(|| self.body["user"].as_str()?.strip_prefix("fake:"))
            .or_else(|| Some(self.model().split_once('+')?.1))
            .unwrap_or_default()
    }

    /// What a vendor would count: four bytes of input each.
    pub(super) fn prompt_tokens(&self) -> u32 {
        let input = ["messages", "input"].map(|name| match &self.body[name] {
            Value::Null => 0,
            value => value.to_string().len(),
        });
        u32::try_from(input.iter().sum::<usize>().div_ceil(4)).unwrap_or(u32::MAX)
    }
}

/// The script of the answer.
pub(super) fn answer(asked: &Asked, behaviour: &Behaviour) -> Script {
    let mut script = failure(asked, behaviour.fault).unwrap_or_else(|| match asked.path.as_str() {
        "/v1/chat/completions" if asked.body.is_object() => chat::answer(asked, behaviour),
        "/v1/embeddings" if asked.body.is_object() => embeddings::answer(asked, behaviour),
        "/v1/models" => models(asked),
        "/v1/chat/completions" | "/v1/embeddings" => refused(
            asked,
            400,
            &json!({"message": "the body is not a JSON object", "type": "invalid_request_error",
                "param": null, "code": null}),
            "",
        ),
        _ => refused(
            asked,
            404,
            &json!({"message": "unknown path", "type": "invalid_request_error",
                "param": null, "code": "unknown_url"}),
            "",
        ),
    });
    script = script.sliced(behaviour.slice, behaviour.slice_gap);
    if !behaviour.latency.is_zero() {
        script.steps.insert(0, Step::Pause(behaviour.latency));
    }
    if behaviour.close {
        script.steps.push(Step::Close);
    }
    script
}

/// Answers that are failures from their first byte on.
fn failure(asked: &Asked, fault: Fault) -> Option<Script> {
    let error = |message: &str, kind: &str, code: Value| json!({"message": message, "type": kind, "param": null, "code": code});
    Some(match fault {
        Fault::RateLimit(seconds) => refused(
            asked,
            429,
            &error("rate limit reached", "requests", json!("rate_limit_exceeded")),
            &format!("retry-after: {seconds}\r\n"),
        ),
        Fault::Quota => refused(
            asked,
            429,
            &error("no quota left", "insufficient_quota", json!("insufficient_quota")),
            "",
        ),
        Fault::Status(401) => refused(
            asked,
            401,
            &error("wrong API key", "invalid_request_error", json!("invalid_api_key")),
            "",
        ),
        Fault::Status(status @ 500..) => {
            refused(asked, status, &error("the server failed", "server_error", Value::Null), "")
        }
        Fault::Status(status) => {
            refused(asked, status, &error("refused", "invalid_request_error", Value::Null), "")
        }
        Fault::Html => Script {
            status: 502,
            steps: vec![write(head(
                asked,
                502,
                "text/html",
                "",
                Some(b"<html>bad gateway</html>"),
            ))],
            ..Script::default()
        },
        Fault::Malformed if !asked.stream() => Script {
            status: 200,
            steps: vec![write(head(
                asked,
                200,
                "application/json",
                "",
                Some(b"{\"id\": \"chatcm"),
            ))],
            ..Script::default()
        },
        Fault::Empty => Script {
            status: 200,
            steps: vec![write(head(asked, 200, "application/json", "", Some(b"")))],
            ..Script::default()
        },
        Fault::NoAnswer => Script { steps: vec![Step::Close], ..Script::default() },
        Fault::StallFirst => Script { steps: vec![Step::Hang], ..Script::default() },
        _ => return None,
    })
}

fn models(asked: &Asked) -> Script {
    let model = |id: &str| json!({"id": id, "object": "model", "created": 1_700_000_000, "owned_by": "fake"});
    let body =
        json!({"object": "list", "data": [model("gpt-4o-mini"), model("text-embedding-3-small")]});
    json_answer(asked, &body)
}

/// A whole JSON answer.
pub(super) fn json_answer(asked: &Asked, body: &Value) -> Script {
    Script {
        status: 200,
        steps: vec![write(head(
            asked,
            200,
            "application/json",
            "",
            Some(body.to_string().as_bytes()),
        ))],
        whole: true,
        ..Script::default()
    }
}

fn refused(asked: &Asked, status: u16, error: &Value, headers: &str) -> Script {
    let body = json!({"error": error}).to_string();
    Script {
        status,
        steps: vec![write(head(asked, status, "application/json", headers, Some(body.as_bytes())))],
        whole: true,
        ..Script::default()
    }
}

/// The head of an answer with its body, or of a chunked one.
pub(super) fn head(
    asked: &Asked,
    status: u16,
    kind: &str,
    headers: &str,
    body: Option<&[u8]>,
) -> Vec<u8> {
    let reason = match status {
        200 => "OK",
        429 => "Too Many Requests",
        _ => "Refused",
    };
    let framing = body.map_or_else(
        || "transfer-encoding: chunked".to_owned(),
        |body| format!("content-length: {}", body.len()),
    );
    let mut out = format!(
        "HTTP/1.1 {status} {reason}\r\ncontent-type: {kind}\r\nx-request-id: req_{}\r\n\
         openai-processing-ms: 1\r\n{headers}{framing}\r\n\r\n",
        asked.number
    )
    .into_bytes();
    out.extend_from_slice(body.unwrap_or_default());
    out
}

/// A `data:` frame as one HTTP chunk.
pub(super) fn frame(data: &str) -> Vec<u8> {
    chunk(format!("data: {data}\n\n").as_bytes())
}
