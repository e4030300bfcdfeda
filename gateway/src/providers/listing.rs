//! Providers' own lists of their models, in whichever format.

use serde::Deserialize;

use super::Wire;

/// A page of a list.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Page {
    /// Names as the provider is asked for them.
    pub models: Vec<String>,
    /// The query that asks for the next page.
    pub next: Option<String>,
}

/// OpenAI's and Anthropic's `data`, Google's and Ollama's `models`.
#[derive(Deserialize)]
struct List {
    #[serde(default, alias = "models", alias = "modelSummaries")]
    data: Option<Vec<Entry>>,
    #[serde(default)]
    has_more: bool,
    #[serde(default)]
    last_id: Option<String>,
    #[serde(default, rename = "nextPageToken")]
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default, alias = "name", alias = "modelId")]
    id: Option<String>,
    #[serde(default, rename = "supportedGenerationMethods")]
    methods: Option<Vec<String>>,
}

/// The query that asks for the first page.
pub const fn first(wire: Wire) -> &'static str {
    match wire {
        Wire::Anthropic => "?limit=1000",
        Wire::Gemini => "?pageSize=1000",
        Wire::OpenAi | Wire::Responses | Wire::Bedrock | Wire::Ollama => "",
    }
}

/// What a page says; `None` when it is no list of models.
pub fn read(wire: Wire, body: &[u8]) -> Option<Page> {
    let list: List = serde_json::from_slice(body).ok()?;
    let served = |entry: &Entry| {
        let methods = entry.methods.as_deref().unwrap_or_default();
        wire != Wire::Gemini
            || methods.iter().any(|method| method == "generateContent" || method == "embedContent")
    };
    let entries = list.data?.into_iter().filter(served).filter_map(|entry| entry.id);
    let models = entries.map(|name| match (wire, name.strip_prefix("models/")) {
        (Wire::Gemini, Some(model)) => model.to_owned(),
        _ => name,
    });
    let escaped =
        |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let next = match wire {
        Wire::Anthropic => list
            .last_id
            .filter(|_| list.has_more)
            .map(|last| format!("?limit=1000&after_id={}", escaped(&last))),
        Wire::Gemini => list
            .next_page_token
            .filter(|token| !token.is_empty())
            .map(|token| format!("?pageSize=1000&pageToken={}", escaped(&token))),
        Wire::OpenAi | Wire::Responses | Wire::Bedrock | Wire::Ollama => None,
    };
    Some(Page { models: models.filter(|name| !name.is_empty()).collect(), next })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shapes as the vendors document them.
    #[test]
    fn lists_are_read() {
        for (wire, body, models, next) in [
            (
                Wire::OpenAi,
                r#"{"object":"list","data":[{"id":"gpt-a","object":"model","created":1,"owned_by":"openai"},{"id":"gpt-b"}]}"#,
                vec!["gpt-a", "gpt-b"],
                None,
            ),
            (
                Wire::Anthropic,
                r#"{"data":[{"type":"model","id":"claude-a","display_name":"A"}],"has_more":true,"first_id":"claude-a","last_id":"claude a"}"#,
                vec!["claude-a"],
                Some("?limit=1000&after_id=claude+a"),
            ),
            (
                Wire::Anthropic,
                r#"{"data":[{"id":"claude-a"}],"has_more":false,"last_id":"claude-a"}"#,
                vec!["claude-a"],
                None,
            ),
            (
                Wire::Gemini,
                r#"{"models":[{"name":"models/gemini-a","supportedGenerationMethods":["generateContent","countTokens"]},{"name":"models/embed","supportedGenerationMethods":["embedContent"]},{"name":"models/aqa","supportedGenerationMethods":["generateAnswer"]}],"nextPageToken":"t/1"}"#,
                vec!["gemini-a", "embed"],
                Some("?pageSize=1000&pageToken=t%2F1"),
            ),
            (
                Wire::Ollama,
                r#"{"models":[{"name":"qwen3:4b","model":"qwen3:4b","size":1}]}"#,
                vec!["qwen3:4b"],
                None,
            ),
            (
                Wire::Bedrock,
                r#"{"modelSummaries":[{"modelArn":"arn","modelId":"amazon.nova-lite-v1:0","providerName":"Amazon"}]}"#,
                vec!["amazon.nova-lite-v1:0"],
                None,
            ),
            (Wire::OpenAi, r#"{"data":[]}"#, vec![], None),
        ] {
            let page = read(wire, body.as_bytes()).unwrap_or_else(|| panic!("{body}"));
            assert_eq!(page.models, models, "{body}");
            assert_eq!(page.next.as_deref(), next, "{body}");
        }
        for body in ["", "[]", r#"{"error":{"message":"no"}}"#, r#"{"data":{}}"#] {
            assert_eq!(read(Wire::OpenAi, body.as_bytes()), None, "{body}");
        }
    }
}
