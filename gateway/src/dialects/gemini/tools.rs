//! Tools, and which of them may be called.

use serde_json::json;

use super::object::{At, Object, wrong};
use super::schema;
use crate::call::Chat;
use crate::call::chat::{Tool, ToolChoice};
use crate::error::Error;

/// Reads them into the chat.
pub(super) fn read(root: &mut Object<'_>, chat: &mut Chat) -> Result<(), Error> {
    for tools in root.list("tools")? {
        let value = tools.value;
        let mut tools = tools.object()?;
        for function in tools.list("functionDeclarations")? {
            let tool = declared(function.object()?, chat)?;
            chat.tools.push(tool);
        }
        // all others are Google's to run
        let mut hosted = Vec::new();
        tools.left(&mut hosted, &[]);
        for own in hosted {
            let name = own.name.rsplit('.').next().unwrap_or_default();
            let setting = value.get(name).cloned().unwrap_or_default();
            chat.hosted_tools.push(json!({"type": name, name: setting}));
        }
    }
    if let Some(mut config) = root.object("toolConfig")? {
        if let Some(calling) = config.object("functionCallingConfig")? {
            choice(calling, chat)?;
        }
        config.left(&mut chat.own, &["includeServerSideToolInvocations"]);
    }
    Ok(())
}

fn declared(mut function: Object<'_>, chat: &mut Chat) -> Result<Tool, Error> {
    let name = function.text("name")?.filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| wrong(&function.path("name"), "the function's name"))?;
    let description = function.text("description")?.map(str::to_owned);
    let documented = function.any("parameters").map(schema::read).transpose()?;
    let given = function.any("parametersJsonSchema");
    if let Some(given) = given.as_ref().filter(|given| !given.value.is_object()) {
        return Err(wrong(&given.at, "a JSON Schema"));
    }
    let empty = || json!({"type": "object", "properties": {}});
    let parameters = given.map(|given| given.value.clone()).or(documented);
    // what it will give back is for the model to know, no rule
    function.left(&mut chat.own, &["response", "responseJsonSchema"]);
    Ok(Tool {
        name: name.to_owned(),
        description,
        parameters: parameters.unwrap_or_else(empty),
        strict: None,
        cache: None,
    })
}

fn choice(mut calling: Object<'_>, chat: &mut Chat) -> Result<(), Error> {
    let mut allowed: Vec<&str> = Vec::new();
    for name in calling.list("allowedFunctionNames")? {
        allowed.push(name.text()?);
    }
    let mode = calling.any("mode");
    let said = mode.as_ref().map_or(Ok(""), At::text)?.to_ascii_uppercase();
    match (said.as_str(), allowed.as_slice(), mode) {
        ("" | "MODE_UNSPECIFIED", ..) => {}
        ("AUTO", ..) => chat.tool_choice = Some(ToolChoice::Auto),
        ("NONE", ..) => chat.tool_choice = Some(ToolChoice::None),
        ("ANY", [only], _) => chat.tool_choice = Some(ToolChoice::Tool((*only).to_owned())),
        ("ANY", ..) => chat.tool_choice = Some(ToolChoice::Any),
        // as it likes, but after the schemas
        ("VALIDATED", ..) => {
            chat.tool_choice = Some(ToolChoice::Auto);
            chat.tools.iter_mut().for_each(|tool| tool.strict = Some(true));
        }
        (.., Some(mode)) => return Err(wrong(&mode.at, "AUTO, ANY, NONE or VALIDATED")),
        (.., None) => {}
    }
    // of several only these may be called: the others need not be told
    let narrows = matches!(said.as_str(), "ANY" | "VALIDATED") && !allowed.is_empty();
    if narrows && !matches!(chat.tool_choice, Some(ToolChoice::Tool(_))) {
        chat.tools.retain(|tool| allowed.contains(&tool.name.as_str()));
    }
    calling.left(&mut chat.own, &["streamFunctionCallArguments"]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn hosted_tools_are_named_by_their_type() {
        let body: Value = json!({"tools": [{"googleSearch": {}}, {"url_context": {}}]});
        let mut root = At { at: String::new(), value: &body }.object().unwrap();
        let mut chat = Chat::default();
        read(&mut root, &mut chat).unwrap();
        let kinds: Vec<_> = chat.hosted_tools.iter().map(|tool| tool["type"].clone()).collect();
        assert_eq!(kinds, ["googleSearch", "url_context"]);
    }
}
