//! OpenAI's `logprobs` as Google's `logprobsResult`.

use serde_json::{Value, json};

/// Adds the tokens of a piece to those before.
pub(super) fn add(result: &mut Option<Value>, logprobs: &Value) {
    let Some(tokens) = logprobs.get("content").and_then(Value::as_array) else {
        return;
    };
    let empty = || json!({"chosenCandidates": [], "topCandidates": []});
    let result = result.get_or_insert_with(empty);
    for token in tokens {
        let top = token.get("top_logprobs").and_then(Value::as_array);
        let top: Vec<Value> = top.into_iter().flatten().map(shown).collect();
        push(result, "chosenCandidates", shown(token));
        push(result, "topCandidates", json!({"candidates": top}));
    }
}

fn push(result: &mut Value, name: &str, value: Value) {
    if let Some(Value::Array(list)) = result.get_mut(name) {
        list.push(value);
    }
}

fn shown(token: &Value) -> Value {
    let field = |name: &str| token.get(name).cloned().unwrap_or_default();
    json!({"token": field("token"), "logProbability": field("logprob")})
}
