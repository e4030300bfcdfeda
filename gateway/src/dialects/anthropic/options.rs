//! How the answer is wanted: thinking, effort, shape, and marks of the prompt cache.

use serde_json::Value;

use super::fields::{Fields, Place};
use crate::call::Own;
use crate::call::chat::{CacheMark, Chat, Effort, Format, Reasoning};
use crate::error::Error;

/// Reads `thinking`, `output_config`, `output_format` and `metadata`.
pub(super) fn options(
    fields: &mut Fields<'_>,
    chat: &mut Chat,
    own: &mut Vec<Own>,
) -> Result<(), Error> {
    let mut reasoning = Reasoning::default();
    if let Some(thinking) = fields.take("thinking") {
        read_thinking(&fields.at("thinking"), thinking, &mut reasoning, own)?;
    }
    if let Some(config) = fields.take("output_config") {
        let place = fields.at("output_config");
        let mut config = Fields::of(&place, config)?;
        if let Some(effort) = config.text("effort")? {
            let known = Effort::named(&effort).filter(|effort| *effort != Effort::Minimal);
            let must = || config.at("effort").must("low, medium, high, xhigh or max");
            reasoning.effort = Some(known.ok_or_else(must)?);
        }
        if let Some(format) = config.take("format") {
            chat.format = read_format(&config.at("format"), format, own)?;
        }
        config.rest(own);
    }
    // its name while it was a beta
    if let Some(format) = fields.take("output_format") {
        chat.format = read_format(&fields.at("output_format"), format, own)?;
    }
    if reasoning != Reasoning::default() {
        chat.reasoning = Some(reasoning);
    }
    if let Some(metadata) = fields.take("metadata") {
        let place = fields.at("metadata");
        let mut metadata = Fields::of(&place, metadata)?;
        chat.user = metadata.text("user_id")?;
        metadata.rest(own);
    }
    Ok(())
}

fn read_thinking(
    place: &Place<'_>,
    thinking: Value,
    reasoning: &mut Reasoning,
    own: &mut Vec<Own>,
) -> Result<(), Error> {
    let mut fields = Fields::of(place, thinking)?;
    match fields.need_text("type")?.as_str() {
        "enabled" => {
            let budget = fields.whole("budget_tokens")?;
            let least = budget.filter(|budget| *budget >= 1024);
            let must = || fields.at("budget_tokens").must("a whole number of at least 1024");
            reasoning.budget = Some(least.ok_or_else(must)?);
            reasoning.enabled = Some(true);
            // who asks for a budget is shown the thoughts, unless he says otherwise
            reasoning.shown = Some(true);
        }
        "adaptive" => reasoning.enabled = Some(true),
        // the least that some models can be told; others can be told not to think at all
        "disabled" | "between_tools" => reasoning.enabled = Some(false),
        _ => {
            let kinds = "enabled, adaptive, disabled or between_tools";
            return Err(fields.at("type").must(kinds));
        }
    }
    reasoning.shown = match fields.text("display")?.as_deref() {
        None => reasoning.shown,
        Some("summarized") => Some(true),
        Some("omitted") => Some(false),
        Some(_) => return Err(fields.at("display").must("summarized or omitted")),
    };
    fields.rest(own);
    Ok(())
}

fn read_format(place: &Place<'_>, format: Value, own: &mut Vec<Own>) -> Result<Format, Error> {
    let mut fields = Fields::of(place, format)?;
    if fields.need_text("type")? != "json_schema" {
        return Err(fields.at("type").must("json_schema"));
    }
    let schema = fields.need("schema", "a JSON schema")?;
    if !schema.is_object() {
        return Err(fields.at("schema").must("an object"));
    }
    fields.rest(own);
    // other vendors want a name, this one has none
    Ok(Format::Schema { name: "answer".into(), description: None, schema, strict: Some(true) })
}

/// Reads `cache_control`.
pub(super) fn cache(fields: &mut Fields<'_>) -> Result<Option<CacheMark>, Error> {
    let Some(value) = fields.take("cache_control") else {
        return Ok(None);
    };
    let place = fields.at("cache_control");
    let mut mark = Fields::of(&place, value)?;
    if mark.need_text("type")? != "ephemeral" {
        return Err(mark.at("type").must("ephemeral"));
    }
    match mark.text("ttl")?.as_deref() {
        None | Some("5m") => Ok(Some(CacheMark::Short)),
        Some("1h") => Ok(Some(CacheMark::Long)),
        Some(_) => Err(mark.at("ttl").must("5m or 1h")),
    }
}
