//! Items of an answer's output.

use serde::Serialize;
use serde_json::Value;

/// An item of `output`.
#[derive(Serialize, Clone, Debug)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Item {
    /// What is said.
    Message { id: String, status: &'static str, role: &'static str, content: Vec<Part> },
    /// What was thought.
    Reasoning { id: String, summary: Vec<Summary>, encrypted_content: Option<String> },
    /// The call of a function.
    FunctionCall {
        id: String,
        call_id: String,
        name: String,
        arguments: String,
        status: &'static str,
    },
    /// An image.
    ImageGenerationCall { id: String, status: &'static str, output_format: String, result: String },
}

/// A part of a message.
#[derive(Serialize, Clone, Debug)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Part {
    /// Text.
    OutputText { text: String, annotations: Vec<Annotation>, logprobs: Vec<Value> },
    /// A refusal.
    Refusal { refusal: String },
    /// A part of a summary of thoughts, as it stands in events.
    SummaryText { text: String },
}

/// A part of a summary of thoughts.
#[derive(Serialize, Clone, Debug)]
pub(super) struct Summary {
    r#type: &'static str,
    pub(super) text: String,
}

/// Where a text is from.
#[derive(Serialize, Clone, Debug)]
pub(super) struct Annotation {
    r#type: &'static str,
    url: String,
    title: String,
    start_index: usize,
    end_index: usize,
}

impl Summary {
    /// More of the only part.
    pub(super) const fn new(text: String) -> Self {
        Self { r#type: "summary_text", text }
    }
}

impl Annotation {
    /// The end of the text so far is from there: no more is known.
    pub(super) fn new(url: String, title: Option<String>, at: usize) -> Self {
        let title = title.unwrap_or_else(|| url.clone());
        Self { r#type: "url_citation", url, title, start_index: at, end_index: at }
    }
}

impl Part {
    /// Text to come.
    pub(super) const fn text() -> Self {
        Self::OutputText { text: String::new(), annotations: Vec::new(), logprobs: Vec::new() }
    }

    /// A refusal to come.
    pub(super) const fn refusal() -> Self {
        Self::Refusal { refusal: String::new() }
    }
}

impl Item {
    /// It ends so.
    pub(super) const fn set_status(&mut self, to: &'static str) {
        match self {
            Self::Message { status, .. }
            | Self::FunctionCall { status, .. }
            | Self::ImageGenerationCall { status, .. } => *status = to,
            Self::Reasoning { .. } => {}
        }
    }
}
