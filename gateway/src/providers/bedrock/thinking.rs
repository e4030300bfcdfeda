//! How much a model shall think: each maker says it in its own words.

use serde_json::{Map, Value, json};

use super::family::Family;
use crate::call::Lacks;
use crate::call::chat::{Chat, Effort, Reasoning, ToolChoice};
use crate::error::Error;
use crate::providers::{Wire, thinking};

/// The least budget that Claude takes.
const LEAST: i64 = 1024;

/// What is said of thinking.
#[derive(Default)]
pub(super) struct Thinking {
    /// Of the model's own fields.
    pub(super) more: Map<String, Value>,
    /// `outputConfig.effort`.
    pub(super) effort: Option<&'static str>,
    /// The model thinks: it takes no temperature then.
    pub(super) on: bool,
}

/// What is said of thinking.
pub(super) fn write(
    chat: &Chat,
    max_output: Option<i64>,
    family: Family,
    lacks: &mut Lacks,
) -> Result<Thinking, Error> {
    let Some(wanted) = &chat.reasoning else {
        return Ok(Thinking::default());
    };
    let off = wanted.enabled == Some(false);
    let nothing = wanted.enabled.is_none() && wanted.effort.is_none() && wanted.budget.is_none();
    let mut said = match family {
        Family::Claude(major, minor) if (major, minor) >= (3, 7) => {
            return Ok(claude(chat, wanted, max_output, (major, minor), lacks));
        }
        _ if nothing => Thinking::default(),
        Family::Nova(2..) => nova(wanted, off),
        Family::GptOss => {
            let effort = if off { Effort::Low } else { effort(wanted) };
            said("reasoning_effort", three(effort).into())
        }
        Family::Claude(..) | Family::Nova(_) | Family::Cohere | Family::Mistral | Family::Other => {
            lacks.refuse("reasoning", !off)?;
            lacks.drop("reasoning", true);
            Thinking::default()
        }
    };
    lacks.drop("reasoning.shown", wanted.shown.is_some());
    said.on = false; // only Claude's sampling depends on it
    Ok(said)
}

fn claude(
    chat: &Chat,
    wanted: &Reasoning,
    max_output: Option<i64>,
    version: (u32, u32),
    lacks: &mut Lacks,
) -> Thinking {
    let adapts = version >= (4, 6);
    if wanted.enabled == Some(false) {
        return match adapts {
            true => said("thinking", json!({"type": "disabled"})),
            false => Thinking::default(),
        };
    }
    let asked = [wanted.enabled == Some(true), wanted.effort.is_some(), wanted.budget.is_some()];
    if !asked.contains(&true) {
        lacks.drop("reasoning.shown", wanted.shown.is_some());
        return Thinking::default();
    }
    // Claude thinks only where it is free to call tools or not
    let forced = matches!(chat.tool_choice, Some(ToolChoice::Any | ToolChoice::Tool(_)));
    let budget = wanted.budget.filter(|_| version < (4, 7));
    if forced {
        lacks.drop("reasoning", true);
        return Thinking::default();
    }
    if adapts && budget.is_none() {
        let mut thinking = json!({"type": "adaptive"});
        if let (Some(shown), Some(thinking)) = (wanted.shown, thinking.as_object_mut()) {
            let display = if shown { "summarized" } else { "omitted" };
            thinking.insert("display".into(), display.into());
        }
        let asked = wanted.effort.or_else(|| wanted.budget.map(Effort::of_budget));
        return Thinking { effort: asked.map(five), on: true, ..said("thinking", thinking) };
    }
    let budget = budget.unwrap_or_else(|| effort(wanted).budget()).max(LEAST);
    let too_short = max_output.is_some_and(|most| most <= LEAST);
    if too_short || thinking::resumes_without_thoughts(chat, Wire::Bedrock) {
        lacks.drop("reasoning", true);
        return Thinking::default();
    }
    // it must leave room for the answer
    let room = max_output.map_or(budget, |most| thinking::most(most).max(LEAST).min(most - 1));
    let budget = budget.min(room);
    lacks.drop("reasoning.shown", wanted.shown == Some(false));
    let thinking = json!({"type": "enabled", "budget_tokens": budget});
    Thinking { on: true, ..said("thinking", thinking) }
}

fn nova(wanted: &Reasoning, off: bool) -> Thinking {
    let config = match off {
        true => json!({"type": "disabled"}),
        false => json!({"type": "enabled", "maxReasoningEffort": three(effort(wanted))}),
    };
    said("reasoningConfig", config)
}

fn said(name: &str, value: Value) -> Thinking {
    let mut said = Thinking::default();
    said.more.insert(name.into(), value);
    said
}

fn effort(wanted: &Reasoning) -> Effort {
    let effort = wanted.effort.or_else(|| wanted.budget.map(Effort::of_budget));
    effort.unwrap_or(Effort::Medium)
}

const fn three(effort: Effort) -> &'static str {
    match effort {
        Effort::Minimal | Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High | Effort::ExtraHigh | Effort::Max => "high",
    }
}

const fn five(effort: Effort) -> &'static str {
    match effort {
        Effort::ExtraHigh => "xhigh",
        Effort::Max => "max",
        other => three(other),
    }
}
