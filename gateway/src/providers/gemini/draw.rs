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
    if let Some(size) = draw.size.as_deref().filter(|size| *size != "auto") {
        let image = image(size);
        lacks.refuse("size", image.is_none())?;
        config.extend(image.map(|image| ("imageConfig".to_owned(), image)));
    }
    lacks.drop("quality", draw.quality.as_deref().is_some_and(|quality| quality != "auto"));
    let other = draw.output_format.as_deref().is_some_and(|format| format != "png");
    lacks.refuse("output_format", other)?;
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
fn image(size: &str) -> Option<Value> {
    let (width, height) = size.split_once(['x', ':'])?;
    let (width, height): (u32, u32) = (width.parse().ok()?, height.parse().ok()?);
    let same = |(across, down): &(u32, u32)| {
        u64::from(width) * u64::from(*down) == u64::from(height) * u64::from(*across)
    };
    let (across, down) = RATIOS.iter().find(|ratio| width > 0 && same(ratio))?;
    let mut image = json!({"aspectRatio": format!("{across}:{down}")});
    let class = match width.max(height) {
        0..2048 => None,
        2048..4096 => Some("2K"),
        _ => Some("4K"),
    };
    if let (Value::Object(image), Some(class)) = (&mut image, class) {
        image.insert("imageSize".into(), class.into());
    }
    Some(image)
}
