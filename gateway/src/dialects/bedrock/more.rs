//! `additionalModelRequestFields`: what the models' makers call what other formats have too.

use serde_json::Value;

use super::node::Node;
use super::read::effort;
use crate::call::chat::{Chat, Effort, Own, Reasoning, ToolChoice};
use crate::error::Error;

/// Reads what is known; the rest stays the client's own.
pub(super) fn read(node: Node<'_>, chat: &mut Chat) -> Result<(), Error> {
    node.members(|name, node| {
        match name {
            "top_k" | "k" => chat.sampling.top_k = Some(node.whole(1)?),
            "thinking" => thinking(node, chat)?,
            "reasoning_effort" => reasoning(chat).effort = Some(effort(node)?),
            "output_config" => {
                node.only(&["effort"])?;
                if let Some(effort) = node.may("effort", effort)? {
                    reasoning(chat).effort = Some(effort);
                }
            }
            "reasoningConfig" => nova(node, chat)?,
            "inferenceConfig" => {
                node.only(&["topK"])?;
                chat.sampling.top_k = node.may("topK", |node| node.whole(1))?;
            }
            "tool_choice" => choice(node, chat)?,
            _ => {
                let (name, value) = (node.place(), node.value.clone());
                chat.own.push(Own { name, value, may_drop: false });
            }
        }
        Ok(())
    })
}

fn reasoning(chat: &mut Chat) -> &mut Reasoning {
    chat.reasoning.get_or_insert_with(Reasoning::default)
}

/// Claude's.
fn thinking(node: Node<'_>, chat: &mut Chat) -> Result<(), Error> {
    node.only(&["type", "budget_tokens", "display"])?;
    // who asks for a budget is shown the thoughts, unless he says otherwise
    let (enabled, shows) = node.need("type", |node| match node.text()? {
        "enabled" => Ok((true, Some(true))),
        "adaptive" => Ok((true, None)),
        "disabled" => Ok((false, None)),
        _ => Err(node.wrong("enabled, adaptive or disabled")),
    })?;
    let budget = node.may("budget_tokens", |node| node.whole(1))?;
    let shown = node.may("display", |node| match node.text()? {
        "summarized" => Ok(true),
        "omitted" => Ok(false),
        _ => Err(node.wrong("summarized or omitted")),
    })?;
    let reasoning = reasoning(chat);
    (reasoning.enabled, reasoning.budget) = (Some(enabled), budget);
    reasoning.shown = shown.or(shows);
    Ok(())
}

/// Nova's.
fn nova(node: Node<'_>, chat: &mut Chat) -> Result<(), Error> {
    node.only(&["type", "maxReasoningEffort"])?;
    let enabled = node.need("type", |node| match node.text()? {
        "enabled" => Ok(true),
        "disabled" => Ok(false),
        _ => Err(node.wrong("enabled or disabled")),
    })?;
    let effort: Option<Effort> = node.may("maxReasoningEffort", effort)?;
    let reasoning = reasoning(chat);
    reasoning.enabled = Some(enabled);
    reasoning.effort = effort.or(reasoning.effort);
    Ok(())
}

/// Claude's, which knows more than `toolConfig.toolChoice`.
fn choice(node: Node<'_>, chat: &mut Chat) -> Result<(), Error> {
    node.only(&["type", "name", "disable_parallel_tool_use"])?;
    let kind = node.need("type", |node| Ok(node.text()?.to_owned()))?;
    let choice = match kind.as_str() {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Any,
        "none" => ToolChoice::None,
        "tool" => ToolChoice::Tool(node.need("name", |node| Ok(node.text()?.to_owned()))?),
        _ => return node.need("type", |node| Err(node.wrong("auto, any, none or tool"))),
    };
    let alone = node.may("disable_parallel_tool_use", |node| node.flag())?;
    chat.tool_choice = Some(choice);
    chat.parallel_tools = alone.map(|alone| !alone);
    Ok(())
}

/// Text of a JSON document.
pub(super) fn json(value: &Value) -> String {
    value.to_string()
}
