//! Images of an answer.

use schemas::event::{AttemptError, Meter, Quantity};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::call::chat::Source;
use crate::providers::Failure;
use crate::providers::media::media_type;
use crate::reply::{Delta, Tally};

/// An image, or why there is none.
#[derive(Deserialize)]
pub(super) struct Image {
    #[serde(default)]
    b64_json: Option<String>,
    #[serde(default)]
    url: Option<String>,
    /// OpenRouter.
    #[serde(default)]
    media_type: Option<String>,
}

#[derive(Deserialize, Default)]
struct Details {
    #[serde(default)]
    image_tokens: Option<i64>,
}

#[derive(Deserialize, Default)]
struct Usage {
    #[serde(default)]
    input_tokens: Option<i64>,
    #[serde(default)]
    output_tokens: Option<i64>,
    #[serde(default)]
    input_tokens_details: Option<Details>,
    /// Doubao: what is paid for.
    #[serde(default)]
    generated_images: Option<i64>,
    /// OpenRouter: USD.
    #[serde(default)]
    cost: Option<serde_json::Number>,
    /// xAI: 1e-10 USD.
    #[serde(default)]
    cost_in_usd_ticks: Option<i64>,
}

/// The images of an answer's `data`; `None` where it holds something else.
///
/// # Errors
/// There is none: the vendor's filter held all of them back.
pub(super) fn read(data: &str) -> Option<Result<Vec<Image>, Failure>> {
    #[derive(Deserialize)]
    struct Vector {
        #[serde(rename = "embedding")]
        _embedding: serde::de::IgnoredAny,
    }
    if !data.starts_with('[')
        || serde_json::from_str::<Vec<Vector>>(data).is_ok_and(|list| !list.is_empty())
    {
        return None;
    }
    let images: Vec<Image> = serde_json::from_str(data).ok()?;
    let images: Vec<Image> = images
        .into_iter()
        .filter(|image| {
            [&image.b64_json, &image.url]
                .iter()
                .any(|said| said.as_ref().is_some_and(|said| !said.is_empty()))
        })
        .collect();
    let none = Failure::of(AttemptError::ContentPolicy);
    Some(if images.is_empty() { Err(none) } else { Ok(images) })
}

/// What the images amount to: tokens, where the vendor counts these, or else their number.
pub(super) fn enter(usage: Option<&RawValue>, images: usize, tally: &mut Tally) {
    let usage: Usage =
        usage.and_then(|usage| serde_json::from_str(usage.get()).ok()).unwrap_or_default();
    let said = |tokens: Option<i64>| tokens.unwrap_or(0).max(0);
    let (read, made) = (said(usage.input_tokens), said(usage.output_tokens));
    let seen = usage.input_tokens_details.unwrap_or_default();
    let seen = said(seen.image_tokens).min(read);
    let by_number = usage.generated_images.is_some() || made == 0;
    let number = usage.generated_images.or_else(|| i64::try_from(images).ok());
    let meters = match by_number {
        true => [(Meter::Image, said(number)), (Meter::InputImage, 0), (Meter::OutputImage, 0)],
        false => {
            [(Meter::Input, read - seen), (Meter::InputImage, seen), (Meter::OutputImage, made)]
        }
    };
    let there = meters.into_iter().filter(|(_, units)| *units > 0);
    tally.quantities = there.map(|(meter, units)| Quantity { meter, units }).collect();
    tally.reported = true;
    tally.reported_nano = super::usage::reported(usage.cost_in_usd_ticks, usage.cost.as_ref());
}

impl Image {
    /// As it is told.
    pub(super) fn delta(self) -> Delta {
        let source = match (self.b64_json, self.url) {
            (Some(base64), _) => {
                let media_type = self.media_type.unwrap_or_else(|| media_type(&base64).to_owned());
                Source::Data { media_type, base64 }
            }
            (None, url) => super::deltas::source(url.unwrap_or_default()),
        };
        Delta::Image { choice: 0, source }
    }
}
