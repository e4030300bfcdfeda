//! A chat as `Converse` documents it.

use serde_json::{Map, Value, json};

use super::blocks::Blocks;
use super::family::Family;
use super::{converse, thinking, tools};
use crate::call::chat::{Format, Modality};
use crate::call::{Call, Chat, Lacks};
use crate::error::Error;
use crate::providers::Outbound;
use crate::routing::Target;

/// The most tags that a request can have.
const MAX_TAGS: usize = 16;

/// The request.
pub(super) fn chat(chat: &Chat, call: &Call, target: &Target) -> Result<Outbound, Error> {
    let family = Family::of(target.model.as_str());
    let mut lacks = Lacks::of(format!("{} ({})", target.provider, target.model));
    lacks.own(chat)?;
    lack(chat, &mut lacks)?;
    let (mut body, mut more) = (Map::new(), Map::new());
    let mut blocks = Blocks::new(family, &mut lacks);
    let system = blocks.system(&chat.system)?;
    if !system.is_empty() {
        body.insert("system".into(), system.into());
    }
    body.insert("messages".into(), blocks.messages(chat)?.into());
    let max_output = chat.max_output.or(call.max_output);
    let thought = thinking::write(chat, max_output, family, &mut lacks)?;
    more.extend(thought.more);
    tools::write(chat, family, &mut lacks, &mut body, &mut more)?;
    let sampled = family.samples() && !thought.on;
    let inference = inference(chat, max_output, sampled, &mut lacks)?;
    if !inference.is_empty() {
        body.insert("inferenceConfig".into(), inference.into());
    }
    if let Some(top_k) = chat.sampling.top_k {
        lacks.refuse("top_k", !sampled)?;
        top_k_of(family, top_k, &lacks, &mut more)?;
    }
    let mut output = Map::new();
    output.extend(shape(&chat.format).map(|format| ("textFormat".into(), format)));
    output.extend(thought.effort.map(|effort| ("effort".into(), effort.into())));
    if !output.is_empty() {
        body.insert("outputConfig".into(), output.into());
    }
    match tags(&chat.metadata) {
        Some(tags) if !tags.is_empty() => drop(body.insert("requestMetadata".into(), tags.into())),
        Some(_) => {}
        None => lacks.drop("metadata", true),
    }
    if !more.is_empty() {
        body.insert("additionalModelRequestFields".into(), more.into());
    }
    let mut outbound = converse(call, target, Value::from(body).to_string().into())?;
    outbound.dropped = lacks.dropped();
    Ok(outbound)
}

/// What no model can be told.
fn lack(chat: &Chat, lacks: &mut Lacks) -> Result<(), Error> {
    let sampling = &chat.sampling;
    let other_than_text = chat.modalities.iter().any(|kind| *kind != Modality::Text);
    for (name, there) in [
        ("hosted_tools", !chat.hosted_tools.is_empty()),
        ("choices", chat.choices.is_some_and(|choices| choices > 1)),
        ("frequency_penalty", sampling.frequency_penalty.is_some_and(|penalty| penalty != 0.0)),
        ("presence_penalty", sampling.presence_penalty.is_some_and(|penalty| penalty != 0.0)),
        ("logprobs", sampling.logprobs.is_some()),
        ("format json_object", chat.format == Format::Json),
        ("modalities", other_than_text),
    ] {
        lacks.refuse(name, there)?;
    }
    lacks.drop("seed", sampling.seed.is_some());
    lacks.drop("user", chat.user.is_some());
    lacks.drop("service_tier", chat.service_tier.is_some());
    lacks.drop("verbosity", chat.verbosity.is_some());
    Ok(())
}

fn inference(
    chat: &Chat,
    max_output: Option<i64>,
    sampled: bool,
    lacks: &mut Lacks,
) -> Result<Map<String, Value>, Error> {
    let sampling = &chat.sampling;
    let mut config = Map::new();
    config.extend(max_output.map(|most| ("maxTokens".into(), most.into())));
    for (name, own, value) in
        [("temperature", "temperature", sampling.temperature), ("top_p", "topP", sampling.top_p)]
    {
        // a model that draws as it likes would refuse the whole request
        lacks.drop(name, value.is_some() && !sampled);
        if let Some(value) = value.filter(|_| sampled) {
            lacks.refuse(&format!("{name} above 1"), value > 1.0)?;
            config.insert(own.into(), value.into());
        }
    }
    if !chat.stop.is_empty() {
        config.insert("stopSequences".into(), chat.stop.clone().into());
    }
    Ok(config)
}

fn top_k_of(
    family: Family,
    top_k: i64,
    lacks: &Lacks,
    more: &mut Map<String, Value>,
) -> Result<(), Error> {
    let (name, value) = match family {
        Family::Claude(..) | Family::Mistral => ("top_k", top_k.into()),
        Family::Nova(_) => ("inferenceConfig", json!({"topK": top_k})),
        Family::Cohere => ("k", top_k.into()),
        Family::GptOss | Family::Other => return lacks.refuse("top_k", true),
    };
    more.insert(name.into(), value);
    Ok(())
}

/// The schema is a text in `Converse`.
fn shape(format: &Format) -> Option<Value> {
    let Format::Schema { name, description, schema, .. } = format else {
        return None;
    };
    let mut document = Map::new();
    document.insert("schema".into(), schema.to_string().into());
    document.insert("name".into(), name.as_str().into());
    document.extend(description.as_deref().map(|text| ("description".into(), text.into())));
    Some(json!({"type": "json_schema", "structure": {"jsonSchema": document}}))
}

/// The tags, where all fit.
fn tags(metadata: &Map<String, Value>) -> Option<Map<String, Value>> {
    let plain = |text: &str| {
        let sign = |c: char| {
            c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || ":_@$#=/+,-.".contains(c)
        };
        text.len() <= 256 && text.chars().all(sign)
    };
    let fits = |(name, value): (&String, &Value)| {
        !name.is_empty() && plain(name) && value.as_str().is_some_and(plain)
    };
    (metadata.len() <= MAX_TAGS && metadata.iter().all(fits)).then(|| metadata.clone())
}
