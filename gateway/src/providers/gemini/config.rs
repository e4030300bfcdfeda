//! Google's `generationConfig`.

use serde_json::{Map, Value, json};

use super::model::{Model, Thinks};
use super::tools;
use crate::call::chat::{Effort, Format, Modality, Reasoning};
use crate::call::{Call, Chat, Lacks};
use crate::error::Error;
use crate::providers::thinking;

/// More texts that end the answer are refused by Google.
const MAX_STOPS: usize = 5;

/// How the answer is to be made.
pub(super) fn write(
    chat: &Chat,
    call: &Call,
    model: Model<'_>,
    lacks: &mut Lacks,
) -> Result<Map<String, Value>, Error> {
    let mut config = Map::new();
    let mut set = |name: &str, value: Option<Value>| {
        config.extend(value.map(|value| (name.to_owned(), value)));
    };
    let sampling = &chat.sampling;
    set("temperature", sampling.temperature.map(Value::from));
    set("topP", sampling.top_p.map(Value::from));
    set("topK", sampling.top_k.map(Value::from));
    set("frequencyPenalty", sampling.frequency_penalty.map(Value::from));
    set("presencePenalty", sampling.presence_penalty.map(Value::from));
    // a 32-bit field
    let seed = sampling.seed.and_then(|seed| i32::try_from(seed).ok());
    lacks.drop("seed", sampling.seed.is_some() && seed.is_none());
    set("seed", seed.map(Value::from));
    set("responseLogprobs", sampling.logprobs.map(|_| true.into()));
    set("logprobs", sampling.logprobs.filter(|top| *top > 0).map(Value::from));
    set("candidateCount", chat.choices.filter(|choices| *choices > 1).map(Value::from));
    set("maxOutputTokens", chat.max_output.or(call.max_output).map(Value::from));
    lacks.refuse("stop", chat.stop.len() > MAX_STOPS)?;
    set("stopSequences", (!chat.stop.is_empty()).then(|| json!(chat.stop)));
    let schema = match &chat.format {
        Format::Schema { schema, .. } => Some(tools::schema(schema)),
        Format::Text | Format::Json => None,
    };
    set("responseMimeType", (chat.format != Format::Text).then(|| "application/json".into()));
    set("responseJsonSchema", schema);
    lacks.refuse("modalities", chat.modalities.contains(&Modality::Audio))?;
    let images = chat.modalities.contains(&Modality::Image);
    set("responseModalities", images.then(|| json!(["TEXT", "IMAGE"])));
    let most = chat.max_output.or(call.max_output);
    let thinking = chat.reasoning.as_ref().map(|asked| thoughts(asked, most, model, lacks));
    set("thinkingConfig", thinking.filter(|thinking| !thinking.is_empty()).map(Value::from));
    Ok(config)
}

fn thoughts(
    asked: &Reasoning,
    max_output: Option<i64>,
    model: Model<'_>,
    lacks: &mut Lacks,
) -> Map<String, Value> {
    let mut config = Map::new();
    let off = asked.enabled == Some(false);
    let wanted = asked.effort.is_some() || asked.budget.is_some();
    match model.thinks() {
        Thinks::Never => {
            lacks.drop("reasoning", !off && (asked.enabled == Some(true) || wanted));
            return config;
        }
        Thinks::Budget { least, most, off: can } => {
            // thoughts count as output: they must leave room for the answer
            let most = max_output.map_or(most, |max| thinking::most(max).clamp(least, most));
            let too_short = can && max_output.is_some_and(|max| max <= least);
            lacks.drop("reasoning", too_short && wanted && !off);
            let tokens = match asked.budget.or(asked.effort.map(Effort::budget)) {
                _ if off => Some(if can { 0 } else { least }),
                Some(_) if too_short => Some(0),
                Some(budget) => Some(budget.clamp(least, most)),
                // as it likes
                None => asked.enabled.map(|_| -1),
            };
            config.extend(tokens.map(|tokens| ("thinkingBudget".to_owned(), tokens.into())));
        }
        Thinks::Level => {
            let effort = asked.effort.or_else(|| asked.budget.map(Effort::of_budget));
            if off || effort.is_some() {
                let level = model.level(effort.filter(|_| !off));
                config.insert("thinkingLevel".into(), level.into());
            }
        }
    }
    if asked.shown == Some(true) && !off {
        config.insert("includeThoughts".into(), true.into());
    }
    config
}
