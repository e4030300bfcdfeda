//! The requests and answers that loads are made of: the same 1 KB in and 0.6 KB out for all.

use std::net::SocketAddr;

use serde_json::{Value, json};

/// Bytes of a request's body and of an answer's.
const ASKED: usize = 1024;
const ANSWERED: usize = 600;

/// A chat request of 1 KB.
pub fn body(model: &str, stream: bool) -> Vec<u8> {
    let make = |text: &str| {
        let mut body = json!({
            "model": model,
            "messages": [{"role": "system", "content": "You answer in one sentence."},
                {"role": "user", "content": text}],
            "temperature": 0.5,
        });
        if stream {
            body["stream"] = true.into();
        }
        body
    };
    padded(ASKED, make)
}

/// A chat answer of 0.6 KB.
pub fn answer() -> Vec<u8> {
    padded(ANSWERED, |text| {
        json!({
            "id": "chatcmpl-bench", "object": "chat.completion", "created": 1_700_000_000, "model": "gpt-4o-mini",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 200, "completion_tokens": 60, "total_tokens": 260},
        })
    })
}

fn padded(size: usize, make: impl Fn(&str) -> Value) -> Vec<u8> {
    let bare = make("").to_string().len();
    let words: String =
        "the quick brown fox ".chars().cycle().take(size.saturating_sub(bare)).collect();
    make(&words).to_string().into_bytes()
}

/// A whole request on the wire.
pub fn chat(address: SocketAddr, key: &str, body: &[u8]) -> Vec<u8> {
    let mut request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(body);
    request
}

#[cfg(test)]
mod tests {
    #[test]
    fn sizes_are_as_said() {
        assert_eq!(super::body("m", true).len(), 1024);
        assert_eq!(super::answer().len(), 600);
    }
}
