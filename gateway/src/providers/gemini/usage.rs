//! Google's usage to disjoint meters.

use schemas::event::{Meter, Quantity};

use super::wire::{Modal, Usage};
use crate::providers::meters::split;

/// What was used: the prompt holds what came from the cache, the candidates leave the thoughts out.
/// Empty when nothing is said.
pub(super) fn quantities(usage: &Usage<'_>) -> Vec<Quantity> {
    let count = |tokens: Option<i64>| tokens.unwrap_or(0).max(0);
    let cached = count(usage.cached_content_token_count);
    let cached_audio = of(usage.cache_tokens_details.as_deref(), "AUDIO");
    let audio = of(usage.prompt_tokens_details.as_deref(), "AUDIO").saturating_sub(cached_audio);
    let prompt = count(usage.prompt_token_count)
        .max(cached)
        .saturating_add(count(usage.tool_use_prompt_token_count));
    let made = usage.candidates_tokens_details.as_deref();
    let thoughts = count(usage.thoughts_token_count);
    let output = count(usage.candidates_token_count).saturating_add(thoughts);
    let mut all = Vec::new();
    let input = [(Meter::InputCached, cached), (Meter::InputAudio, audio.max(0))];
    split(&mut all, Meter::Input, prompt, &input);
    let parts = [
        (Meter::OutputReasoning, thoughts),
        (Meter::OutputAudio, of(made, "AUDIO")),
        (Meter::OutputImage, of(made, "IMAGE")),
    ];
    split(&mut all, Meter::Output, output, &parts);
    all
}

fn of(details: Option<&[Modal<'_>]>, modality: &str) -> i64 {
    let details = details.unwrap_or_default().iter();
    let of = details.filter(|detail| detail.modality.as_deref() == Some(modality));
    of.filter_map(|detail| detail.token_count)
        .fold(0, |sum, tokens| sum.saturating_add(tokens.max(0)))
}
