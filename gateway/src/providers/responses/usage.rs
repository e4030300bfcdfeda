//! The usage object of a response to disjoint meters.

use schemas::event::{Meter, Quantity};

use super::wire::{Response, Usage};
use crate::providers::compat::Vendor;
use crate::providers::meters::{of_ticks, split};
use crate::reply::Tally;

/// Enters what the provider says was used. `searches` were seen in the output: they count where
/// the usage says nothing of them.
pub(super) fn enter(said: &Response<'_>, searches: i64, vendor: &Vendor, tally: &mut Tally) {
    let Some(usage) = &said.usage else {
        return;
    };
    tally.quantities.clear();
    tokens(usage, vendor, &mut tally.quantities);
    let mut more = |meter: Meter, units: Option<i64>| {
        if let Some(units) = units.filter(|units| *units > 0) {
            tally.quantities.push(Quantity { meter, units });
        }
    };
    let tools = said.tool_usage.as_ref();
    // the image tool has its own model, whose tokens are beside those of the answer
    let images = tools.and_then(|tools| tools.image_gen.as_ref());
    more(Meter::InputImage, images.and_then(|images| images.input_tokens));
    more(Meter::OutputImage, images.and_then(|images| images.output_tokens));
    let told = tools.and_then(|tools| tools.web_search.as_ref()?.num_requests).or_else(|| {
        let server = usage.server_side_tool_usage_details.as_ref()?;
        Some(
            server.web_search_calls.unwrap_or(0).saturating_add(server.x_search_calls.unwrap_or(0)),
        )
    });
    more(Meter::Search, told.or(Some(searches)));
    tally.reported = true;
    tally.reported_nano = usage.cost_in_usd_ticks.and_then(of_ticks);
}

fn tokens(usage: &Usage, vendor: &Vendor, to: &mut Vec<Quantity>) {
    let some = |tokens: Option<i64>| tokens.unwrap_or(0).max(0);
    let details = usage.input_tokens_details.as_ref();
    let cached = some(details.and_then(|details| details.cached_tokens));
    let long = details.and_then(|details| details.cache_write_tokens_details.as_ref());
    let long = some(long.and_then(|written| written.ttl_12h_tokens));
    let written = some(details.and_then(|details| details.cache_write_tokens));
    let audio = some(details.and_then(|details| details.audio_tokens));
    let mut input = some(usage.input_tokens);
    if cached > input {
        // seen with xAI: the total leaves the cached part out
        input = input.saturating_add(cached);
    }
    let parts = [
        (Meter::InputCached, cached),
        (Meter::CacheWriteLong, long),
        (Meter::CacheWrite, written.saturating_sub(long).max(0)),
        (Meter::InputAudio, audio),
    ];
    split(to, Meter::Input, input, &parts);
    let details = usage.output_tokens_details.as_ref();
    let reasoning = some(details.and_then(|details| details.reasoning_tokens));
    let audio = some(details.and_then(|details| details.audio_tokens));
    let mut output = some(usage.output_tokens);
    // xAI leaves reasoning out in chat completions; here the total tells
    let all = input.saturating_add(output).saturating_add(reasoning);
    let outside = usage.total_tokens.map_or(reasoning > output, |total| total == all);
    if vendor.reasoning_outside_completion && outside {
        output = output.saturating_add(reasoning);
    }
    split(
        to,
        Meter::Output,
        output,
        &[(Meter::OutputReasoning, reasoning), (Meter::OutputAudio, audio)],
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::compat::shipped;

    #[test]
    fn meters_are_disjoint() {
        use Meter::{
            CacheWrite, CacheWriteLong, Input, InputCached, InputImage, Output, OutputImage,
            OutputReasoning, Search,
        };
        for (vendor, response, searches, wanted, cost) in [
            (
                "openai",
                r#"{"usage":{"input_tokens":100,"input_tokens_details":{"cached_tokens":60,"cache_write_tokens":30,
                    "cache_write_tokens_details":{"ttl_30m_tokens":10,"ttl_12h_tokens":20}},"output_tokens":40,
                    "output_tokens_details":{"reasoning_tokens":25},"total_tokens":140},
                    "tool_usage":{"image_gen":{"input_tokens":7,"output_tokens":9},"web_search":{"num_requests":2}}}"#,
                5,
                vec![
                    (InputCached, 60),
                    (CacheWriteLong, 20),
                    (CacheWrite, 10),
                    (Input, 10),
                    (OutputReasoning, 25),
                    (Output, 15),
                    (InputImage, 7),
                    (OutputImage, 9),
                    (Search, 2),
                ],
                None,
            ),
            (
                "xai",
                r#"{"usage":{"input_tokens":32,"output_tokens":9,"total_tokens":135,"cost_in_usd_ticks":123456789,
                    "input_tokens_details":{"cached_tokens":6},"output_tokens_details":{"reasoning_tokens":94},
                    "server_side_tool_usage_details":{"web_search_calls":1,"x_search_calls":2}}}"#,
                0,
                vec![
                    (InputCached, 6),
                    (Input, 26),
                    (OutputReasoning, 94),
                    (Output, 9),
                    (Search, 3),
                ],
                Some(12_345_679),
            ),
            (
                "xai",
                r#"{"usage":{"input_tokens":32,"output_tokens":103,"total_tokens":135,"output_tokens_details":{"reasoning_tokens":94}}}"#,
                1,
                vec![(Input, 32), (OutputReasoning, 94), (Output, 9), (Search, 1)],
                None,
            ),
            ("openai", r#"{"usage":{"input_tokens":"x"}}"#, 1, vec![], None),
            ("openai", r#"{"usage":null}"#, 0, vec![], None),
        ] {
            let said: Response<'_> = serde_json::from_str(response).unwrap();
            let mut tally = Tally::default();
            enter(&said, searches, &shipped().unwrap()[vendor], &mut tally);
            let quantities: Vec<_> = tally.quantities.iter().map(|q| (q.meter, q.units)).collect();
            assert_eq!((quantities, tally.reported_nano), (wanted, cost), "{response}");
        }
    }
}
