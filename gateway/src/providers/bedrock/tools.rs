//! Tools, and which of them may be called.

use serde_json::{Map, Value, json};

use super::blocks::cache_point;
use super::family::Family;
use crate::call::Lacks;
use crate::call::chat::{Chat, Content, Tool, ToolChoice};
use crate::error::Error;

/// Adds the tools. There is no choice `none` in `Converse`, and a conversation with calls in it must
/// come with tools: Claude is told in its own words.
pub(super) fn write(
    chat: &Chat,
    family: Family,
    lacks: &mut Lacks,
    body: &mut Map<String, Value>,
    more: &mut Map<String, Value>,
) -> Result<(), Error> {
    let one_at_a_time = chat.parallel_tools == Some(false) && !chat.tools.is_empty();
    lacks.refuse("parallel_tools", one_at_a_time && !family.is_claude())?;
    lacks.drop("parallel_tools", chat.parallel_tools == Some(true));
    let forbidden = chat.tools.is_empty() || chat.tool_choice == Some(ToolChoice::None);
    let known = called(chat);
    if forbidden && known.is_empty() {
        return Ok(());
    }
    let mut tools = Vec::new();
    for tool in &chat.tools {
        tools.push(json!({"toolSpec": spec(tool)}));
        match tool.cache {
            Some(mark) if family.caches().1 => tools.push(cache_point(family, mark)),
            mark => lacks.drop("cache_control", mark.is_some()),
        }
    }
    if tools.is_empty() {
        let stub = |name: &str| json!({"name": name, "inputSchema": {"json": {"type": "object"}}});
        tools.extend(known.iter().map(|name| json!({"toolSpec": stub(name)})));
    }
    let mut config = Map::new();
    config.insert("tools".into(), tools.into());
    if forbidden {
        lacks.refuse("tool_choice none", chat.tool_choice.is_some() && !family.is_claude())?;
        if family.is_claude() {
            more.insert("tool_choice".into(), json!({"type": "none"}));
        }
    } else if one_at_a_time {
        let mut choice = match &chat.tool_choice {
            Some(ToolChoice::Any) => json!({"type": "any"}),
            Some(ToolChoice::Tool(name)) => json!({"type": "tool", "name": name}),
            Some(ToolChoice::Auto | ToolChoice::None) | None => json!({"type": "auto"}),
        };
        if let Some(choice) = choice.as_object_mut() {
            choice.insert("disable_parallel_tool_use".into(), true.into());
        }
        more.insert("tool_choice".into(), choice);
    } else {
        let choice = match &chat.tool_choice {
            Some(ToolChoice::Auto) => Some(json!({"auto": {}})),
            Some(ToolChoice::Any) => Some(json!({"any": {}})),
            Some(ToolChoice::Tool(name)) => Some(json!({"tool": {"name": name}})),
            Some(ToolChoice::None) | None => None,
        };
        config.extend(choice.map(|choice| ("toolChoice".into(), choice)));
    }
    body.insert("toolConfig".into(), config.into());
    Ok(())
}

fn spec(tool: &Tool) -> Value {
    let mut spec = Map::new();
    spec.insert("name".into(), tool.name.as_str().into());
    let description = tool.description.as_deref().filter(|text| !text.is_empty());
    spec.extend(description.map(|text| ("description".into(), text.into())));
    spec.insert("inputSchema".into(), json!({"json": tool.parameters}));
    // what is not strict is the default, and not all models know the field
    spec.extend(
        tool.strict.filter(|strict| *strict).map(|strict| ("strict".into(), strict.into())),
    );
    spec.into()
}

/// The names of tools that were called, each once.
fn called(chat: &Chat) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for part in chat.messages.iter().flat_map(|message| &message.parts) {
        let name = match &part.content {
            Content::ToolCall { name, .. } => name.as_str(),
            Content::ToolResult { name, .. } => name.as_deref().unwrap_or("tool"),
            _ => continue,
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}
