//! A chat as Ollama is asked for it.

use std::borrow::Cow;

use serde_json::Value;

use super::messages::messages;
use super::options::{own, sampling, think};
use super::wire::{Function, Request, Tool};
use super::{offers_no, outbound};
use crate::call::chat::{Format, Modality, ToolChoice};
use crate::call::{Call, Chat, Lacks};
use crate::error::Error;
use crate::providers::Outbound;
use crate::routing::Target;

/// Writes a chat.
pub(super) fn chat(chat: &Chat, call: &Call, target: &Target) -> Result<Outbound, Error> {
    let uri = target.endpoint.chat.clone().ok_or_else(|| offers_no(target, "chat"))?;
    let mut lacks = Lacks::of(format!("{} ({})", target.provider, target.model));
    refuse(chat, &lacks)?;
    let mut owned = own(&chat.own, &mut lacks)?;
    sampling(chat, call, &mut owned.options);
    let reasoning = chat.reasoning.as_ref().and_then(|reasoning| think(reasoning, &mut lacks));
    let messages = messages(chat, &mut lacks)?;
    let tools = tools(chat, &mut lacks);
    for (name, there) in [
        ("verbosity", chat.verbosity.is_some()),
        ("user", chat.user.is_some()),
        ("metadata", !chat.metadata.is_empty()),
        ("service_tier", chat.service_tier.is_some()),
    ] {
        lacks.drop(name, there);
    }
    let request = Request {
        model: target.model.as_str(),
        messages,
        tools,
        format: match &chat.format {
            Format::Text => None,
            Format::Json => Some(Cow::Owned(Value::from("json"))),
            Format::Schema { schema, .. } => Some(Cow::Borrowed(schema)),
        },
        think: reasoning.or(owned.think),
        logprobs: chat.sampling.logprobs.map(|_| true),
        top_logprobs: chat.sampling.logprobs.filter(|alternatives| *alternatives > 0),
        options: owned.options,
        own: owned.top,
        stream: call.stream,
    };
    let mut outbound = outbound(uri, &request, call.stream)?;
    outbound.dropped = lacks.dropped();
    Ok(outbound)
}

/// What Ollama would leave out without a word.
fn refuse(chat: &Chat, lacks: &Lacks) -> Result<(), Error> {
    if let Some(hosted) = chat.hosted_tools.first() {
        let kind = hosted.get("type").and_then(Value::as_str).unwrap_or("of the vendor's own");
        lacks.refuse(&format!("the tool {kind}"), true)?;
    }
    let forced = matches!(chat.tool_choice, Some(ToolChoice::Any | ToolChoice::Tool(_)));
    lacks.refuse("tool_choice", forced)?;
    let one_by_one = chat.parallel_tools == Some(false) && !chat.tools.is_empty();
    lacks.refuse("parallel_tool_calls", one_by_one)?;
    lacks.refuse("n", chat.choices.is_some_and(|choices| choices > 1))?;
    let only_text = chat.modalities.iter().all(|modality| *modality == Modality::Text);
    lacks.refuse("modalities", !only_text)
}

fn tools<'a>(chat: &'a Chat, lacks: &mut Lacks) -> Vec<Tool<'a>> {
    // it knows no choice of tools: where none may be called, none is shown
    if chat.tool_choice == Some(ToolChoice::None) {
        return Vec::new();
    }
    let tools = chat.tools.iter().map(|tool| {
        lacks.drop("strict", tool.strict == Some(true));
        lacks.drop("cache_control", tool.cache.is_some());
        let description = tool.description.as_deref();
        let function = Function { name: &tool.name, description, parameters: &tool.parameters };
        Tool { r#type: "function", function }
    });
    tools.collect()
}
