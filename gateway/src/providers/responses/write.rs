//! A chat as a request for a response.

use serde_json::{Map, Value, json};

use super::write_input;
use crate::call::chat::{CacheMark, Content, Effort, Format, Modality, Reasoning, ToolChoice};
use crate::call::{Call, Chat, Lacks};
use crate::error::Error;
use crate::providers::{Outbound, Wire};
use crate::routing::Target;

/// Classes of service that OpenAI knows.
const TIERS: [&str; 7] = ["auto", "default", "flex", "scale", "priority", "fast", "ultrafast"];

pub(super) fn write(
    chat: &Chat,
    call: &Call,
    uri: http::Uri,
    target: &Target,
) -> Result<Outbound, Error> {
    let mut lacks = Lacks::of(format!("{} ({})", target.provider, target.model));
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| body.insert(name.to_owned(), value);
    put("model", target.model.as_str().into());
    let (instructions, input) = write_input::input(chat, &mut lacks)?;
    if let Some(instructions) = instructions {
        put("instructions", instructions.into());
    }
    put("input", input.into());
    // the hub keeps nothing, and asks nobody to
    put("store", false.into());
    if call.stream {
        put("stream", true.into());
    }
    if let Some(most) = chat.max_output.or(call.max_output) {
        put("max_output_tokens", most.into());
    }
    let sampling = &chat.sampling;
    for (name, value) in [("temperature", sampling.temperature), ("top_p", sampling.top_p)] {
        if let Some(value) = value {
            put(name, value.into());
        }
    }
    let mut include: Vec<&str> = Vec::new();
    if let Some(top) = sampling.logprobs {
        include.push("message.output_text.logprobs");
        put("top_logprobs", top.into());
    }
    // models that do not reason refuse this
    if chat.reasoning.as_ref().is_some_and(|reasoning| reasoning.enabled != Some(false))
        || has_proofs(chat)
    {
        include.push("reasoning.encrypted_content");
    }
    if !include.is_empty() {
        put("include", include.into());
    }
    if let Some(reasoning) = chat.reasoning.as_ref().and_then(reasoning) {
        put("reasoning", reasoning);
    }
    if let Some(text) = text(chat) {
        put("text", text);
    }
    if !chat.tools.is_empty() {
        put("tools", chat.tools.iter().map(tool).collect());
    }
    if let Some(choice) = &chat.tool_choice {
        put("tool_choice", tool_choice(choice));
    }
    if let Some(parallel) = chat.parallel_tools {
        put("parallel_tool_calls", parallel.into());
    }
    if let Some(user) = &chat.user {
        put("user", user.as_str().into());
    }
    let texts = chat.metadata.values().all(Value::is_string);
    if !chat.metadata.is_empty() && texts {
        put("metadata", chat.metadata.clone().into());
    }
    lacks.drop("metadata", !texts);
    let tier = chat.service_tier.as_deref();
    let known = tier.filter(|tier| TIERS.contains(tier));
    if let Some(tier) = known {
        put("service_tier", tier.into());
    }
    lacks.drop("service_tier", known != tier);
    refuse(chat, &mut lacks)?;
    let body = serde_json::to_vec(&body).unwrap_or_default();
    let mut outbound = Outbound::new(uri, body.into());
    outbound.dropped = lacks.dropped();
    Ok(outbound)
}

/// What responses can't say.
fn refuse(chat: &Chat, lacks: &mut Lacks) -> Result<(), Error> {
    let sampling = &chat.sampling;
    lacks.refuse("n", chat.choices.is_some_and(|choices| choices > 1))?;
    lacks.refuse("stop", !chat.stop.is_empty())?;
    lacks.refuse("top_k", sampling.top_k.is_some())?;
    lacks.refuse("frequency_penalty", sampling.frequency_penalty.is_some_and(|by| by != 0.0))?;
    lacks.refuse("presence_penalty", sampling.presence_penalty.is_some_and(|by| by != 0.0))?;
    lacks.refuse("hosted tools", !chat.hosted_tools.is_empty())?;
    let beside = chat.modalities.iter().any(|kind| *kind != Modality::Text);
    lacks.refuse("modalities", beside)?;
    lacks.drop("seed", sampling.seed.is_some());
    lacks.drop("tools[].cache", chat.tools.iter().any(|tool| tool.cache.is_some()));
    lacks.own(chat)
}

/// Whether the conversation holds this format's own proofs.
fn has_proofs(chat: &Chat) -> bool {
    let mut parts = chat.messages.iter().flat_map(|message| &message.parts);
    parts.any(|part| match &part.content {
        Content::Reasoning { signature: Some(signature), .. } | Content::Redacted(signature) => {
            signature.by == Wire::Responses
        }
        _ => false,
    })
}

fn reasoning(asked: &Reasoning) -> Option<Value> {
    let mut said = Map::new();
    let effort = match (asked.enabled, asked.effort, asked.budget) {
        (Some(false), ..) => Some("none"),
        (_, Some(effort), _) => Some(effort.as_str()),
        (_, None, Some(budget)) => Some(Effort::of_budget(budget).as_str()),
        (_, None, None) => None,
    };
    if let Some(effort) = effort {
        said.insert("effort".into(), effort.into());
    }
    if asked.shown == Some(true) {
        said.insert("summary".into(), "auto".into());
    }
    (!said.is_empty()).then(|| said.into())
}

fn text(chat: &Chat) -> Option<Value> {
    let mut said = Map::new();
    match &chat.format {
        Format::Text => {}
        Format::Json => {
            said.insert("format".into(), json!({"type": "json_object"}));
        }
        Format::Schema { name, description, schema, strict } => {
            let mut format = Map::new();
            format.insert("type".into(), "json_schema".into());
            format.insert("name".into(), name.as_str().into());
            format.insert("schema".into(), schema.clone());
            if let Some(description) = description {
                format.insert("description".into(), description.as_str().into());
            }
            if let Some(strict) = strict {
                format.insert("strict".into(), (*strict).into());
            }
            said.insert("format".into(), format.into());
        }
    }
    if let Some(verbosity) = &chat.verbosity {
        said.insert("verbosity".into(), verbosity.as_str().into());
    }
    (!said.is_empty()).then(|| said.into())
}

/// A function. It is strict here unless it says that it is not: other formats have it the other way.
fn tool(tool: &crate::call::chat::Tool) -> Value {
    let mut said = Map::new();
    said.insert("type".into(), "function".into());
    said.insert("name".into(), tool.name.as_str().into());
    if let Some(description) = &tool.description {
        said.insert("description".into(), description.as_str().into());
    }
    said.insert("parameters".into(), tool.parameters.clone());
    said.insert("strict".into(), tool.strict.unwrap_or(false).into());
    said.into()
}

fn tool_choice(choice: &ToolChoice) -> Value {
    match choice {
        ToolChoice::Auto => "auto".into(),
        ToolChoice::None => "none".into(),
        ToolChoice::Any => "required".into(),
        ToolChoice::Tool(name) => json!({"type": "function", "name": name}),
    }
}

/// How long a mark keeps a prompt: the vendor's two lengths are half an hour and half a day.
pub(super) fn breakpoint(mark: CacheMark) -> Value {
    match mark {
        CacheMark::Short => json!({"mode": "explicit"}),
        CacheMark::Long => json!({"mode": "explicit", "ttl": "12h"}),
    }
}
