//! What requests for embeddings and images ask for.

use serde_json::Value;

use super::content::source;
use super::object::{Object, missing, wrong};
use super::parse;
use super::read::{file_type, own};
use crate::call::chat::Source;
use crate::call::{Call, Draw, Embed, Embeddable};
use crate::error::Error;

/// Reads a request for embeddings.
pub(super) fn embed(call: &Call) -> Result<Embed, Error> {
    let mut input = parse::input(call)?;
    let path = input.path("input");
    let text = |(at, item): (usize, Value)| match item {
        Value::String(text) => Ok(Embeddable::Text(text)),
        _ => Err(wrong(&format!("{path}[{at}]"), "a string")),
    };
    let inputs = match input.take("input") {
        Some(Value::String(text)) => vec![Embeddable::Text(text)],
        Some(Value::Array(items)) if !items.is_empty() => {
            items.into_iter().enumerate().map(text).collect::<Result<_, _>>()?
        }
        Some(_) => return Err(wrong(&path, "a string or an array of strings")),
        None => return Err(missing(&path, "a string or an array of strings")),
    };
    let mut embed = Embed { inputs, ..Embed::default() };
    embed.dimensions = input.whole("dimensions", 1)?;
    embed.user = input.text("user")?;
    if let Some(mut options) = input.object("modelOptions")? {
        options.take("model");
        embed.dimensions = embed.dimensions.or(options.whole("dimensions", 1)?);
        embed.own.extend(own(options));
    }
    embed.own.extend(own(input));
    Ok(embed)
}

/// Settings that more than one vendor has: AIGNE's name, and the one that vendors use.
const MORE: [(&str, &str); 8] = [
    ("background", "background"),
    ("style", "style"),
    ("moderation", "moderation"),
    ("seed", "seed"),
    ("outputCompression", "output_compression"),
    ("inputFidelity", "input_fidelity"),
    ("aspectRatio", "aspect_ratio"),
    ("negativePrompt", "negative_prompt"),
];

/// Reads a request for images. Settings stand beside the prompt, or among the options.
pub(super) fn draw(call: &Call) -> Result<Draw, Error> {
    let mut input = parse::input(call)?;
    let mut draw = Draw { prompt: input.needed("prompt")?, ..Draw::default() };
    draw.count = input.whole("n", 1)?;
    draw.images = images(&mut input)?;
    file_type(&mut input)?;
    set(&mut draw, &mut input)?;
    if let Some(mut options) = input.object("modelOptions")? {
        options.take("model");
        options.take("preferInputFileType");
        set(&mut draw, &mut options)?;
        draw.own.extend(own(options));
    }
    draw.own.extend(own(input));
    Ok(draw)
}

fn set(draw: &mut Draw, from: &mut Object) -> Result<(), Error> {
    for (at, name) in [
        (&mut draw.size, "size"),
        (&mut draw.quality, "quality"),
        (&mut draw.output_format, "outputFormat"),
        (&mut draw.user, "user"),
    ] {
        let said = from.text(name)?;
        *at = at.take().or(said);
    }
    for (name, known) in MORE {
        if let Some(value) = from.take(name) {
            draw.more.entry(known).or_insert(value);
        }
    }
    Ok(())
}

/// One image, or several.
fn images(input: &mut Object) -> Result<Vec<Source>, Error> {
    let path = input.path("image");
    let image = |path: String, value: Value| {
        let mut image = Object::of(path, value)?;
        let kind = image.needed("type")?;
        source(&kind, &mut image)
    };
    match input.take("image") {
        None => Ok(Vec::new()),
        Some(Value::Array(items)) => {
            let items = items.into_iter().enumerate();
            items.map(|(at, item)| image(format!("{path}[{at}]"), item)).collect()
        }
        Some(one) => Ok(vec![image(path, one)?]),
    }
}
