//! What a chat asks for, in no vendor's format: what a dialect's request is read into and a
//! provider's request is written from, where the two differ. Plain data.
//!
//! It holds the union of what the formats can say. A writer looks at every field: what its format
//! can't say it hands to [`Lacks`](super::Lacks), which refuses it by name or notes it as dropped.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::reply::Signature;

/// A chat request.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Chat {
    /// Instructions that stand before the conversation; texts only.
    pub system: Vec<Part>,
    /// The conversation, oldest first. Neighbours may have the same role.
    pub messages: Vec<Message>,
    /// Functions that the model may call.
    pub tools: Vec<Tool>,
    /// Tools that the vendor runs itself, as the client's format has them: by their type.
    pub hosted_tools: Vec<Value>,
    /// Which tool it must or may call.
    pub tool_choice: Option<ToolChoice>,
    /// Whether it may call several at once.
    pub parallel_tools: Option<bool>,
    /// The most output tokens per choice.
    pub max_output: Option<i64>,
    /// Choices wanted.
    pub choices: Option<i64>,
    /// Sampling.
    pub sampling: Sampling,
    /// Texts that end the answer.
    pub stop: Vec<String>,
    /// The shape of the answer.
    pub format: Format,
    /// How much it shall think, and whether that is shown.
    pub reasoning: Option<Reasoning>,
    /// How wordy it shall be: `low`, `medium`, `high`.
    pub verbosity: Option<String>,
    /// Kinds of output wanted beside text.
    pub modalities: Vec<Modality>,
    /// The caller's end user.
    pub user: Option<String>,
    /// Tags for the vendor's own books.
    pub metadata: Map<String, Value>,
    /// The vendor's class of service.
    pub service_tier: Option<String>,
    /// Fields of the client's format that no other format has: name and value. A writer of
    /// the same format never sees them, as its client's bytes pass through.
    pub own: Vec<Own>,
}

/// A field that only the client's format knows.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Own {
    /// Its name, as the client wrote it.
    pub name: String,
    /// Its value.
    pub value: Value,
    /// Whether the answer means the same without it (a hint, an identifier), as the format's documents say.
    pub may_drop: bool,
}

/// A message.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said, in order. Results of tools are parts of a user's message.
    pub parts: Vec<Part>,
    /// The speaker's name.
    #[serde(default)]
    pub name: Option<String>,
}

/// Who speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Instructions inside the conversation.
    System,
    /// The user, and results of tools.
    User,
    /// The model.
    Assistant,
}

/// A part of a message.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Part {
    /// What it is.
    pub content: Content,
    /// The prompt up to here shall be cached.
    #[serde(default)]
    pub cache: Option<CacheMark>,
}

/// For how long a prompt shall be cached.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheMark {
    /// As long as the vendor does by itself (Anthropic: 5 minutes).
    Short,
    /// An hour.
    Long,
}

/// What a part is.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// Text.
    Text(String),
    /// An image.
    Image {
        /// Where it is.
        source: Source,
        /// OpenAI's `low`, `high`, `auto`.
        detail: Option<String>,
    },
    /// Sound.
    Audio(Source),
    /// A document, such as a PDF.
    File {
        /// Where it is.
        source: Source,
        /// Its name.
        name: Option<String>,
    },
    /// A film.
    Video(Source),
    /// What the model thought.
    Reasoning {
        /// As far as it is shown.
        text: String,
        /// The vendor's proof that it said so; needed to go on.
        signature: Option<Signature>,
    },
    /// Thoughts that are not shown at all, as the vendor sealed them.
    Redacted(Signature),
    /// A refusal, in words.
    Refusal(String),
    /// A call of a tool.
    ToolCall {
        /// Ties it to its result; made up where a format has none.
        id: String,
        /// The tool.
        name: String,
        /// A JSON object, as text.
        arguments: String,
        /// The vendor's proof (Gemini's thought signature).
        signature: Option<Signature>,
    },
    /// What a tool gave.
    ToolResult {
        /// The call.
        id: String,
        /// The tool, where the client's format says so or an earlier call tells.
        name: Option<String>,
        /// Texts, images, files.
        parts: Vec<Part>,
        /// It failed.
        is_error: bool,
    },
}

/// Where media are.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// In the request.
    Data {
        /// Such as `image/png`.
        media_type: String,
        /// Standard base64, as it came.
        base64: String,
    },
    /// At an address.
    Url {
        /// `https://…`.
        url: String,
        /// Where the format says it.
        media_type: Option<String>,
    },
    /// At the vendor, by its id there.
    Id(String),
}

/// A function that the model may call.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// JSON Schema of its arguments; an object without properties when the client gave none.
    pub parameters: Value,
    /// Arguments follow the schema exactly.
    pub strict: Option<bool>,
    /// The prompt up to here shall be cached.
    #[serde(default)]
    pub cache: Option<CacheMark>,
}

/// Which tool must be called.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolChoice {
    /// As the model likes.
    Auto,
    /// None.
    None,
    /// At least one.
    Any,
    /// This one.
    Tool(String),
}

/// How tokens are drawn.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sampling {
    /// Temperature.
    pub temperature: Option<f64>,
    /// Nucleus.
    pub top_p: Option<f64>,
    /// The most likely so many.
    pub top_k: Option<i64>,
    /// OpenAI's penalty for frequent tokens.
    pub frequency_penalty: Option<f64>,
    /// OpenAI's penalty for tokens that were there.
    pub presence_penalty: Option<f64>,
    /// For the same answer again, as far as the vendor can.
    pub seed: Option<i64>,
    /// Log probabilities wanted, and how many alternatives per token.
    pub logprobs: Option<i64>,
}

/// The shape of the answer.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Text.
    #[default]
    Text,
    /// Any JSON object.
    Json,
    /// JSON after a schema.
    Schema {
        /// Its name.
        name: String,
        /// What it is for.
        description: Option<String>,
        /// JSON Schema.
        schema: Value,
        /// Exactly.
        strict: Option<bool>,
    },
}

/// How much the model shall think.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Reasoning {
    /// `Some(false)`: not at all. `None`: as effort or budget imply.
    pub enabled: Option<bool>,
    /// In words.
    pub effort: Option<Effort>,
    /// In tokens.
    pub budget: Option<i64>,
    /// Whether the thoughts, or a summary, shall be shown.
    pub shown: Option<bool>,
}

/// Effort in words, rising.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effort {
    /// Hardly.
    Minimal,
    /// Little.
    Low,
    /// Medium.
    Medium,
    /// Much.
    High,
    /// Very much.
    ExtraHigh,
    /// All it can.
    Max,
}

/// Kinds of output.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Modality {
    /// Text.
    Text,
    /// Images.
    Image,
    /// Sound.
    Audio,
}

impl Effort {
    const NAMES: [(Self, &str, i64); 6] = [
        (Self::Minimal, "minimal", 1024),
        (Self::Low, "low", 4096),
        (Self::Medium, "medium", 10_240),
        (Self::High, "high", 24_576),
        (Self::ExtraHigh, "xhigh", 32_768),
        (Self::Max, "max", 65_536),
    ];

    /// By its name.
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known, _)| *known == name).map(|(effort, ..)| *effort)
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        self.row().1
    }

    /// The tokens that it is worth where only a budget can be said. No vendor documents such a
    /// table; the steps are those that OpenAI-compatible endpoints of Google and Anthropic models use.
    pub fn budget(self) -> i64 {
        self.row().2
    }

    /// The least effort that is worth so many tokens.
    pub fn of_budget(tokens: i64) -> Self {
        let fits = Self::NAMES.iter().find(|(.., budget)| tokens <= *budget);
        fits.map_or(Self::Max, |(effort, ..)| *effort)
    }

    fn row(self) -> &'static (Self, &'static str, i64) {
        let [first, ..] = &Self::NAMES;
        Self::NAMES.iter().find(|(effort, ..)| *effort == self).unwrap_or(first)
    }
}

impl Part {
    /// Text that is not marked.
    pub fn text(text: impl Into<String>) -> Self {
        Content::Text(text.into()).into()
    }
}

impl From<Content> for Part {
    fn from(content: Content) -> Self {
        Self { content, cache: None }
    }
}

impl Chat {
    /// The name of the tool that the call with this id called.
    pub fn called(&self, id: &str) -> Option<&str> {
        let parts = self.messages.iter().rev().flat_map(|message| &message.parts);
        parts
            .filter_map(|part| match &part.content {
                Content::ToolCall { id: known, name, .. } if known == id => Some(name.as_str()),
                _ => None,
            })
            .next()
    }
}
