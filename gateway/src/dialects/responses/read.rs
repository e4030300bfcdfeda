//! A request to what it asks for.

use serde_json::Value;

use super::input::Conversation;
use super::node::Node;
use super::tools;
use crate::call::chat::{Effort, Format, Part, Reasoning};
use crate::call::{Call, Chat, Own};
use crate::error::{Error, Kind};

/// Fields without which the answer means the same.
const HINTS: [&str; 6] = [
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "background_options",
    "image",
    // of the vendor's own tools, which are refused
    "max_tool_calls",
];

/// Fields that [`chat`] reads.
const READ: [&str; 24] = [
    "model",
    "stream",
    "stream_options",
    "background",
    "input",
    "instructions",
    "include",
    "max_output_tokens",
    "metadata",
    "parallel_tool_calls",
    "previous_response_id",
    "conversation",
    "reasoning",
    "safety_identifier",
    "service_tier",
    "store",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
    "user",
];

/// The request as a chat.
pub(super) fn chat(call: &Call) -> Result<Chat, Error> {
    let mut chat = Chat::default();
    let mut talk = Conversation::default();
    with(call, "instructions", |node| {
        talk.system.push(Part::text(node.text()?));
        Ok(())
    })?;
    with(call, "input", |node| talk.read(node))?;
    chat.system = talk.system;
    chat.messages = talk.messages;
    chat.own = talk.own;
    with(call, "tools", |node| tools::tools(&mut chat, node))?;
    with(call, "tool_choice", |node| tools::choice(&mut chat, node))?;
    with(call, "parallel_tool_calls", |node| put(&mut chat.parallel_tools, node.flag()))?;
    with(call, "max_output_tokens", |node| put(&mut chat.max_output, node.whole()))?;
    with(call, "temperature", |node| put(&mut chat.sampling.temperature, node.number()))?;
    with(call, "top_p", |node| put(&mut chat.sampling.top_p, node.number()))?;
    with(call, "text", |node| text(&mut chat, node))?;
    with(call, "reasoning", |node| reasoning(&mut chat, node))?;
    for name in ["user", "safety_identifier"] {
        with(call, name, |node| put(&mut chat.user, node.text().map(str::to_owned)))?;
    }
    with(call, "service_tier", |node| put(&mut chat.service_tier, node.text().map(str::to_owned)))?;
    with(call, "metadata", |node| {
        chat.metadata = node.object()?.clone();
        Ok(())
    })?;
    logprobs(call, &mut chat)?;
    hints(call, &mut chat)?;
    Ok(chat)
}

fn put<T>(to: &mut Option<T>, value: Result<T, Error>) -> Result<(), Error> {
    *to = Some(value?);
    Ok(())
}

/// Reads a field that is there and not `null`.
fn with(
    call: &Call,
    name: &str,
    read: impl FnOnce(&Node<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let Some(value) = call.field(name) else {
        return Ok(());
    };
    let value: Value = serde_json::from_slice(value).map_err(|_| {
        let message = format!("{name} must be JSON of fewer levels");
        Error::new(Kind::InvalidField, message).at(name)
    })?;
    if value.is_null() { Ok(()) } else { read(&Node::top(name, &value)) }
}

/// `text`: the shape of the answer, and how wordy it shall be.
fn text(chat: &mut Chat, text: &Node<'_>) -> Result<(), Error> {
    chat.verbosity = text.get_text("verbosity")?.map(str::to_owned);
    let Some(format) = text.get("format") else {
        return Ok(());
    };
    let kind = format.need("type", "text, json_object or json_schema")?;
    chat.format = match kind.text()? {
        "text" => Format::Text,
        "json_object" => Format::Json,
        "json_schema" => {
            let schema = format.need("schema", "a JSON Schema")?;
            schema.object()?;
            Format::Schema {
                name: format.need_text("name")?.to_owned(),
                description: format.get_text("description")?.map(str::to_owned),
                schema: schema.value.clone(),
                strict: format.get("strict").map(|strict| strict.flag()).transpose()?,
            }
        }
        _ => return Err(kind.wrong("text, json_object or json_schema")),
    };
    Ok(())
}

/// `reasoning`: how much, and whether a summary is shown.
fn reasoning(chat: &mut Chat, node: &Node<'_>) -> Result<(), Error> {
    let mut reasoning = Reasoning::default();
    if let Some(effort) = node.get("effort") {
        match effort.text()? {
            "none" => reasoning.enabled = Some(false),
            name => {
                let wanted = "none, minimal, low, medium, high, xhigh or max";
                reasoning.effort = Some(Effort::named(name).ok_or_else(|| effort.wrong(wanted))?);
            }
        }
    }
    // the second is the older name
    for name in ["summary", "generate_summary"] {
        if let Some(summary) = node.get(name) {
            match summary.text()? {
                "auto" | "concise" | "detailed" => reasoning.shown = Some(true),
                _ => return Err(summary.wrong("auto, concise or detailed")),
            }
        }
    }
    for (name, usual) in [("context", "auto"), ("mode", "standard")] {
        if let Some(more) = node.get(name).filter(|more| more.value != usual) {
            let may_drop = name == "context";
            chat.own.push(Own { name: more.at, value: more.value.clone(), may_drop });
        }
    }
    if reasoning != Reasoning::default() {
        chat.reasoning = Some(reasoning);
    }
    Ok(())
}

/// `include` and `top_logprobs`. Proofs of thoughts are always given; what else can be included is
/// of the vendor's own tools.
fn logprobs(call: &Call, chat: &mut Chat) -> Result<(), Error> {
    let mut wanted = false;
    with(call, "include", |include| {
        for one in include.list()? {
            match one.text()? {
                "message.output_text.logprobs" => wanted = true,
                "reasoning.encrypted_content" => {}
                _ => chat.own.push(Own {
                    name: one.at.clone(),
                    value: one.value.clone(),
                    may_drop: true,
                }),
            }
        }
        Ok(())
    })?;
    let mut top = None;
    with(call, "top_logprobs", |node| put(&mut top, node.whole()))?;
    if wanted || top.is_some_and(|top| top > 0) {
        chat.sampling.logprobs = Some(top.unwrap_or(0));
    }
    Ok(())
}

/// What is left: hints, and what only responses have.
fn hints(call: &Call, chat: &mut Chat) -> Result<(), Error> {
    // an answer is never kept here, so that only the wish to keep it is left out
    with(call, "store", |node| {
        if node.flag()? {
            chat.own.push(own(node, true));
        }
        Ok(())
    })?;
    with(call, "truncation", |node| {
        match node.text()? {
            "disabled" => {}
            "auto" => chat.own.push(own(node, true)),
            _ => return Err(node.wrong("auto or disabled")),
        }
        Ok(())
    })?;
    for field in call.fields.iter().filter(|field| !READ.contains(&&*field.name)) {
        let name = &*field.name;
        with(call, name, |node| {
            chat.own.push(own(node, HINTS.contains(&name)));
            Ok(())
        })?;
    }
    Ok(())
}

fn own(node: &Node<'_>, may_drop: bool) -> Own {
    Own { name: node.at.clone(), value: node.value.clone(), may_drop }
}

#[cfg(test)]
mod tests {
    use super::super::FIELDS;
    use super::*;

    /// What is documented is read, a hint, or refused where the format is another.
    #[test]
    fn each_documented_field_has_its_place() {
        let refused = ["prompt"];
        for (name, _) in FIELDS {
            let known = READ.contains(name) || HINTS.contains(name) || refused.contains(name);
            assert!(known, "{name}");
        }
    }
}
