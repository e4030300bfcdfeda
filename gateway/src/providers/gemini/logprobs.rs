//! Google's log probabilities in the shape of OpenAI's `logprobs`, the only other format that has them.

use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Given {
    #[serde(default)]
    chosen_candidates: Vec<Token>,
    #[serde(default)]
    top_candidates: Vec<Top>,
}

#[derive(Deserialize)]
struct Top {
    #[serde(default)]
    candidates: Vec<Token>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Token {
    #[serde(default)]
    token: String,
    #[serde(default)]
    log_probability: f64,
}

impl Token {
    fn shown(&self) -> Value {
        json!({"token": self.token, "logprob": self.log_probability, "bytes": self.token.as_bytes()})
    }
}

/// `None` where it can't be read.
pub(super) fn shown(result: &str) -> Option<Value> {
    let given: Given = serde_json::from_str(result).ok()?;
    let content = given.chosen_candidates.iter().enumerate().map(|(at, chosen)| {
        let top = given.top_candidates.get(at);
        let top: Vec<Value> =
            top.iter().flat_map(|top| &top.candidates).map(Token::shown).collect();
        let mut token = chosen.shown();
        if let Value::Object(token) = &mut token {
            token.insert("top_logprobs".into(), top.into());
        }
        token
    });
    Some(json!({"content": content.collect::<Vec<_>>()}))
}
