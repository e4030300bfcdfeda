//! Fields of a body.

use serde_json::{Value, json};

use super::{Case, Want, chat, embed, post, refused};

fn invalid(param: &'static str, says: &'static str) -> Want {
    refused(400, "invalid_field", param, says)
}

fn missing(param: &'static str, says: &'static str) -> Want {
    refused(400, "missing_field", param, says)
}

fn unsupported(param: &'static str, says: &'static str) -> Want {
    refused(400, "unsupported_field", param, says)
}

#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    let name = || invalid("model", "must be a name of 1 to 256 bytes");
    vec![
        chat("no model", json!({"model": Value::Null}), missing("model", "model is missing: the name of a model")),
        post("a model that is null", "/v1/chat/completions", br#"{"model":null,"messages":[1]}"#, missing("model", "model is missing")),
        chat("a model that is a number", json!({"model": 4}), invalid("model", "must be a string")),
        chat("an empty model", json!({"model": ""}), name()),
        chat("a long model", json!({"model": "m".repeat(257)}), name()),
        chat("a model with control characters", json!({"model": "m\u{0}\r\nx: y"}), name()),
        chat("no messages", json!({"messages": Value::Null}), missing("messages", "an array of messages")),
        chat("empty messages", json!({"messages": []}), invalid("messages", "an array that is not empty")),
        chat("messages that are text", json!({"messages": "hi"}), invalid("messages", "an array that is not empty")),
        chat("a stream that is text", json!({"stream": "true"}), invalid("stream", "must be true or false")),
        chat("stream_options without stream", json!({"stream_options": {"include_usage": true}}), invalid("stream_options", "goes with stream: true")),
        chat("stream_options that are a list", json!({"stream": true, "stream_options": [1]}), invalid("stream_options", "must be an object")),
        chat("include_usage that is text", json!({"stream": true, "stream_options": {"include_usage": "yes"}}),
            invalid("stream_options.include_usage", "must be true or false")),
        chat("n = 0", json!({"n": 0}), invalid("n", "a whole number of at least 1")),
        chat("half a choice", json!({"n": 1.5}), invalid("n", "a whole number of at least 1")),
        chat("max_tokens below zero", json!({"max_tokens": -1}), invalid("max_tokens", "a whole number of at least 1")),
        chat("max_completion_tokens in words", json!({"max_completion_tokens": "many"}), invalid("max_completion_tokens", "a whole number of at least 1")),
        chat("max_tokens past all numbers", json!({"max_tokens": 1e300}), invalid("max_tokens", "a whole number")),
        chat("a temperature in words", json!({"temperature": "hot"}), invalid("temperature", "must be a number")),
        chat("no tools", json!({"tools": []}), invalid("tools", "an array that is not empty")),
        chat("tools that are one tool", json!({"tools": {"type": "function"}}), invalid("tools", "an array that is not empty")),
        chat("a response_format in words", json!({"response_format": "json"}), invalid("response_format", "must be an object")),
        chat("a user that is a number", json!({"user": 7}), invalid("user", "must be a string")),
        chat("metadata that is not text", json!({"metadata": {"a": 1}}), invalid("metadata", "must map names to strings")),
        chat("metadata that is a list", json!({"metadata": ["a"]}), invalid("metadata", "must be an object")),
        chat("a deferred answer", json!({"deferred": true}), unsupported("deferred", "leave it out")),
        chat("a field that the vendor has retired", json!({"model": "x/x", "search_parameters": {}}),
            unsupported("search_parameters", "xAI has retired live search")),

        embed("no input", json!({"input": Value::Null}), missing("input", "input is missing: a string, or an array")),
        embed("an input that is a number", json!({"input": 7}), invalid("input", "a string, or an array")),
        embed("an input that is an object", json!({"input": {"text": "x"}}), invalid("input", "a string, or an array")),
        embed("no dimensions", json!({"dimensions": 0}), invalid("dimensions", "a whole number of at least 1")),
        embed("embeddings in a stream", json!({"stream": true}), unsupported("stream", "embeddings are not streamed")),
        embed("embeddings without a model", json!({"model": Value::Null}), missing("model", "the name of a model")),
    ]
}
