//! OpenAI's usage object to disjoint meters, once, for all vendors that speak its format.

use schemas::event::Meter;

use super::wire::Usage;
use crate::providers::compat::Vendor;
use crate::providers::meters::{of_ticks, split};
use crate::reply::Tally;

/// Enters what the provider says was used; cumulative, so the last one counts.
pub(super) fn enter(usage: &Usage, vendor: &Vendor, tally: &mut Tally) {
    let prompt_details = usage.prompt_tokens_details.as_ref();
    let detail = |tokens: Option<i64>| tokens.unwrap_or(0).max(0);
    let cached =
        prompt_details.and_then(|details| details.cached_tokens).or(usage.prompt_cache_hit_tokens);
    let cached = detail(cached);
    let written = detail(prompt_details.and_then(|details| details.cache_write_tokens));
    let audio_in = detail(prompt_details.and_then(|details| details.audio_tokens));
    let mut prompt = detail(usage.prompt_tokens);
    if cached > prompt {
        // seen with xAI: the total leaves the cached part out
        prompt = prompt.saturating_add(cached);
    }
    let completion_details = usage.completion_tokens_details.as_ref();
    let reasoning = detail(completion_details.and_then(|details| details.reasoning_tokens));
    let audio_out = detail(completion_details.and_then(|details| details.audio_tokens));
    let mut completion = detail(usage.completion_tokens);
    let whole = usage.total_tokens.is_some_and(|total| total == prompt.saturating_add(completion));
    if vendor.reasoning_outside_completion && !whole {
        completion = completion.saturating_add(reasoning);
    }
    let parts = [
        (Meter::InputCached, cached.min(prompt)),
        (Meter::CacheWrite, written),
        (Meter::InputAudio, audio_in),
    ];
    tally.quantities.clear();
    split(&mut tally.quantities, Meter::Input, prompt, &parts);
    split(
        &mut tally.quantities,
        Meter::Output,
        completion,
        &[(Meter::OutputReasoning, reasoning), (Meter::OutputAudio, audio_out)],
    );
    tally.reported = true;
    tally.reported_nano = reported(usage.cost_in_usd_ticks, usage.cost.as_ref());
}

/// The cost as the provider says it, in 1e-9 USD, rounded up.
pub(super) fn reported(ticks: Option<i64>, usd: Option<&serde_json::Number>) -> Option<i64> {
    if let Some(ticks) = ticks {
        return of_ticks(ticks);
    }
    let usd = usd?.as_f64()?;
    // a provider's float, entered once: what is billed from here on is the integer
    #[expect(clippy::cast_possible_truncation, reason = "checked to be in range")]
    let nano = (0.0..9.0e9).contains(&usd).then(|| (usd * 1e9).round() as i64);
    nano
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::compat::shipped;

    fn tally(vendor: &str, usage: &str) -> (Vec<(Meter, i64)>, Option<i64>) {
        let usage: Usage = serde_json::from_str(usage).unwrap();
        let mut tally = Tally::default();
        enter(&usage, &shipped().unwrap()[vendor], &mut tally);
        (tally.quantities.iter().map(|q| (q.meter, q.units)).collect(), tally.reported_nano)
    }

    #[test]
    fn meters_are_disjoint() {
        use Meter::{
            CacheWrite, Input, InputAudio, InputCached, Output, OutputAudio, OutputReasoning,
        };
        for (vendor, usage, wanted, cost) in [
            (
                "openai",
                r#"{"prompt_tokens":120,"completion_tokens":30,"total_tokens":150,"prompt_tokens_details":{"cached_tokens":64,"cache_write_tokens":6,"audio_tokens":10},"completion_tokens_details":{"reasoning_tokens":12,"audio_tokens":3}}"#,
                vec![
                    (InputCached, 64),
                    (CacheWrite, 6),
                    (InputAudio, 10),
                    (Input, 40),
                    (OutputReasoning, 12),
                    (OutputAudio, 3),
                    (Output, 15),
                ],
                None,
            ),
            (
                "deepseek",
                r#"{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,"prompt_cache_hit_tokens":64,"prompt_cache_miss_tokens":36}"#,
                vec![(InputCached, 64), (Input, 36), (Output, 50)],
                None,
            ),
            (
                "xai",
                r#"{"prompt_tokens":32,"completion_tokens":9,"total_tokens":135,"cost_in_usd_ticks":123456789,"prompt_tokens_details":{"cached_tokens":6},"completion_tokens_details":{"reasoning_tokens":94}}"#,
                vec![(InputCached, 6), (Input, 26), (OutputReasoning, 94), (Output, 9)],
                Some(12_345_679),
            ),
            (
                "xai",
                r#"{"prompt_tokens":32,"completion_tokens":103,"total_tokens":135,"completion_tokens_details":{"reasoning_tokens":94}}"#,
                vec![(Input, 32), (OutputReasoning, 94), (Output, 9)],
                None,
            ),
            (
                "xai",
                r#"{"prompt_tokens":3,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":10}}"#,
                vec![(InputCached, 10), (Input, 3), (Output, 1)],
                None,
            ),
            (
                "openrouter",
                r#"{"prompt_tokens":20,"completion_tokens":9,"cost":0.00015,"completion_tokens_details":{"reasoning_tokens":30}}"#,
                vec![(Input, 20), (OutputReasoning, 9)],
                Some(150_000),
            ),
            ("openai", r#"{"prompt_tokens":-5,"completion_tokens":null}"#, vec![], None),
        ] {
            assert_eq!(tally(vendor, usage), (wanted, cost), "{vendor} {usage}");
        }
    }
}
