//! Vendors, as rows of data: `providers.toml`, and a file of the
//! operator's in the same shape.

use std::collections::BTreeMap;
use std::time::Duration;

use runtime::config::Time;
use serde::{Deserialize, Serialize};

use super::{AuthKind, Wire};

/// What is special about a vendor.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vendor {
    /// Its name; also the name of its price list.
    pub id: String,
    /// Its usual address, without a slash at the end; empty when the operator must give one.
    pub base_url: String,
    /// What such an address looks like.
    #[serde(default)]
    pub base_url_example: Option<String>,
    /// The format that it speaks.
    #[serde(default)]
    pub format: Wire,
    /// Where it wants its credential.
    #[serde(default)]
    pub auth: AuthKind,
    /// The variable that holds a key; when it is set, the provider is there.
    #[serde(default)]
    pub key_env: Option<String>,
    /// Variables that hold a key in parts, joined by colons; the last may be absent.
    #[serde(default)]
    pub key_env_parts: Vec<String>,
    /// The region in its usual address, and of signatures where the address names none.
    #[serde(default)]
    pub region: Option<String>,
    /// Variables that put another region into the usual address; the first that is set counts.
    #[serde(default)]
    pub region_env: Vec<String>,
    /// The variable that moves the address; it adds a vendor that wants no key.
    #[serde(default)]
    pub base_url_env: Option<String>,
    /// Ends of addresses that its users know and that are no part of this one.
    #[serde(default)]
    pub base_url_ends: Vec<String>,
    /// Path of chat completions; empty when there are none.
    #[serde(default = "chat_path")]
    pub chat_path: String,
    /// Path of embeddings; empty when there are none.
    #[serde(default = "embeddings_path")]
    pub embeddings_path: String,
    /// Path of responses; empty when there are none.
    #[serde(default)]
    pub responses_path: String,
    /// Path of its list of models; empty when it has none.
    #[serde(default = "models_path")]
    pub models_path: String,
    /// How it makes images; `None` when it does not.
    #[serde(default)]
    pub images: Option<Images>,
    /// What it offers of OpenAI's that only passes.
    #[serde(default)]
    pub offers: Offers,
    /// Fields that it knows under another name.
    #[serde(default)]
    pub rename: BTreeMap<String, String>,
    /// By field: texts that it knows under another name.
    #[serde(default)]
    pub values: BTreeMap<String, BTreeMap<String, String>>,
    /// Fields that it would choke on and that can go.
    #[serde(default)]
    pub drop: Vec<String>,
    /// Fields, and types of content parts, that it can't honour, and why.
    #[serde(default)]
    pub refuse: BTreeMap<String, String>,
    /// The field that caps output.
    #[serde(default = "max_output_field")]
    pub max_output_field: String,
    /// The role that messages of the role `developer` are given.
    #[serde(default)]
    pub developer_role: Option<String>,
    /// Whether usage must be asked for in streams (`stream_options.include_usage`).
    #[serde(default = "yes")]
    pub include_usage: bool,
    /// `completion_tokens` leaves reasoning out.
    #[serde(default)]
    pub reasoning_outside_completion: bool,
    /// How it is told how much to think.
    #[serde(default)]
    pub reasoning: ReasoningStyle,
    /// What it knows beyond OpenAI's documents: fields, types of content parts.
    #[serde(default)]
    pub knows: Vec<String>,
    /// Fields that it takes and does not heed.
    #[serde(default)]
    pub ignores: Vec<String>,
    /// Whether an answer can be held to a JSON schema (`response_format`).
    #[serde(default = "yes")]
    pub json_schema: bool,
    /// The most texts that can end an answer.
    #[serde(default = "stop_limit")]
    pub stop_limit: usize,
    /// Finish reasons that are failures.
    #[serde(default)]
    pub failed_finish: Vec<String>,
    /// Texts in a 400 that mean that the credential is wrong.
    #[serde(default)]
    pub auth_texts: Vec<String>,
    /// Texts in an error that mean that the credential's account has no money.
    #[serde(default)]
    pub credit_texts: Vec<String>,
    /// Texts in an error that mean that the model lacks what was asked for: another may have it.
    #[serde(default)]
    pub lacks_texts: Vec<String>,
    /// Longest time to the first content.
    #[serde(default = "first_byte")]
    pub first_byte: Time,
    /// Longest silence in a stream.
    #[serde(default = "idle")]
    pub idle: Time,
    /// More that holds for some models; the first row that names the model.
    #[serde(default)]
    pub models: Vec<Models>,
}

/// How a vendor makes images.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Images {
    /// Where.
    pub path: String,
    /// The fields that it takes beside model and prompt.
    #[serde(default)]
    pub takes: Vec<String>,
}

/// Paths of what only passes from OpenAI's clients to those who offer it; empty where there is none.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Offers {
    /// Changed images.
    pub image_edits: String,
    /// Moderations.
    pub moderations: String,
    /// Speech of text.
    pub speech: String,
    /// Text of speech.
    pub transcriptions: String,
    /// English text of speech.
    pub translations: String,
    /// It takes no forms, only JSON.
    pub json_only: bool,
}

/// How a vendor that speaks OpenAI's format is told how much to think.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasoningStyle {
    /// `reasoning_effort`, `none` included.
    #[default]
    Effort,
    /// `thinking.type` turns it on and off, beside `reasoning_effort` (DeepSeek, Doubao).
    Thinking,
    /// An object `reasoning` (OpenRouter).
    Object,
}

/// What is special about some models of a vendor.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Models {
    /// Their names; a trailing `*` stands for any ending.
    pub names: Vec<String>,
    /// Fields that they know under another name.
    #[serde(default)]
    pub rename: BTreeMap<String, String>,
    /// Fields that they would choke on and that can go.
    #[serde(default)]
    pub drop: Vec<String>,
    /// By field: texts that they know under another name.
    #[serde(default)]
    pub values: BTreeMap<String, BTreeMap<String, String>>,
}

fn chat_path() -> String {
    "/chat/completions".into()
}

fn embeddings_path() -> String {
    "/embeddings".into()
}

fn models_path() -> String {
    "/models".into()
}

fn max_output_field() -> String {
    "max_completion_tokens".into()
}

const fn stop_limit() -> usize {
    4
}

const fn yes() -> bool {
    true
}

const fn first_byte() -> Time {
    Time(Duration::from_secs(60))
}

const fn idle() -> Time {
    Time(Duration::from_secs(60))
}

impl Vendor {
    /// The base address that an operator means: without slashes at its end, and without the path
    /// of another of the vendor's formats.
    pub fn base<'a>(&self, address: &'a str) -> &'a str {
        let address = address.trim_end_matches('/');
        let known = self.base_url_ends.iter().find_map(|end| address.strip_suffix(end.as_str()));
        known.unwrap_or(address).trim_end_matches('/')
    }

    /// Whether it knows something that OpenAI's documents do not.
    pub fn knows(&self, name: &str) -> bool {
        self.knows.iter().any(|known| known == name)
    }

    /// What is special about a model.
    pub fn model(&self, name: &str) -> Option<&Models> {
        let matches = |pattern: &String| match pattern.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => pattern == name,
        };
        self.models.iter().find(|row| row.names.iter().any(matches))
    }
}

/// The vendors by name.
pub type Vendors = BTreeMap<String, Vendor>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(default)]
    vendors: Vec<Vendor>,
}

/// What is wrong with a table of vendors.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not TOML of the right shape.
    #[error("vendors: {0}")]
    Toml(#[from] toml::de::Error),
    /// The id is used twice, or can't be the first segment of a model.
    #[error("vendors: id {0:?} must be there once, and be of letters, digits, - and _")]
    Id(String),
}

/// The shipped vendors.
///
/// # Errors
/// Never, as a test shows; the type is [`parse`]'s.
pub fn shipped() -> Result<Vendors, Error> {
    parse(include_str!("../../providers.toml"))
}

/// Reads a table of vendors.
///
/// # Errors
/// Names the line and the field.
pub fn parse(text: &str) -> Result<Vendors, Error> {
    let table: Table = toml::from_str(text)?;
    let mut vendors = Vendors::new();
    for vendor in table.vendors {
        let id = vendor.id.clone();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if id.is_empty() || !id.bytes().all(plain) || vendors.insert(id.clone(), vendor).is_some() {
            return Err(Error::Id(id));
        }
    }
    Ok(vendors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shipped_vendors_are_read() {
        let vendors = shipped().unwrap();
        let ids: Vec<_> = vendors.keys().map(String::as_str).collect();
        assert_eq!(
            ids,
            [
                "anthropic",
                "azure",
                "bedrock",
                "cerebras",
                "deepseek",
                "demo",
                "doubao",
                "fireworks",
                "gemini",
                "groq",
                "lmstudio",
                "mistral",
                "moonshot",
                "ollama",
                "openai",
                "openrouter",
                "perplexity",
                "poe",
                "together",
                "vertex",
                "vllm",
                "xai",
            ]
        );
        assert!(vendors["openai"].model("gpt-5-mini").is_some());
        assert!(vendors["openai"].model("text-embedding-3-small").is_none());
    }

    #[test]
    fn addresses_of_other_formats_are_cut() {
        let vendors = shipped().unwrap();
        for (vendor, address, base) in [
            ("ollama", "http://host:11434", "http://host:11434"),
            ("ollama", "http://host:11434/", "http://host:11434"),
            ("ollama", "http://host:11434/v1", "http://host:11434"),
            ("ollama", "http://host:11434/v1/", "http://host:11434"),
            ("ollama", "https://host/ollama/api", "https://host/ollama"),
            ("ollama", "http://host/v12", "http://host/v12"),
            ("openai", "https://host/v1/", "https://host/v1"),
        ] {
            assert_eq!(vendors[vendor].base(address), base, "{vendor} {address}");
        }
    }

    #[test]
    fn bad_rows_are_refused() {
        for (text, wanted) in [
            ("[[vendors]]\nid = 'a'\nbase_url = 'x'\ncolour = 1", "colour"),
            ("[[vendors]]\nid = 'a/b'\nbase_url = 'x'", "a/b"),
            (
                "[[vendors]]\nid = 'a'\nbase_url = 'x'\n[[vendors]]\nid = 'a'\nbase_url = 'x'",
                "once",
            ),
            ("[[vendors]]\nid = 'a'", "base_url"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(wanted), "{text}: {error}");
        }
    }
}
