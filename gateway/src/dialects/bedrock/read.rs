//! What a request asks for.

use serde_json::{Map, Value};

use super::blocks::{Blocks, cache_mark};
use super::more;
use super::node::{Node, Place};
use crate::call::Call;
use crate::call::chat::{Chat, Effort, Format, Own, Part, Reasoning, Tool, ToolChoice};
use crate::error::{Error, Kind};

/// Members that no other format has, and whether the answer means the same without them.
const OWN: [(&str, bool); 5] = [
    ("guardrailConfig", false),
    ("promptVariables", false),
    ("additionalModelResponseFieldPaths", false),
    ("performanceConfig", true),
    ("projectIdentifier", true),
];

/// The chat.
pub(super) fn chat(call: &Call) -> Result<Chat, Error> {
    let body: Map<String, Value> = serde_json::from_slice(&call.body)
        .map_err(|_| Error::new(Kind::MalformedBody, "the request body must be a JSON object"))?;
    if body.get("messages").is_none_or(Value::is_null) {
        let message = "messages is missing: an array of messages";
        return Err(Error::new(Kind::MissingField, message).at("messages"));
    }
    let mut chat = Chat::default();
    for (name, value) in body.iter().filter(|(_, value)| !value.is_null()) {
        let place = Place::Top(name);
        let node = Node::new(value, &place);
        match name.as_str() {
            "system" => system(node, &mut chat)?,
            "messages" => node.each(|node| Blocks::message(node, &mut chat))?,
            "inferenceConfig" => inference(node, &mut chat)?,
            "toolConfig" => tools(node, &mut chat)?,
            "outputConfig" => output(node, &mut chat)?,
            "requestMetadata" => node.members(|name, node| {
                chat.metadata.insert(name.to_owned(), node.text()?.into());
                Ok(())
            })?,
            "serviceTier" => {
                node.only(&["type"])?;
                chat.service_tier = Some(node.need("type", |node| Ok(node.text()?.to_owned()))?);
            }
            "additionalModelRequestFields" => more::read(node, &mut chat)?,
            other => {
                let may_drop = OWN.iter().any(|(known, may_drop)| *known == other && *may_drop);
                chat.own.push(Own { name: name.clone(), value: value.clone(), may_drop });
            }
        }
    }
    Ok(chat)
}

fn system(node: Node<'_>, chat: &mut Chat) -> Result<(), Error> {
    node.each(|node| {
        node.union(|name, node| match name {
            "text" => {
                chat.system.push(Part::text(node.text()?));
                Ok(())
            }
            "cachePoint" => cache_mark(node, chat.system.last_mut().map(|part| &mut part.cache)),
            _ => Err(node.unsaid()),
        })
    })
}

fn inference(node: Node<'_>, chat: &mut Chat) -> Result<(), Error> {
    node.members(|name, node| {
        match name {
            "maxTokens" => chat.max_output = Some(node.whole(1)?),
            "temperature" => chat.sampling.temperature = Some(node.number(1.0)?),
            "topP" => chat.sampling.top_p = Some(node.number(1.0)?),
            "stopSequences" => node.each(|node| {
                chat.stop.push(node.text()?.to_owned());
                Ok(())
            })?,
            _ => return Err(node.unsaid()),
        }
        Ok(())
    })
}

fn tools(node: Node<'_>, chat: &mut Chat) -> Result<(), Error> {
    node.only(&["tools", "toolChoice"])?;
    node.need("tools", |node| {
        node.each(|node| {
            node.union(|name, node| match name {
                "toolSpec" => {
                    chat.tools.push(tool(node)?);
                    Ok(())
                }
                "cachePoint" => cache_mark(node, chat.tools.last_mut().map(|tool| &mut tool.cache)),
                // the vendor runs it itself
                "systemTool" => {
                    chat.hosted_tools.push(serde_json::json!({"systemTool": node.value}));
                    Ok(())
                }
                _ => Err(node.unsaid()),
            })
        })
    })?;
    chat.tool_choice = node.may("toolChoice", |node| {
        node.union(|name, node| match name {
            "auto" => Ok(ToolChoice::Auto),
            "any" => Ok(ToolChoice::Any),
            "tool" => node.need("name", |node| Ok(ToolChoice::Tool(node.text()?.to_owned()))),
            _ => Err(node.wrong("auto, any or tool")),
        })
    })?;
    Ok(())
}

fn tool(node: Node<'_>) -> Result<Tool, Error> {
    node.only(&["name", "description", "inputSchema", "strict"])?;
    Ok(Tool {
        name: node.need("name", |node| Ok(node.text()?.to_owned()))?,
        description: node.may("description", |node| Ok(node.text()?.to_owned()))?,
        parameters: node.need("inputSchema", |node| {
            node.need("json", |node| node.object().map(|schema| Value::from(schema.clone())))
        })?,
        strict: node.may("strict", |node| node.flag())?,
        cache: None,
    })
}

fn output(node: Node<'_>, chat: &mut Chat) -> Result<(), Error> {
    node.only(&["textFormat", "effort"])?;
    if let Some(effort) = node.may("effort", effort)? {
        chat.reasoning.get_or_insert_with(Reasoning::default).effort = Some(effort);
    }
    let format = node.may("textFormat", |node| {
        node.only(&["type", "structure"])?;
        node.need("type", |node| match node.text()? {
            "json_schema" => Ok(()),
            _ => Err(node.wrong("json_schema")),
        })?;
        node.need("structure", |node| node.need("jsonSchema", schema))
    })?;
    chat.format = format.unwrap_or_default();
    Ok(())
}

/// An effort in words.
pub(super) fn effort(node: Node<'_>) -> Result<Effort, Error> {
    let known = "low, medium, high, xhigh or max";
    Effort::named(node.text()?).ok_or_else(|| node.wrong(known))
}

/// The schema is a text in `Converse`.
fn schema(node: Node<'_>) -> Result<Format, Error> {
    node.only(&["schema", "name", "description"])?;
    let name = node.may("name", |node| Ok(node.text()?.to_owned()))?;
    Ok(Format::Schema {
        name: name.unwrap_or_else(|| "answer".to_owned()),
        description: node.may("description", |node| Ok(node.text()?.to_owned()))?,
        schema: node.need("schema", |node| {
            let schema = serde_json::from_str::<Value>(node.text()?).ok();
            let schema = schema.filter(Value::is_object);
            schema.ok_or_else(|| node.wrong("the text of a JSON Schema"))
        })?,
        strict: None,
    })
}
