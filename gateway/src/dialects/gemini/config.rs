//! `generationConfig`: how the answer is to be made.

use serde_json::Value;

use super::object::{At, Object, wrong};
use super::schema;
use crate::call::chat::{Effort, Format, Modality, Reasoning};
use crate::call::{Call, Chat};
use crate::error::Error;

/// The most output tokens per choice, and how many choices.
pub(super) fn bounds(call: &Call) -> Result<(Option<i64>, Option<i64>), Error> {
    let names = ["generationConfig", "generation_config"];
    let said = |name: &&str| call.field(name).is_some_and(|value| value != b"null");
    let Some(name) = names.into_iter().find(said) else {
        return Ok((None, None));
    };
    let value: Value = serde_json::from_slice(call.field(name).unwrap_or_default())
        .map_err(|_| wrong(name, "an object that can be read"))?;
    let mut config = At { at: name.into(), value: &value }.object()?;
    Ok((config.whole("maxOutputTokens", 1)?, config.whole("candidateCount", 1)?))
}

/// Reads it into the chat.
pub(super) fn read(root: &mut Object<'_>, chat: &mut Chat) -> Result<(), Error> {
    let Some(mut config) = root.object("generationConfig")? else {
        return Ok(());
    };
    let sampling = &mut chat.sampling;
    sampling.temperature = config.number("temperature")?;
    sampling.top_p = config.number("topP")?;
    sampling.top_k = config.whole("topK", 0)?;
    sampling.frequency_penalty = config.number("frequencyPenalty")?;
    sampling.presence_penalty = config.number("presencePenalty")?;
    sampling.seed = config.whole("seed", i64::MIN)?;
    let wanted = config.flag("responseLogprobs")?;
    let top = config.whole("logprobs", 0)?;
    sampling.logprobs = (wanted == Some(true)).then(|| top.unwrap_or(0));
    chat.choices = config.whole("candidateCount", 1)?;
    chat.max_output = config.whole("maxOutputTokens", 1)?;
    for stop in config.list("stopSequences")? {
        chat.stop.push(stop.text()?.to_owned());
    }
    for modality in config.list("responseModalities")? {
        chat.modalities.push(match modality.text()?.to_ascii_uppercase().as_str() {
            "TEXT" => Modality::Text,
            "IMAGE" => Modality::Image,
            "AUDIO" => Modality::Audio,
            _ => return Err(wrong(&modality.at, "TEXT, IMAGE or AUDIO")),
        });
    }
    chat.format = format(&mut config)?;
    chat.reasoning = config.object("thinkingConfig")?.map(thinking).transpose()?;
    // how finely images are looked at is what OpenAI calls their detail
    config.left(&mut chat.own, &["mediaResolution", "enableEnhancedCivicAnswers"]);
    Ok(())
}

fn format(config: &mut Object<'_>) -> Result<Format, Error> {
    let kind = config.any("responseMimeType");
    let said = kind.as_ref().map_or(Ok(""), At::text)?;
    let documented = config.any("responseSchema").map(schema::read).transpose()?;
    let schema = config.any("responseJsonSchema");
    if let Some(schema) = schema.as_ref().filter(|schema| !schema.value.is_object()) {
        return Err(wrong(&schema.at, "a JSON Schema"));
    }
    let schema = schema.map(|schema| schema.value.clone()).or(documented);
    match (said, schema, kind) {
        ("" | "text/plain", None, _) => Ok(Format::Text),
        ("application/json", None, _) => Ok(Format::Json),
        ("" | "application/json", Some(schema), _) => Ok(Format::Schema {
            name: "response".into(),
            description: None,
            schema,
            strict: Some(true),
        }),
        (.., Some(kind)) => Err(wrong(&kind.at, "application/json with a schema, else text/plain")),
        (.., None) => Ok(Format::Text),
    }
}

fn thinking(mut config: Object<'_>) -> Result<Reasoning, Error> {
    let mut asked = Reasoning { shown: config.flag("includeThoughts")?, ..Reasoning::default() };
    match config.whole("thinkingBudget", -1)? {
        Some(0) => asked.enabled = Some(false),
        Some(-1) => asked.enabled = Some(true),
        budget => asked.budget = budget,
    }
    if let Some(level) = config.any("thinkingLevel") {
        let level_of = |text: &str| match text {
            "MINIMAL" => Some(Effort::Minimal),
            "LOW" => Some(Effort::Low),
            "MEDIUM" => Some(Effort::Medium),
            "HIGH" => Some(Effort::High),
            "XHIGH" => Some(Effort::ExtraHigh),
            _ => None,
        };
        let text = level.text()?.to_ascii_uppercase();
        asked.effort = level_of(&text);
        if asked.effort.is_none() && text != "THINKING_LEVEL_UNSPECIFIED" {
            return Err(wrong(&level.at, "MINIMAL, LOW, MEDIUM, HIGH or XHIGH"));
        }
    }
    Ok(asked)
}
