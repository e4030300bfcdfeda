//! Providers' own lists of their models, in whichever format.

use serde::Deserialize;

use super::Wire;

/// A page of a list.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Page {
    /// Names as the provider is asked for them.
    pub models: Vec<String>,
    /// The query that asks for the next page; of Amazon, the path too.
    pub next: Option<String>,
}

/// OpenAI's and Anthropic's `data`, Google's and Ollama's `models`.
#[derive(Deserialize)]
struct List {
    #[serde(default, alias = "models", alias = "inferenceProfileSummaries")]
    data: Option<Vec<Entry>>,
    #[serde(default)]
    has_more: bool,
    #[serde(default)]
    last_id: Option<String>,
    #[serde(default, rename = "nextPageToken", alias = "nextToken")]
    next_page_token: Option<String>,
    /// Amazon's first list; its second is asked for after it.
    #[serde(default, rename = "modelSummaries")]
    summaries: Option<Vec<Entry>>,
}

/// Some give a name to show beside the name to call: the first that is there counts.
#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default, rename = "modelId")]
    model_id: Option<String>,
    #[serde(default, rename = "inferenceProfileId")]
    profile_id: Option<String>,
    #[serde(default, rename = "supportedGenerationMethods")]
    methods: Option<Vec<String>>,
}

impl Entry {
    fn called(self) -> Option<String> {
        self.id.or(self.model_id).or(self.profile_id).or(self.name)
    }
}

/// The query that asks for the first page.
pub const fn first(wire: Wire) -> &'static str {
    match wire {
        Wire::Anthropic => "?limit=1000",
        Wire::Gemini => "?pageSize=1000",
        // what can be called by its own name; the rest is called through profiles
        Wire::Bedrock => "foundation-models?byInferenceType=ON_DEMAND",
        Wire::OpenAi | Wire::Responses | Wire::Ollama => "",
    }
}

/// Amazon's second list.
const PROFILES: &str = "inference-profiles?maxResults=1000";

/// Where the lists are, given where calls go: Amazon has them at another host.
pub fn host(wire: Wire, base_url: &str) -> String {
    match wire {
        Wire::Bedrock => base_url.replacen("//bedrock-runtime", "//bedrock", 1),
        _ => base_url.to_owned(),
    }
}

/// What a page says; `None` when it is no list of models.
pub fn read(wire: Wire, body: &[u8]) -> Option<Page> {
    let list: List = serde_json::from_slice(body).ok()?;
    let is_first = list.summaries.is_some();
    let served = |entry: &Entry| {
        let methods = entry.methods.as_deref().unwrap_or_default();
        wire != Wire::Gemini
            || methods.iter().any(|method| method == "generateContent" || method == "embedContent")
    };
    let entries =
        list.data.or(list.summaries)?.into_iter().filter(served).filter_map(Entry::called);
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
        Wire::Bedrock => match list.next_page_token {
            Some(token) => {
                Some(format!("{PROFILES}&nextToken={}&type=SYSTEM_DEFINED", escaped(&token)))
            }
            None if is_first => Some(format!("{PROFILES}&type=SYSTEM_DEFINED")),
            None => None,
        },
        Wire::OpenAi | Wire::Responses | Wire::Ollama => None,
    };
    Some(Page { models: models.filter(|name| !name.is_empty()).collect(), next })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What lists look like is in `tests/formats/*/listed.json`.
    #[test]
    fn what_is_no_list_is_refused() {
        for body in ["", "[]", r#"{"error":{"message":"no"}}"#, r#"{"data":{}}"#] {
            assert_eq!(read(Wire::OpenAi, body.as_bytes()), None, "{body}");
        }
        let last = r#"{"data":[{"id":"claude-a"}],"has_more":false,"last_id":"claude-a"}"#;
        assert_eq!(read(Wire::Anthropic, last.as_bytes()).unwrap().next, None);
        assert_eq!(read(Wire::OpenAi, br#"{"data":[]}"#), Some(Page::default()));
    }

    #[test]
    fn amazon_has_its_lists_elsewhere() {
        let calls = "https://bedrock-runtime.eu-west-1.amazonaws.com/";
        assert_eq!(host(Wire::Bedrock, calls), "https://bedrock.eu-west-1.amazonaws.com/");
        assert_eq!(host(Wire::Bedrock, "http://127.0.0.1:1/"), "http://127.0.0.1:1/");
    }
}
