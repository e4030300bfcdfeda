//! Tools, and which of them must be called.

use serde_json::{Value, json};

use super::fields::{Fields, Place};
use super::options::cache;
use crate::call::Own;
use crate::call::chat::{Chat, Tool, ToolChoice};
use crate::error::Error;

/// Fields of a function that no other format has, and whether the answer means the same without.
const OWN: [(&str, bool); 4] = [
    ("allowed_callers", false),
    ("defer_loading", true),
    ("eager_input_streaming", true),
    ("input_examples", true),
];

/// Reads `tools` and `tool_choice`.
pub(super) fn tools(
    fields: &mut Fields<'_>,
    chat: &mut Chat,
    own: &mut Vec<Own>,
) -> Result<(), Error> {
    let place = fields.at("tools");
    for (at, tool) in fields.list("tools")?.into_iter().enumerate() {
        let place = Place::Item(&place, at);
        match tool.get("type").filter(|kind| !kind.is_null()) {
            None => chat.tools.push(function(&place, tool, own)?),
            Some(Value::String(kind)) if kind == "custom" => {
                chat.tools.push(function(&place, tool, own)?);
            }
            // the vendor runs them, or knows what they are like
            Some(Value::String(_)) => chat.hosted_tools.push(tool),
            Some(_) => return Err(Place::Field(&place, "type").must("a string")),
        }
    }
    if let Some(choice) = fields.take("tool_choice") {
        read_choice(&fields.at("tool_choice"), choice, chat, own)?;
    }
    Ok(())
}

fn function(place: &Place<'_>, tool: Value, own: &mut Vec<Own>) -> Result<Tool, Error> {
    let mut fields = Fields::of(place, tool)?;
    fields.take("type");
    let schema = fields.take("input_schema");
    let schema = schema.unwrap_or_else(|| json!({"type": "object", "properties": {}}));
    if !schema.is_object() {
        return Err(fields.at("input_schema").must("a JSON schema"));
    }
    let tool = Tool {
        name: fields.need_text("name")?,
        description: fields.text("description")?,
        parameters: schema,
        strict: fields.flag("strict")?,
        cache: cache(&mut fields)?,
    };
    fields.own(&OWN, own);
    fields.rest(own);
    Ok(tool)
}

fn read_choice(
    place: &Place<'_>,
    choice: Value,
    chat: &mut Chat,
    own: &mut Vec<Own>,
) -> Result<(), Error> {
    let mut fields = Fields::of(place, choice)?;
    chat.tool_choice = Some(match fields.need_text("type")?.as_str() {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Any,
        "none" => ToolChoice::None,
        "tool" => ToolChoice::Tool(fields.need_text("name")?),
        _ => return Err(fields.at("type").must("auto, any, tool or none")),
    });
    chat.parallel_tools = fields.flag("disable_parallel_tool_use")?.map(|single| !single);
    fields.rest(own);
    Ok(())
}
