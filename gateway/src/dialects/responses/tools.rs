//! Tools, and which of them may be called.

use serde_json::{Value, json};

use super::node::Node;
use crate::call::chat::{Tool, ToolChoice};
use crate::call::{Chat, Own};
use crate::error::Error;

/// Settings of a function that only responses have, and whether it is the same without them.
const OF_FUNCTIONS: [(&str, bool); 4] = [
    ("output_schema", true),
    ("defer_loading", true),
    ("allowed_callers", false),
    ("async", false),
];

/// Reads `tools`.
pub(super) fn tools(chat: &mut Chat, list: &Node<'_>) -> Result<(), Error> {
    for tool in list.list()? {
        if tool.need_text("type")? != "function" {
            chat.hosted_tools.push(tool.value.clone());
            continue;
        }
        for (name, may_drop) in OF_FUNCTIONS {
            if let Some(more) = tool.get(name).filter(|more| more.value != &Value::Bool(false)) {
                chat.own.push(Own { name: more.at, value: more.value.clone(), may_drop });
            }
        }
        let parameters = match tool.get("parameters") {
            Some(parameters) => {
                parameters.object()?;
                parameters.value.clone()
            }
            None => json!({"type": "object", "properties": {}}),
        };
        chat.tools.push(Tool {
            name: tool.need_text("name")?.to_owned(),
            description: tool.get_text("description")?.map(str::to_owned),
            parameters,
            strict: tool.get("strict").map(|strict| strict.flag()).transpose()?,
            cache: None,
        });
    }
    Ok(())
}

/// Reads `tool_choice`, after the tools. Of allowed tools the others are left out: they can't be
/// called then, which is what is asked.
pub(super) fn choice(chat: &mut Chat, choice: &Node<'_>) -> Result<(), Error> {
    let wanted = "none, auto, required or an object";
    if choice.value.is_string() {
        chat.tool_choice = Some(mode(choice, wanted)?);
        return Ok(());
    }
    if !choice.value.is_object() {
        return Err(choice.wrong(wanted));
    }
    match choice.need_text("type")? {
        "function" => {
            chat.tool_choice = Some(ToolChoice::Tool(choice.need_text("name")?.to_owned()));
        }
        "allowed_tools" => {
            let allowed: Vec<Node<'_>> =
                choice.need("tools", "an array of tools")?.list()?.collect();
            let is = |tool: &Node<'_>, field: &str, value: &str| {
                tool.value.get(field).and_then(Value::as_str) == Some(value)
            };
            chat.tools.retain(|tool| {
                allowed.iter().any(|one| is(one, "type", "function") && is(one, "name", &tool.name))
            });
            chat.hosted_tools.retain(|tool| allowed.iter().any(|one| same(one.value, tool)));
            chat.tool_choice =
                Some(mode(&choice.need("mode", "auto or required")?, "auto or required")?);
        }
        // one of the vendor's own tools must be called
        _ => chat.own.push(Own {
            name: choice.at.clone(),
            value: choice.value.clone(),
            may_drop: false,
        }),
    }
    Ok(())
}

fn mode(node: &Node<'_>, wanted: &str) -> Result<ToolChoice, Error> {
    match node.text()? {
        "none" => Ok(ToolChoice::None),
        "auto" => Ok(ToolChoice::Auto),
        "required" => Ok(ToolChoice::Any),
        _ => Err(node.wrong(wanted)),
    }
}

/// Whether what is allowed is this tool: what it says of it is so.
fn same(allowed: &Value, tool: &Value) -> bool {
    let Some(allowed) = allowed.as_object() else {
        return false;
    };
    allowed.iter().all(|(name, value)| tool.get(name) == Some(value))
}
