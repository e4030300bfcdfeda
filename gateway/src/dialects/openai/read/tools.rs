//! Tools, and which of them must be called.

use serde_json::{Value, json};

use super::json::{At, Fields, wrong};
use super::parts;
use crate::call::chat::{Tool, ToolChoice};
use crate::call::{Chat, Own};
use crate::error::Error;

const CHOICES: &str = "none, auto, required, or an object that names a tool";

/// `tools`, `tool_choice`, `parallel_tool_calls`, and the deprecated `functions` and `function_call`.
pub(super) fn read(
    fields: &mut Fields<'_>,
    chat: &mut Chat,
    own: &mut Vec<Own>,
) -> Result<(), Error> {
    let all = At::Field(&At::Top, "tools");
    for (index, value) in fields.list("tools")?.unwrap_or_default().into_iter().enumerate() {
        tool(value, &At::Item(&all, index), chat, own)?;
    }
    let all = At::Field(&At::Top, "functions");
    for (index, value) in fields.list("functions")?.unwrap_or_default().into_iter().enumerate() {
        let at = At::Item(&all, index);
        let tool = function(Fields::of(value, &at)?, own)?;
        chat.tools.push(tool);
    }
    if let Some(choice) = fields.take("tool_choice") {
        tool_choice(choice, &At::Field(&At::Top, "tool_choice"), chat, own)?;
    }
    if let Some(choice) = fields.take("function_call") {
        let at = At::Field(&At::Top, "function_call");
        chat.tool_choice = Some(match choice {
            Value::String(choice) if choice == "none" => ToolChoice::None,
            Value::String(choice) if choice == "auto" => ToolChoice::Auto,
            Value::String(_) => return Err(wrong(&at, "none, auto, or an object with a name")),
            value => ToolChoice::Tool(Fields::of(value, &at)?.needed("name", "a function's name")?),
        });
    }
    chat.parallel_tools = fields.flag("parallel_tool_calls")?;
    Ok(())
}

fn tool(value: Value, at: &At<'_>, chat: &mut Chat, own: &mut Vec<Own>) -> Result<(), Error> {
    match value.get("type").and_then(Value::as_str) {
        Some("function") => {
            let mut fields = Fields::of(value, at)?;
            fields.take("type");
            let cache = parts::cache(&mut fields)?;
            let inner = fields.needed_value("function", "the function")?;
            fields.rest(own);
            let at = At::Field(at, "function");
            let tool = function(Fields::of(inner, &at)?, own)?;
            chat.tools.push(Tool { cache, ..tool });
        }
        // its input is text after a grammar: no other format has it
        Some("custom") => own.push(Own { name: at.to_string(), value, may_drop: false }),
        Some(_) => chat.hosted_tools.push(value),
        None => return Err(wrong(&At::Field(at, "type"), "function or custom")),
    }
    Ok(())
}

fn function(mut fields: Fields<'_>, own: &mut Vec<Own>) -> Result<Tool, Error> {
    let tool = Tool {
        name: fields.needed("name", "the function's name")?,
        description: fields.text("description")?,
        parameters: fields
            .object("parameters")?
            .map_or_else(|| json!({"type": "object", "properties": {}}), Value::Object),
        strict: fields.flag("strict")?,
        cache: None,
    };
    fields.rest(own);
    Ok(tool)
}

fn tool_choice(
    value: Value,
    at: &At<'_>,
    chat: &mut Chat,
    own: &mut Vec<Own>,
) -> Result<(), Error> {
    let choice = match &value {
        Value::String(choice) => match choice.as_str() {
            "none" => ToolChoice::None,
            "auto" => ToolChoice::Auto,
            "required" => ToolChoice::Any,
            _ => return Err(wrong(at, CHOICES)),
        },
        _ => match value.get("type").and_then(Value::as_str) {
            Some("function") => ToolChoice::Tool(named(value, at)?),
            Some("allowed_tools") => return allowed(value, at, chat),
            Some("custom") => {
                own.push(Own { name: at.to_string(), value, may_drop: false });
                return Ok(());
            }
            _ => return Err(wrong(at, CHOICES)),
        },
    };
    chat.tool_choice = Some(choice);
    Ok(())
}

fn named(value: Value, at: &At<'_>) -> Result<String, Error> {
    let mut fields = Fields::of(value, at)?;
    let inner = fields.needed_value("function", "the function")?;
    Fields::of(inner, &At::Field(at, "function"))?.needed("name", "the function's name")
}

/// Of all tools only these may be called: so the others are left out.
fn allowed(value: Value, at: &At<'_>, chat: &mut Chat) -> Result<(), Error> {
    let mut fields = Fields::of(value, at)?;
    let inner = fields.needed_value("allowed_tools", "the tools and the mode")?;
    let at = At::Field(at, "allowed_tools");
    let mut fields = Fields::of(inner, &at)?;
    let mode = fields.one_of("mode", &["auto", "required"])?;
    let tools = fields.list("tools")?.unwrap_or_default();
    let all = At::Field(&at, "tools");
    let mut names = Vec::with_capacity(tools.len());
    for (index, tool) in tools.into_iter().enumerate() {
        names.push(named(tool, &At::Item(&all, index))?);
    }
    if let Some(index) =
        names.iter().position(|name| !chat.tools.iter().any(|tool| tool.name == *name))
    {
        return Err(wrong(&At::Item(&all, index), "one of tools"));
    }
    chat.tools.retain(|tool| names.contains(&tool.name));
    let must = mode.as_deref() == Some("required");
    chat.tool_choice = Some(if must { ToolChoice::Any } else { ToolChoice::Auto });
    Ok(())
}
