//! The built-in `demo` provider: a small OpenAI-compatible server on loopback, so that a first
//! call works without any key and takes the same way as every other.
//!
//! It serves the model `demo` and no other, repeats what it was told, and counts four bytes as a
//! token.

use std::convert::Infallible;
use std::net::SocketAddr;

use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use futures::stream;
use runtime::task::Tasks;
use serde::Deserialize;
use serde_json::{Value, json};

/// The only model.
const MODEL: &str = "demo";
/// Longest vector that is made.
const MAX_DIMENSIONS: usize = 4096;

/// Starts the server on a free loopback port.
///
/// # Errors
/// No port could be bound.
pub async fn start(tasks: &Tasks) -> std::io::Result<SocketAddr> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let routes = Router::new()
        .route("/v1/chat/completions", post(chat))
        .route("/v1/embeddings", post(embeddings));
    let token = tasks.token();
    tasks.spawn("demo provider", async move {
        let server = axum::serve(listener, routes).with_graceful_shutdown(token.cancelled_owned());
        if let Err(error) = server.await {
            tracing::error!(%error, "the demo provider stopped");
        }
    });
    Ok(address)
}

#[derive(Deserialize)]
struct Chat {
    model: String,
    #[serde(default)]
    messages: Vec<Message>,
    #[serde(default)]
    stream: bool,
    #[serde(default)]
    stream_options: StreamOptions,
    #[serde(default)]
    max_tokens: Option<usize>,
    #[serde(default)]
    max_completion_tokens: Option<usize>,
}

#[derive(Deserialize, Default)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    role: String,
    #[serde(default)]
    content: Value,
}

async fn chat(body: Bytes) -> Response {
    let chat: Chat = match serde_json::from_slice(&body) {
        Ok(chat) => chat,
        Err(error) => {
            return refuse(StatusCode::BAD_REQUEST, "invalid_request", &error.to_string());
        }
    };
    if chat.model != MODEL {
        return unknown(&chat.model);
    }
    let last = chat.messages.iter().rev().find(|message| message.role == "user");
    let said = last.map(|message| text_of(&message.content)).unwrap_or_default();
    let answer = format!(
        "Hello from the hub's demo model. You said: {said} Add a provider's key, such as OPENAI_API_KEY, to talk to a real one."
    );
    let most = chat.max_completion_tokens.or(chat.max_tokens).unwrap_or(usize::MAX);
    let words: Vec<String> = answer.split_inclusive(' ').map(str::to_owned).collect();
    let finish = if words.len() > most { "length" } else { "stop" };
    let words: Vec<String> = words.into_iter().take(most).collect();
    let prompt: usize =
        chat.messages.iter().map(|message| tokens(&text_of(&message.content))).sum();
    let completion = tokens(&words.concat());
    let usage = json!({
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    });
    if chat.stream {
        return streamed(words, finish, chat.stream_options.include_usage.then_some(usage));
    }
    let message = json!({"role": "assistant", "content": words.concat(), "refusal": null});
    Json(json!({
        "id": "chatcmpl-demo", "object": "chat.completion", "created": 0, "model": MODEL,
        "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": finish}],
        "usage": usage,
    }))
    .into_response()
}

fn streamed(words: Vec<String>, finish: &str, usage: Option<Value>) -> Response {
    let chunk = |choices: Value, usage: Value| {
        let chunk = json!({
            "id": "chatcmpl-demo", "object": "chat.completion.chunk", "created": 0, "model": MODEL,
            "choices": choices, "usage": usage,
        });
        format!("data: {chunk}\n\n")
    };
    let delta = |delta: Value, finish: Value| {
        chunk(json!([{"index": 0, "delta": delta, "finish_reason": finish}]), Value::Null)
    };
    let mut events = vec![delta(json!({"role": "assistant", "content": ""}), Value::Null)];
    events.extend(words.iter().map(|word| delta(json!({"content": word}), Value::Null)));
    events.push(delta(json!({}), json!(finish)));
    events.extend(usage.map(|usage| chunk(json!([]), usage)));
    events.push("data: [DONE]\n\n".to_owned());
    let body = Body::from_stream(stream::iter(events.into_iter().map(Ok::<_, Infallible>)));
    ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
}

#[derive(Deserialize)]
struct Embeddings {
    model: String,
    input: Value,
    #[serde(default)]
    dimensions: Option<usize>,
    #[serde(default)]
    encoding_format: Option<String>,
}

async fn embeddings(body: Bytes) -> Response {
    let request: Embeddings = match serde_json::from_slice(&body) {
        Ok(request) => request,
        Err(error) => {
            return refuse(StatusCode::BAD_REQUEST, "invalid_request", &error.to_string());
        }
    };
    if request.model != MODEL {
        return unknown(&request.model);
    }
    let inputs: Vec<String> = match &request.input {
        Value::Array(items) if items.iter().all(Value::is_string) => {
            items.iter().map(text_of).collect()
        }
        other => vec![text_of(other)],
    };
    let dimensions = request.dimensions.unwrap_or(64).clamp(1, MAX_DIMENSIONS);
    let base64 = request.encoding_format.as_deref() == Some("base64");
    let data: Vec<Value> = inputs
        .iter()
        .enumerate()
        .map(|(index, text)| {
            let vector = vector(text, dimensions);
            let embedding = if base64 { json!(little_endian(&vector)) } else { json!(vector) };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        })
        .collect();
    let used: usize = inputs.iter().map(|text| tokens(text)).sum();
    let usage = json!({"prompt_tokens": used, "total_tokens": used});
    Json(json!({"object": "list", "model": MODEL, "data": data, "usage": usage})).into_response()
}

/// A vector that depends on the text alone: digests of it, as numbers from -1 to 1.
fn vector(text: &str, dimensions: usize) -> Vec<f32> {
    use sha2::{Digest as _, Sha256};
    let digests = (0_u32..).flat_map(|block| {
        Sha256::new().chain_update(block.to_be_bytes()).chain_update(text).finalize().to_vec()
    });
    digests.take(dimensions).map(|byte| f32::from(byte) / 127.5 - 1.0).collect()
}

fn little_endian(vector: &[f32]) -> String {
    use base64::Engine as _;
    let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// The text of a content, or of its text parts.
fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let texts = parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str));
            texts.collect::<Vec<_>>().join(" ")
        }
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn tokens(text: &str) -> usize {
    text.len().div_ceil(4)
}

fn unknown(model: &str) -> Response {
    let model: String = model.chars().take(100).collect();
    let message = format!("the demo provider serves the model \"{MODEL}\" only, not {model:?}");
    refuse(StatusCode::NOT_FOUND, "model_not_found", &message)
}

fn refuse(status: StatusCode, code: &str, message: &str) -> Response {
    let error =
        json!({"message": message, "type": "invalid_request_error", "param": null, "code": code});
    (status, Json(json!({ "error": error }))).into_response()
}
