//! Google's documents, as far as the hub reads them. Unknown fields pass.

use serde::Deserialize;
use serde_json::value::RawValue;

pub(super) use crate::providers::text::Text;

/// A whole answer, or a chunk of a stream.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answer<'a> {
    #[serde(borrow, default)]
    pub(super) candidates: Option<Vec<Candidate<'a>>>,
    #[serde(borrow, default)]
    pub(super) prompt_feedback: Option<Feedback<'a>>,
    #[serde(borrow, default)]
    pub(super) usage_metadata: Option<Usage<'a>>,
    #[serde(borrow, default)]
    pub(super) model_version: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) response_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Candidate<'a> {
    #[serde(default)]
    pub(super) index: Option<u32>,
    #[serde(borrow, default)]
    pub(super) content: Option<Content<'a>>,
    #[serde(borrow, default)]
    pub(super) finish_reason: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) grounding_metadata: Option<Grounding<'a>>,
    #[serde(borrow, default)]
    pub(super) citation_metadata: Option<Citations<'a>>,
    #[serde(borrow, default)]
    pub(super) logprobs_result: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub(super) struct Content<'a> {
    #[serde(borrow, default)]
    pub(super) parts: Option<Vec<Part<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Part<'a> {
    #[serde(borrow, default)]
    pub(super) text: Option<Text<'a>>,
    #[serde(default)]
    pub(super) thought: Option<bool>,
    #[serde(borrow, default)]
    pub(super) thought_signature: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) inline_data: Option<Blob<'a>>,
    #[serde(borrow, default)]
    pub(super) file_data: Option<File<'a>>,
    #[serde(borrow, default)]
    pub(super) function_call: Option<FunctionCall<'a>>,
    #[serde(borrow, default)]
    pub(super) executable_code: Option<Code<'a>>,
    #[serde(borrow, default)]
    pub(super) code_execution_result: Option<Output<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Blob<'a> {
    #[serde(borrow, default)]
    pub(super) mime_type: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) data: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct File<'a> {
    #[serde(borrow, default)]
    pub(super) mime_type: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) file_uri: Option<Text<'a>>,
}

#[derive(Deserialize)]
pub(super) struct FunctionCall<'a> {
    #[serde(borrow, default)]
    pub(super) id: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) name: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) args: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub(super) struct Code<'a> {
    #[serde(borrow, default)]
    pub(super) code: Option<Text<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Output<'a> {
    #[serde(borrow, default)]
    pub(super) output: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Grounding<'a> {
    #[serde(borrow, default)]
    pub(super) grounding_chunks: Option<Vec<Chunk<'a>>>,
}

#[derive(Deserialize)]
pub(super) struct Chunk<'a> {
    #[serde(borrow, default)]
    pub(super) web: Option<Origin<'a>>,
    #[serde(borrow, default)]
    pub(super) maps: Option<Origin<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Citations<'a> {
    /// The developer API's name, and the SDKs'.
    #[serde(borrow, default, alias = "citations")]
    pub(super) citation_sources: Option<Vec<Origin<'a>>>,
}

#[derive(Deserialize)]
pub(super) struct Origin<'a> {
    #[serde(borrow, default)]
    pub(super) uri: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) title: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Feedback<'a> {
    #[serde(borrow, default)]
    pub(super) block_reason: Option<Text<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct Usage<'a> {
    #[serde(default)]
    pub(super) prompt_token_count: Option<i64>,
    #[serde(default)]
    pub(super) cached_content_token_count: Option<i64>,
    #[serde(default)]
    pub(super) candidates_token_count: Option<i64>,
    #[serde(default)]
    pub(super) thoughts_token_count: Option<i64>,
    #[serde(default)]
    pub(super) tool_use_prompt_token_count: Option<i64>,
    #[serde(borrow, default)]
    pub(super) prompt_tokens_details: Option<Vec<Modal<'a>>>,
    #[serde(borrow, default)]
    pub(super) cache_tokens_details: Option<Vec<Modal<'a>>>,
    #[serde(borrow, default)]
    pub(super) candidates_tokens_details: Option<Vec<Modal<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Modal<'a> {
    #[serde(borrow, default)]
    pub(super) modality: Option<Text<'a>>,
    #[serde(default)]
    pub(super) token_count: Option<i64>,
}
