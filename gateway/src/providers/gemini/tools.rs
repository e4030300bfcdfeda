//! Functions that the model may call, as Google declares them.

use serde_json::{Map, Value, json};

use crate::call::chat::{Tool, ToolChoice};
use crate::call::{Chat, Lacks};
use crate::error::Error;

/// Adds the tools, and which of them may be called.
pub(super) fn write(
    chat: &Chat,
    body: &mut Map<String, Value>,
    lacks: &mut Lacks,
) -> Result<(), Error> {
    for tool in &chat.hosted_tools {
        let kind = tool.get("type").and_then(Value::as_str).map(|kind| kind.chars().take(60));
        let kind = kind.map_or_else(|| "tools".to_owned(), Iterator::collect);
        lacks.refuse(&kind, true)?;
    }
    if chat.tools.is_empty() {
        return Ok(());
    }
    // who must call one tool calls it once, as a rule
    let one = match chat.tool_choice {
        Some(ToolChoice::Tool(_)) => true,
        Some(ToolChoice::Any) => chat.tools.len() == 1,
        Some(ToolChoice::Auto | ToolChoice::None) | None => false,
    };
    let one_at_a_time = chat.parallel_tools == Some(false);
    lacks.refuse("parallel_tools", one_at_a_time && !one)?;
    lacks.drop("parallel_tools", one_at_a_time);
    let declared: Vec<Value> = chat.tools.iter().map(declared).collect();
    body.insert("tools".into(), json!([{"functionDeclarations": declared}]));
    let strict = chat.tools.iter().any(|tool| tool.strict == Some(true));
    let choice = match &chat.tool_choice {
        // auto, with arguments that follow their schemas
        None | Some(ToolChoice::Auto) if strict => json!({"mode": "VALIDATED"}),
        None => return Ok(()),
        Some(ToolChoice::Auto) => json!({"mode": "AUTO"}),
        Some(ToolChoice::None) => json!({"mode": "NONE"}),
        Some(ToolChoice::Any) => json!({"mode": "ANY"}),
        Some(ToolChoice::Tool(name)) => json!({"mode": "ANY", "allowedFunctionNames": [name]}),
    };
    body.insert("toolConfig".into(), json!({"functionCallingConfig": choice}));
    Ok(())
}

fn declared(tool: &Tool) -> Value {
    let mut function = Map::new();
    function.insert("name".into(), tool.name.as_str().into());
    if let Some(description) = &tool.description {
        function.insert("description".into(), description.as_str().into());
    }
    if takes_arguments(&tool.parameters) {
        function.insert("parametersJsonSchema".into(), schema(&tool.parameters));
    }
    function.into()
}

/// A JSON Schema without the name of its dialect, which Google takes for a rule that it lacks.
pub(super) fn schema(schema: &Value) -> Value {
    let mut schema = schema.clone();
    if let Value::Object(schema) = &mut schema {
        schema.remove("$schema");
    }
    schema
}

/// Google has no object without properties: a function without arguments has no schema.
fn takes_arguments(schema: &Value) -> bool {
    let Value::Object(schema) = schema else {
        return false;
    };
    schema.iter().any(|(name, value)| match name.as_str() {
        "type" | "title" | "description" | "$schema" | "required" => false,
        "additionalProperties" => value != &Value::Bool(false),
        "properties" => value.as_object().is_none_or(|properties| !properties.is_empty()),
        _ => true,
    })
}
