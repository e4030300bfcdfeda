//! Usage to meters.

use schemas::event::{Meter, Quantity};

use super::wire::Usage;
use crate::reply::{Finish, Tally};

/// Enters what the provider says was used.
pub(super) fn enter(usage: &Usage, tally: &mut Tally) {
    let units = |units: Option<i64>| units.unwrap_or(0).max(0);
    let written = units(usage.cache_write_input_tokens);
    let details = usage.cache_details.iter().flatten();
    let long = details.filter(|detail| detail.ttl.as_deref() == Some("1h"));
    let long: i64 = long.map(|detail| units(detail.input_tokens)).fold(0, i64::saturating_add);
    let long = long.min(written);
    let meters = [
        (Meter::Input, units(usage.input_tokens)),
        (Meter::InputCached, units(usage.cache_read_input_tokens)),
        (Meter::CacheWrite, written - long),
        (Meter::CacheWriteLong, long),
        (Meter::Output, units(usage.output_tokens)),
    ];
    let there = meters.into_iter().filter(|(_, units)| *units > 0);
    tally.quantities = there.map(|(meter, units)| Quantity { meter, units }).collect();
    tally.reported = true;
}

/// Why the model stopped.
pub(super) fn finish(reason: &str) -> Finish {
    match reason {
        "end_turn" => Finish::Stop,
        "stop_sequence" => Finish::StopSequence(None),
        "tool_use" => Finish::ToolCalls,
        "max_tokens" | "model_context_window_exceeded" => Finish::Length,
        "guardrail_intervened" | "content_filtered" => Finish::ContentFilter,
        other => Finish::Other(other.to_owned()),
    }
}

/// Counts bytes of content.
pub(super) fn weigh(tally: &mut Tally, text: &str) {
    let bytes = u64::try_from(text.len()).unwrap_or(u64::MAX);
    tally.content_bytes = tally.content_bytes.saturating_add(bytes);
}
