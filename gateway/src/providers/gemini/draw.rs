//! Images, which Google's image models give as answers of a chat.
//!
//! <https://ai.google.dev/gemini-api/docs/image-generation>

use serde_json::{Map, Value, json};

use super::content;
use super::write::{lacks, outbound, own};
use crate::call::Draw;
use crate::error::Error;
use crate::providers::Outbound;
use crate::routing::Target;

/// The shapes that Google draws.
const RATIOS: [(u32, u32); 10] =
    [(1, 1), (2, 3), (3, 2), (3, 4), (4, 3), (4, 5), (5, 4), (9, 16), (16, 9), (21, 9)];

/// The request.
pub(super) fn write(draw: &Draw, target: &Target) -> Result<Outbound, Error> {
    let mut lacks = lacks(target);
    lacks.refuse("n", draw.count.is_some_and(|count| count > 1))?;
    let mut parts = vec![json!({"text": draw.prompt})];
    for source in &draw.images {
        parts.push(json!({"inlineData": content::inline(source, &lacks)?}));
    }
    let mut config = Map::new();
    config.insert("responseModalities".into(), json!(["TEXT", "IMAGE"]));
    if draw.size.as_deref().is_some_and(|size| size != "auto") {
        let image = image(draw);
        lacks.refuse("size", image.is_none())?;
        config.extend(image.map(|image| ("imageConfig".to_owned(), image)));
    }
    lacks.drop("quality", draw.quality.as_deref().is_some_and(|quality| quality != "auto"));
    let other = draw.output_format.as_deref().is_some_and(|format| format != "png");
    lacks.refuse("output_format", other)?;
    lacks.refuse("response_format url", draw.response_format.as_deref() == Some("url"))?;
    lacks.drop("user", draw.user.is_some());
    for name in draw.more.keys() {
        lacks.refuse(name, true)?;
    }
    own(&mut lacks, &draw.own)?;
    let body: Value =
        json!({"contents": [{"role": "user", "parts": parts}], "generationConfig": config});
    outbound(target, "generateContent", &body, lacks)
}

/// A size such as `1536x1024` as a shape, and as a class where it is larger than the usual.
fn image(draw: &Draw) -> Option<Value> {
    let (across, down) = draw.ratio().filter(|ratio| RATIOS.contains(ratio))?;
    let mut image = Map::new();
    image.insert("aspectRatio".into(), format!("{across}:{down}").into());
    let sides = draw.size.iter().flat_map(|size| size.split(['x', ':']));
    let class = match sides.filter_map(|side| side.parse().ok()).max() {
        None | Some(0_u32..2048) => None,
        Some(2048..4096) => Some("2K"),
        Some(_) => Some("4K"),
    };
    image.extend(class.map(|class| ("imageSize".to_owned(), class.into())));
    Some(image.into())
}
