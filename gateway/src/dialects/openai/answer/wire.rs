//! OpenAI's answer documents, as clients are shown them.

use serde::Serialize;
use serde_json::{Value, json};

use crate::call::chat::Source;
use crate::providers::Wire;
use crate::reply::{Finish, Signature, Tally};

/// A chunk of a stream, or a whole answer.
#[derive(Serialize)]
pub(super) struct Document<'a, C> {
    pub(super) id: &'a str,
    pub(super) object: &'static str,
    pub(super) created: i64,
    pub(super) model: &'a str,
    pub(super) choices: &'a [C],
    /// `Some(None)` is `null`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) usage: Option<Option<Usage>>,
}

#[derive(Serialize)]
pub(super) struct Usage {
    prompt_tokens: i64,
    completion_tokens: i64,
    total_tokens: i64,
    prompt_tokens_details: PromptDetails,
    completion_tokens_details: CompletionDetails,
}

#[derive(Serialize)]
struct PromptDetails {
    cached_tokens: i64,
    cache_write_tokens: i64,
    audio_tokens: i64,
}

#[derive(Serialize)]
struct CompletionDetails {
    reasoning_tokens: i64,
    audio_tokens: i64,
}

impl Usage {
    /// As the provider said; where it said nothing, as it is estimated.
    pub(super) fn of(tally: &Tally) -> Self {
        use schemas::event::Meter::{
            CacheWrite, CacheWriteLong, InputAudio, InputCached, OutputAudio, OutputReasoning,
        };
        let (prompt_tokens, completion_tokens) = (tally.input(), tally.output());
        Self {
            prompt_tokens,
            completion_tokens,
            total_tokens: prompt_tokens.saturating_add(completion_tokens),
            prompt_tokens_details: PromptDetails {
                cached_tokens: tally.units(InputCached),
                cache_write_tokens: tally.units(CacheWrite) + tally.units(CacheWriteLong),
                audio_tokens: tally.units(InputAudio),
            },
            completion_tokens_details: CompletionDetails {
                reasoning_tokens: tally.units(OutputReasoning),
                audio_tokens: tally.units(OutputAudio),
            },
        }
    }
}

/// A reason as OpenAI names it. What was refused in words is told apart by these.
pub(super) fn finish(reason: &Finish, refused: bool, legacy: bool) -> &'static str {
    match reason {
        Finish::ToolCalls if legacy => "function_call",
        Finish::ToolCalls => "tool_calls",
        Finish::Length => "length",
        Finish::ContentFilter => "content_filter",
        Finish::Refusal if !refused => "content_filter",
        Finish::Stop
        | Finish::StopSequence(_)
        | Finish::Refusal
        | Finish::Pause
        | Finish::Other(_) => "stop",
    }
}

/// An image, as OpenRouter shows it.
pub(super) fn image(source: &Source, index: usize) -> Option<Value> {
    let url = match source {
        Source::Url { url, .. } => url.clone(),
        Source::Data { media_type, base64 } => format!("data:{media_type};base64,{base64}"),
        Source::Id(_) => return None,
    };
    Some(json!({"type": "image_url", "image_url": {"url": url}, "index": index}))
}

/// A source of the text; providers of other formats do not tell which part of it, so it is put at its end.
pub(super) fn annotation(url: &str, title: Option<&str>, end: usize) -> Value {
    let title = title.unwrap_or_default();
    let cited = json!({"url": url, "title": title, "start_index": end, "end_index": end});
    json!({"type": "url_citation", "url_citation": cited})
}

/// Thoughts and the proof of them.
pub(super) fn signed(text: &str, signature: &Signature, index: usize) -> Value {
    let proof = signature.told(Wire::OpenAi);
    json!({"type": "reasoning.text", "text": text, "signature": proof, "index": index})
}

/// Thoughts that are not shown.
pub(super) fn sealed(signature: &Signature, index: usize) -> Value {
    let data = signature.told(Wire::OpenAi);
    json!({"type": "reasoning.encrypted", "data": data, "index": index})
}

/// A call's proof.
pub(super) fn extra(signature: &Signature) -> Value {
    json!({"google": {"thought_signature": signature.told(Wire::OpenAi)}})
}

/// Log probabilities of OpenAI's own shape: other formats have others under the same name.
pub(super) fn logprobs(name: &str, value: Value) -> Option<Value> {
    let own =
        name == "logprobs" && (value.get("content").is_some() || value.get("refusal").is_some());
    own.then_some(value)
}
