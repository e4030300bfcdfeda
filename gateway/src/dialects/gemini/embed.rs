//! A request to `embedContent` or `batchEmbedContents` as what is asked.

use super::object::{At, Object, wrong};
use super::request::body;
use crate::call::chat::Source;
use crate::call::{Call, Embed, Embeddable, Own};
use crate::error::{Error, Kind};
use crate::providers::gemini_proof as proof;

/// What is asked.
pub(super) fn read(call: &Call) -> Result<Embed, Error> {
    let body = body(call)?;
    let root = At { at: String::new(), value: &body }.object()?;
    if call.field("requests").is_none() {
        return one(root);
    }
    let mut root = root;
    let mut all: Option<Embed> = None;
    for request in root.list("requests")? {
        let at = request.at.clone();
        let mut one = one(request.object()?)?;
        let Some(first) = &mut all else {
            all = Some(one);
            continue;
        };
        for (name, same) in [
            ("taskType", one.task == first.task),
            ("title", one.title == first.title),
            ("outputDimensionality", one.dimensions == first.dimensions),
        ] {
            if !same {
                let message = format!("{at}.{name} must be the same in all requests");
                return Err(Error::new(Kind::UnsupportedField, message).at(format!("{at}.{name}")));
            }
        }
        first.inputs.append(&mut one.inputs);
        first.own.append(&mut one.own);
    }
    let _in_the_path = root.any("model");
    let mut all = all.unwrap_or_default();
    root.left(&mut all.own, &[]);
    Ok(all)
}

fn one(mut request: Object<'_>) -> Result<Embed, Error> {
    let _in_the_path = request.any("model");
    let mut embed = Embed::default();
    let mut content = request
        .object("content")?
        .ok_or_else(|| wrong(&request.path("content"), "what is to be embedded"))?;
    embed.inputs.push(input(&mut content, &mut embed.own)?);
    let _any_role = content.text("role")?;
    content.left(&mut embed.own, &[]);
    embed.task = request.text("taskType")?.map(str::to_owned);
    embed.task.take_if(|task| task == "TASK_TYPE_UNSPECIFIED");
    embed.title = request.text("title")?.map(str::to_owned);
    embed.dimensions = request.whole("outputDimensionality", 1)?;
    request.left(&mut embed.own, &[]);
    Ok(embed)
}

/// All parts of a content make one vector.
fn input(content: &mut Object<'_>, own: &mut Vec<Own>) -> Result<Embeddable, Error> {
    let at = content.path("parts");
    let mut texts: Vec<&str> = Vec::new();
    let mut image = None;
    for part in content.list("parts")? {
        let mut part = part.object()?;
        if let Some(text) = part.text("text")? {
            texts.push(text);
        } else if let Some(mut blob) = part.object("inlineData")? {
            let media_type = blob.text("mimeType")?.unwrap_or_default().to_owned();
            let data = blob.text("data")?.unwrap_or_default();
            image = Some(Source::Data { media_type, base64: proof::padded(data) });
            blob.left(own, &[]);
        }
        part.left(own, &[]);
    }
    match (image, texts.as_slice()) {
        (None, [_, ..]) => Ok(Embeddable::Text(texts.join("\n"))),
        (Some(image), []) => Ok(Embeddable::Image(image)),
        _ => Err(wrong(&at, "texts, or one image")),
    }
}
