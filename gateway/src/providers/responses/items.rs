//! Items of the output that are complete.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::reader::{Reader, Said};
use super::wire::{Annotation, Item, Part, text};
use crate::call::chat::Source;
use crate::reply::Delta;

/// Gives what was not given of an item; tells whether there is content.
pub(super) fn done(reader: &mut Reader, at: u32, item: &Item<'_>) -> bool {
    match &*item.kind {
        "message" => reader.lacks(at) && message(reader, at, item.content),
        "reasoning" => reasoning(reader, at, item),
        "function_call" | "custom_tool_call" => {
            reader.call(at, item);
            let said = text(item.arguments).or_else(|| text(item.input));
            reader.arguments(at, &said.unwrap_or_default(), true);
            true
        }
        "image_generation_call" => image(reader, item),
        _ => {
            if item.searches() {
                reader.search();
            }
            false
        }
    }
}

/// The parts of a message.
fn message(reader: &mut Reader, at: u32, content: Option<&RawValue>) -> bool {
    let mut content_seen = false;
    for part in list::<Part<'_>>(content) {
        content_seen |= reader.say(at, Said::Text, part.text.as_deref().unwrap_or_default());
        content_seen |= reader.say(at, Said::Refusal, part.refusal.as_deref().unwrap_or_default());
        reader.logprobs(part.logprobs);
        for annotation in list::<Annotation<'_>>(part.annotations) {
            cite(reader, &annotation);
        }
    }
    content_seen
}

/// Where a text is from, as far as it has an address.
pub(super) fn cite(reader: &mut Reader, annotation: &Annotation<'_>) {
    if let (true, Some(url)) = (annotation.kind == "url_citation", annotation.url.as_deref()) {
        reader.cite(url, annotation.title.as_deref());
    }
}

fn reasoning(reader: &mut Reader, at: u32, item: &Item<'_>) -> bool {
    let mut content = false;
    if reader.lacks(at) {
        for part in list::<Part<'_>>(item.summary).into_iter().chain(list(item.content)) {
            reader.part(at);
            content |= reader.say(at, Said::Thoughts, part.text.as_deref().unwrap_or_default());
        }
    }
    if let Some(proof) = item.encrypted_content.as_deref().filter(|proof| !proof.is_empty()) {
        reader.prove(at, proof);
    }
    content
}

fn image(reader: &mut Reader, item: &Item<'_>) -> bool {
    let Some(base64) = text(item.result).filter(|result| !result.is_empty()) else {
        return false;
    };
    let format = item.output_format.as_deref().unwrap_or("png");
    let media_type = match format {
        "svg" => "image/svg+xml".to_owned(),
        format => format!("image/{format}"),
    };
    let source = || Source::Data { media_type, base64: base64.into_owned() };
    reader.deliver(|| Delta::Image { choice: 0, source: source() });
    true
}

/// A list of things of a known shape; of another shape they are none.
fn list<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>) -> Vec<T> {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
}
