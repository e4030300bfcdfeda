//! Images, by the bodies of Stability's models: `Converse` makes none. Amazon's own image models ended in 2026.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-diffusion-3-5-large.html>

use bytes::Bytes;
use schemas::event::{AttemptError, Meter, Quantity};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::address;
use super::error::failed;
use crate::call::chat::Source;
use crate::call::{Draw, Lacks};
use crate::error::{Error, Kind};
use crate::providers::held::Collected;
use crate::providers::media::media_type;
use crate::providers::{Failure, Outbound, Piece, PieceKind, Wanted};
use crate::reply::{Delta, Tally};
use crate::routing::Target;

/// The models that draw what a text says; their maker has others, which change images.
const MODELS: [&str; 3] =
    ["stability.sd3-5-large", "stability.stable-image-core", "stability.stable-image-ultra"];
/// The shapes that they draw.
const RATIOS: [(u32, u32); 9] =
    [(1, 1), (2, 3), (3, 2), (4, 5), (5, 4), (9, 16), (16, 9), (9, 21), (21, 9)];

/// The request.
pub(super) fn write(draw: &Draw, target: &Target) -> Result<Outbound, Error> {
    let model = target.model.as_str();
    if !MODELS.iter().any(|known| model.contains(known)) {
        let message =
            format!("{model} makes no images that are known here: {} do", MODELS.join(", "));
        return Err(Error::new(Kind::UnsupportedField, message).at("model"));
    }
    let mut lacks = Lacks::of(format!("{} ({model})", target.provider));
    for own in &draw.own {
        if own.may_drop { lacks.drop(&own.name, true) } else { lacks.refuse(&own.name, true)? }
    }
    lacks.refuse("n", draw.count.is_some_and(|count| count > 1))?;
    // its maker wants to be told how much of them may change, which no client says
    lacks.refuse("images to start from", !draw.images.is_empty())?;
    lacks.refuse("response_format url", draw.response_format.as_deref() == Some("url"))?;
    lacks.drop("quality", draw.quality.as_deref().is_some_and(|quality| quality != "auto"));
    lacks.drop("user", draw.user.is_some());
    let mut body = Map::new();
    body.insert("prompt".into(), draw.prompt.as_str().into());
    body.insert("mode".into(), "text-to-image".into());
    if draw.size.as_deref().is_some_and(|size| size != "auto") {
        let ratio = draw.ratio().filter(|ratio| RATIOS.contains(ratio));
        lacks.refuse("size", ratio.is_none())?;
        body.extend(ratio.map(|(across, down)| {
            ("aspect_ratio".to_owned(), Value::from(format!("{across}:{down}")))
        }));
    }
    if let Some(format) = draw.output_format.as_deref() {
        lacks.refuse("output_format", !matches!(format, "png" | "jpeg"))?;
        body.insert("output_format".into(), format.into());
    }
    for (name, value) in &draw.more {
        match name.as_str() {
            "aspect_ratio" | "seed" => drop(body.insert(name.clone(), value.clone())),
            "moderation" | "output_compression" => lacks.drop(name, true),
            _ => lacks.refuse(name, true)?,
        }
    }
    let mut outbound =
        Outbound::new(address(target, "invoke")?, Value::from(body).to_string().into());
    outbound.dropped = lacks.dropped();
    Ok(outbound)
}

/// An answer with images: one piece.
pub(super) struct Drawn {
    wanted: Wanted,
    tally: Tally,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    images: Vec<String>,
    /// Of each image: why there is none.
    #[serde(default)]
    finish_reasons: Vec<Option<String>>,
}

impl Drawn {
    pub(super) fn new(wanted: Wanted) -> Self {
        Self { wanted, tally: Tally::default() }
    }
}

impl Collected for Drawn {
    fn whole(&mut self, bytes: Bytes, pieces: &mut Vec<Piece>) -> Result<(), Failure> {
        let malformed = Failure::of(AttemptError::Malformed);
        let answer: Answer = serde_json::from_slice(&bytes).map_err(|_| malformed.clone())?;
        if let Some(why) = answer.finish_reasons.iter().flatten().next() {
            let filtered = why.starts_with("Filter reason");
            return Err(if filtered { Failure::of(AttemptError::ContentPolicy) } else { failed() });
        }
        let units = i64::try_from(answer.images.len()).ok().filter(|units| *units > 0);
        let units = units.ok_or(malformed)?;
        self.tally.quantities = vec![Quantity { meter: Meter::Image, units }];
        self.tally.reported = true;
        let mut piece = Piece::new(bytes, PieceKind::Terminal);
        if self.wanted == Wanted::Deltas {
            piece.deltas.push(Delta::Start { id: None, model: None });
            piece.deltas.extend(answer.images.into_iter().map(|base64| {
                let media_type = media_type(&base64).to_owned();
                Delta::Image { choice: 0, source: Source::Data { media_type, base64 } }
            }));
        }
        pieces.push(piece);
        Ok(())
    }

    fn tally(&self) -> &Tally {
        &self.tally
    }
}
