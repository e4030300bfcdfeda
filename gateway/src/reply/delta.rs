//! An answer in no vendor's format, piece by piece: what a provider's decoder gives and a
//! dialect's renderer shows. Plain data.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Signature;
use crate::call::chat::Source;

/// A step of an answer. A whole answer is the same steps, all at once.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "delta")]
pub enum Delta {
    /// The answer begins.
    Start {
        /// The provider's id of it.
        id: Option<String>,
        /// The model as the provider names it.
        model: Option<String>,
    },
    /// Text of a choice.
    Text {
        /// From 0.
        #[serde(default)]
        choice: u32,
        /// More of it.
        text: String,
    },
    /// Thoughts of a choice.
    Reasoning {
        /// From 0.
        #[serde(default)]
        choice: u32,
        /// More of them.
        text: String,
    },
    /// The thoughts so far are signed. Closes them.
    Signature {
        /// From 0.
        #[serde(default)]
        choice: u32,
        /// The proof.
        signature: Signature,
    },
    /// Thoughts that are not shown.
    Redacted {
        /// From 0.
        #[serde(default)]
        choice: u32,
        /// As sealed.
        signature: Signature,
    },
    /// A refusal, in words.
    Refusal {
        /// From 0.
        #[serde(default)]
        choice: u32,
        /// More of it.
        text: String,
    },
    /// A tool is called; its arguments follow.
    ToolCall {
        /// From 0.
        #[serde(default)]
        choice: u32,
        /// Which of the choice's calls, from 0.
        index: u32,
        /// Ties it to its result; made up where the provider has none.
        id: String,
        /// The tool.
        name: String,
        /// The vendor's proof.
        signature: Option<Signature>,
    },
    /// Arguments of a call.
    Arguments {
        /// From 0.
        #[serde(default)]
        choice: u32,
        /// Which of the choice's calls, from 0.
        index: u32,
        /// More of the JSON text.
        json: String,
    },
    /// A whole image.
    Image {
        /// From 0.
        #[serde(default)]
        choice: u32,
        /// Where it is.
        source: Source,
    },
    /// A vector.
    Embedding {
        /// Which input, from 0.
        index: u32,
        /// The vector.
        values: Vec<f32>,
    },
    /// Where a text is from.
    Citation {
        /// From 0.
        #[serde(default)]
        choice: u32,
        /// Its address.
        url: String,
        /// Its title.
        title: Option<String>,
    },
    /// What only the provider's format knows of a choice, such as `logprobs`, by its name there. A
    /// renderer whose format has the same field shows it; others leave it out.
    Own {
        /// From 0.
        #[serde(default)]
        choice: u32,
        /// Field.
        name: String,
        /// Value.
        value: Value,
    },
    /// A choice ends.
    Finish {
        /// From 0.
        #[serde(default)]
        choice: u32,
        /// Why.
        reason: Finish,
    },
}

/// Why a choice ends.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// The model was done.
    Stop,
    /// It came to a text that was to end it.
    StopSequence(Option<String>),
    /// The most output tokens, or the end of the context.
    Length,
    /// Tools are to be run.
    ToolCalls,
    /// The vendor's filter.
    ContentFilter,
    /// The model refused.
    Refusal,
    /// The vendor paused a long turn; the client sends it back to go on.
    Pause,
    /// A reason that only the vendor knows.
    Other(String),
}
