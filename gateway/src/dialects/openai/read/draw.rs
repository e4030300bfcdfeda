//! Which images are wanted.

use serde_json::Value;

use super::json::{At, Fields, wrong};
use super::{body, parts};
use crate::call::{Asked, Call, Draw};
use crate::error::Error;

/// Settings that more than one vendor has.
const MORE: [&str; 10] = [
    "aspect_ratio",
    "background",
    "guidance_scale",
    "input_fidelity",
    "moderation",
    "output_compression",
    "resolution",
    "seed",
    "style",
    "watermark",
];

/// Images.
pub(in super::super) fn draw(call: &Call) -> Result<Asked, Error> {
    let mut fields = Fields::of(body(call)?, &At::Top)?;
    fields.take("model");
    let mut draw = Draw {
        prompt: fields.needed("prompt", "what the images shall show")?,
        count: fields.whole("n", 1..=i64::MAX)?,
        size: fields.text("size")?,
        quality: fields.text("quality")?,
        output_format: fields.text("output_format")?,
        response_format: fields.one_of("response_format", &["url", "b64_json"])?,
        ..Draw::default()
    };
    let (identifier, user) = (fields.text("safety_identifier")?, fields.text("user")?);
    draw.user = identifier.or(user);
    let at = At::Field(&At::Top, "image");
    draw.images = match fields.take("image") {
        None => Vec::new(),
        Some(Value::String(url)) => vec![parts::source(url, &at)?],
        Some(Value::Array(list)) => super::texts(list, &at)?
            .into_iter()
            .enumerate()
            .map(|(index, url)| parts::source(url, &At::Item(&at, index)))
            .collect::<Result<_, _>>()?,
        Some(_) => return Err(wrong(&at, "an address, or an array of addresses")),
    };
    for name in MORE {
        draw.more.extend(fields.take(name).map(|value| (name.to_owned(), value)));
    }
    fields.own("partial_images", true, &mut draw.own);
    fields.rest(&mut draw.own);
    Ok(Asked::Draw(draw))
}
