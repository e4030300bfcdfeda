//! A chat of another format as Google's `generateContent`.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::model::Model;
use super::{address, config, content, tools};
use crate::call::chat::{CacheMark, Content, Part};
use crate::call::{Call, Chat, Lacks, Own};
use crate::error::Error;
use crate::providers::Outbound;
use crate::routing::Target;

/// The request.
pub(super) fn write(chat: &Chat, call: &Call, target: &Target) -> Result<Outbound, Error> {
    let mut lacks = lacks(target);
    let model = Model::of(target.model.as_str());
    let mut body = Map::new();
    let mut contents = content::contents(chat, model, &mut lacks)?;
    let system: Vec<Value> = chat.system.iter().filter_map(text).collect();
    if contents.is_empty() && !system.is_empty() {
        // Google wants something to answer to
        contents.push(json!({"role": "user", "parts": system}));
    } else if !system.is_empty() {
        body.insert("systemInstruction".into(), json!({"parts": system}));
    }
    body.insert("contents".into(), contents.into());
    tools::write(chat, &mut body, &mut lacks)?;
    let config = config::write(chat, call, model, &mut lacks)?;
    if !config.is_empty() {
        body.insert("generationConfig".into(), config.into());
    }
    if let Some(tier) = &chat.service_tier {
        match tier.as_str() {
            "flex" | "priority" | "standard" => {
                body.insert("serviceTier".into(), tier.as_str().into());
            }
            "default" => {
                body.insert("serviceTier".into(), "standard".into());
            }
            _ => lacks.drop("service_tier", true),
        }
    }
    hints(chat, &mut lacks);
    lacks.own(chat)?;
    let method = if call.stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
    outbound(target, method, &body.into(), lacks)
}

/// What a target of this format can't say is told of it by this name.
pub(super) fn lacks(target: &Target) -> Lacks {
    Lacks::of(format!("{} ({})", target.provider, target.model))
}

/// The request to a method of the target's model.
pub(super) fn outbound(
    target: &Target,
    method: &str,
    body: &Value,
    lacks: Lacks,
) -> Result<Outbound, Error> {
    let body = Bytes::from(body.to_string());
    let mut outbound = Outbound::new(address::of(target, method)?, body);
    outbound.dropped = lacks.dropped();
    Ok(outbound)
}

/// The fields that only the client's format knows.
pub(super) fn own(lacks: &mut Lacks, own: &[Own]) -> Result<(), Error> {
    for field in own {
        lacks.refuse(&field.name, !field.may_drop)?;
        lacks.drop(&field.name, true);
    }
    Ok(())
}

fn text(part: &Part) -> Option<Value> {
    match &part.content {
        Content::Text(text) if !text.is_empty() => Some(json!({"text": text})),
        _ => None,
    }
}

/// What the answer means the same without.
fn hints(chat: &Chat, lacks: &mut Lacks) {
    let marked = |part: &Part| matches!(part.cache, Some(CacheMark::Short | CacheMark::Long));
    let messages = || chat.messages.iter().flat_map(|message| &message.parts);
    let tools = chat.tools.iter().any(|tool| tool.cache.is_some());
    lacks.drop("cache", tools || chat.system.iter().chain(messages()).any(marked));
    lacks.drop("name", chat.messages.iter().any(|message| message.name.is_some()));
    lacks.drop("user", chat.user.is_some());
    lacks.drop("metadata", !chat.metadata.is_empty());
    lacks.drop("verbosity", chat.verbosity.is_some());
    let detailed = |part: &Part| matches!(&part.content, Content::Image { detail: Some(detail), .. } if detail != "auto");
    lacks.drop("detail", messages().any(detailed));
}
