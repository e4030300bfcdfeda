//! What sound, moderations and changed images used, in disjoint meters.

use schemas::event::{Meter, Operation, Quantity};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::providers::openai::images;
use crate::providers::openai::usage::reported;
use crate::reply::Tally;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Usage {
    input_tokens: Option<i64>,
    output_tokens: Option<i64>,
    input_token_details: Option<Details>,
    /// Of a model that is sold by the second.
    seconds: Option<serde_json::Number>,
    /// OpenRouter: USD.
    cost: Option<serde_json::Number>,
    /// xAI: 1e-10 USD.
    cost_in_usd_ticks: Option<i64>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Details {
    audio_tokens: Option<i64>,
}

/// Enters what the answer says. `duration`: of the sound, where the answer tells it beside its usage.
pub(super) fn enter(
    operation: Operation,
    usage: Option<&RawValue>,
    duration: Option<&serde_json::Number>,
    tally: &mut Tally,
) {
    if operation == Operation::Image {
        return images::enter(usage, 1, tally);
    }
    if operation == Operation::Moderation {
        // free at OpenAI, which a price of zero says, and so tells nothing
        tally.quantities = vec![Quantity { meter: Meter::Request, units: 1 }];
        tally.reported = true;
        return;
    }
    let usage: Usage =
        usage.and_then(|usage| serde_json::from_str(usage.get()).ok()).unwrap_or_default();
    let said = |tokens: Option<i64>| tokens.unwrap_or(0).max(0);
    let (read, made) = (said(usage.input_tokens), said(usage.output_tokens));
    let heard = said(usage.input_token_details.and_then(|details| details.audio_tokens)).min(read);
    let made_of = match operation {
        Operation::Speech => Meter::OutputAudio,
        _ => Meter::Output,
    };
    let seconds = match read + made > 0 && usage.seconds.is_none() {
        true => 0,
        false => usage.seconds.as_ref().or(duration).map_or(0, whole_seconds),
    };
    let meters = match seconds {
        0 => [(Meter::InputAudio, heard), (Meter::Input, read - heard), (made_of, made)],
        seconds => [(Meter::Second, seconds), (Meter::Input, 0), (made_of, 0)],
    };
    let there = meters.into_iter().filter(|(_, units)| *units > 0);
    tally.quantities = there.map(|(meter, units)| Quantity { meter, units }).collect();
    tally.reported = !tally.quantities.is_empty();
    tally.reported_nano = reported(usage.cost_in_usd_ticks, usage.cost.as_ref());
}

/// Begun seconds.
fn whole_seconds(seconds: &serde_json::Number) -> i64 {
    let seconds = seconds.as_f64().unwrap_or(0.0).ceil();
    // a provider's float, entered once: what is billed from here on is the integer
    #[expect(clippy::cast_possible_truncation, reason = "checked to be in range")]
    let whole = (0.0..1e9).contains(&seconds).then_some(seconds as i64);
    whole.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meters_are_disjoint() {
        use Meter::{
            Input, InputAudio, InputImage, Output, OutputAudio, OutputImage, Request, Second,
        };
        use Operation::{Image, Moderation, Speech, Transcription};
        for (operation, usage, duration, wanted) in [
            (Moderation, "", None, vec![(Request, 1)]),
            (
                Transcription,
                r#"{"type":"duration","seconds":8.47}"#,
                Some("8.4"),
                vec![(Second, 9)],
            ),
            (Transcription, r#"{"type":"duration","seconds":9}"#, None, vec![(Second, 9)]),
            (Transcription, "", Some("8.000"), vec![(Second, 8)]),
            (
                Transcription,
                r#"{"type":"tokens","input_tokens":14,"output_tokens":45,"total_tokens":59,"input_token_details":{"text_tokens":4,"audio_tokens":10}}"#,
                Some("3"),
                vec![(InputAudio, 10), (Input, 4), (Output, 45)],
            ),
            (Transcription, r#"{"seconds":-1}"#, None, vec![]),
            (Transcription, r#"{"seconds":1e300}"#, None, vec![]),
            (
                Speech,
                r#"{"input_tokens":14,"output_tokens":101}"#,
                None,
                vec![(Input, 14), (OutputAudio, 101)],
            ),
            (Speech, "", None, vec![]),
            (
                Image,
                r#"{"input_tokens":50,"output_tokens":1000,"input_tokens_details":{"text_tokens":10,"image_tokens":40}}"#,
                None,
                vec![(Input, 10), (InputImage, 40), (OutputImage, 1000)],
            ),
        ] {
            let raw: Option<Box<RawValue>> = serde_json::from_str(usage).ok();
            let duration: Option<serde_json::Number> =
                duration.map(|text| serde_json::from_str(text).unwrap());
            let mut tally = Tally::default();
            enter(operation, raw.as_deref(), duration.as_ref(), &mut tally);
            let meters: Vec<_> =
                tally.quantities.iter().map(|part| (part.meter, part.units)).collect();
            assert_eq!(tally.reported, !wanted.is_empty(), "{operation:?} {usage}");
            assert_eq!(meters, wanted, "{operation:?} {usage}");
        }
    }
}
