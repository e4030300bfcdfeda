//! What a chat asks for.

use serde_json::{Value, json};

use super::content::cache;
use super::messages::messages;
use super::object::{Object, missing, wrong};
use super::parse;
use super::settings::settings;
use crate::call::chat::{Format, Tool, ToolChoice};
use crate::call::{Call, Chat, Own};
use crate::error::Error;

/// Reads a chat.
pub(super) fn chat(call: &Call) -> Result<Chat, Error> {
    let mut input = parse::input(call)?;
    let mut chat = Chat { max_output: call.max_output.filter(|_| !call.capped), ..Chat::default() };
    messages(&mut input, &mut chat)?;
    chat.tools = tools(&mut input)?;
    chat.tool_choice = tool_choice(&mut input)?;
    chat.format = format(&mut input)?;
    if let Some(options) = input.object("modelOptions")? {
        settings(options, &mut chat)?;
    }
    file_type(&mut input)?;
    chat.own.extend(own(input));
    Ok(chat)
}

/// How files of the answer shall be given; checked, as the client takes what there is.
pub(super) fn file_type(input: &mut Object) -> Result<(), Error> {
    match input.text("outputFileType")?.as_deref() {
        None | Some("local" | "file" | "url") => Ok(()),
        Some(_) => Err(wrong(&input.path("outputFileType"), "local, file or url")),
    }
}

/// What is not documented can't be told to another format.
pub(super) fn own(rest: Object) -> impl Iterator<Item = Own> {
    rest.rest().map(|(name, value)| Own { name, value, may_drop: false })
}

fn tools(input: &mut Object) -> Result<Vec<Tool>, Error> {
    let items = input.list("tools")?.unwrap_or_default();
    items.into_iter().map(|(path, item)| tool(Object::of(path, item)?)).collect()
}

fn tool(mut tool: Object) -> Result<Tool, Error> {
    if tool.needed("type")? != "function" {
        return Err(wrong(&tool.path("type"), "function"));
    }
    let cache = cache(&mut tool)?;
    let path = tool.path("function");
    let mut function = tool.object("function")?.ok_or_else(|| missing(&path, "an object"))?;
    let parameters = match function.take("parameters") {
        None => json!({"type": "object", "properties": {}}),
        Some(parameters @ Value::Object(_)) => parameters,
        Some(_) => return Err(wrong(&function.path("parameters"), "a JSON Schema")),
    };
    Ok(Tool {
        name: function.needed("name")?,
        description: function.text("description")?,
        parameters,
        strict: None,
        cache,
    })
}

fn tool_choice(input: &mut Object) -> Result<Option<ToolChoice>, Error> {
    let path = input.path("toolChoice");
    Ok(Some(match input.take("toolChoice") {
        None => return Ok(None),
        Some(Value::String(choice)) => match choice.as_str() {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            "required" => ToolChoice::Any,
            _ => return Err(wrong(&path, "auto, none, required or a function")),
        },
        Some(choice) => {
            let mut choice = Object::of(path, choice)?;
            let path = choice.path("function");
            let function = choice.object("function")?;
            ToolChoice::Tool(function.ok_or_else(|| missing(&path, "an object"))?.needed("name")?)
        }
    }))
}

fn format(input: &mut Object) -> Result<Format, Error> {
    let Some(mut format) = input.object("responseFormat")? else {
        return Ok(Format::Text);
    };
    match format.needed("type")?.as_str() {
        "text" => Ok(Format::Text),
        "json_schema" => {
            let path = format.path("jsonSchema");
            let mut of = format.object("jsonSchema")?.ok_or_else(|| missing(&path, "an object"))?;
            let path = of.path("schema");
            let schema = of.take("schema").ok_or_else(|| missing(&path, "a JSON Schema"))?;
            if !schema.is_object() {
                return Err(wrong(&path, "a JSON Schema"));
            }
            Ok(Format::Schema {
                name: of.needed("name")?,
                description: of.text("description")?,
                schema,
                strict: of.flag("strict")?,
            })
        }
        _ => Err(wrong(&format.path("type"), "text or json_schema")),
    }
}
