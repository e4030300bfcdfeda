//! How much a model shall think, in the words that its generation knows.

use super::models::{Thinks, Traits};
use super::request::Thinking;
use crate::call::Lacks;
use crate::call::chat::{Chat, Effort, Reasoning, ToolChoice};
use crate::providers::{Wire, thinking};

/// The least budget that the API takes.
const LEAST: i64 = 1024;

/// What is told of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Told {
    pub(super) thinking: Option<Thinking>,
    pub(super) effort: Option<&'static str>,
}

impl Told {
    /// Whether the model was asked to think: then other constraints hold.
    pub(super) const fn thinks(&self) -> bool {
        matches!(self.thinking, Some(Thinking::Enabled { .. } | Thinking::Adaptive { .. }))
    }
}

/// How much it shall think. A tool that must be called rules thinking out; that is told as
/// dropped, like a wish that the model can't be told.
pub(super) fn told(chat: &Chat, traits: &Traits, max_tokens: i64, lacks: &mut Lacks) -> Told {
    let none = Reasoning::default();
    let asked = chat.reasoning.as_ref().unwrap_or(&none);
    let forced = matches!(chat.tool_choice, Some(ToolChoice::Any | ToolChoice::Tool(_)));
    let wanted = asked.enabled == Some(true) || asked.effort.is_some() || asked.budget.is_some();
    if asked.enabled == Some(false) {
        return off(asked, traits, lacks);
    }
    if forced && traits.thinks != Thinks::Always {
        lacks.drop("reasoning", wanted && traits.thinks != Thinks::Never);
        // a model that thinks by itself must be told not to
        let thinking = (traits.thinks == Thinks::Unless).then_some(Thinking::Disabled);
        let most = if thinking.is_some() { Effort::High } else { Effort::Max };
        return Told { thinking, effort: effort(asked.effort, traits, most) };
    }
    if !wanted && asked.shown.is_none() {
        return Told::default();
    }
    match traits.thinks {
        Thinks::Never => {
            lacks.drop("reasoning", true);
            Told::default()
        }
        Thinks::Budget => within(asked, chat, traits, max_tokens, lacks),
        Thinks::Either if asked.budget.is_some() || traits.efforts.is_empty() => {
            within(asked, chat, traits, max_tokens, lacks)
        }
        _ => {
            let wanted = asked.effort.or_else(|| asked.budget.map(Effort::of_budget));
            let display = asked.shown.map(|shown| if shown { "summarized" } else { "omitted" });
            Told {
                thinking: Some(Thinking::Adaptive { display }),
                effort: effort(wanted, traits, Effort::Max),
            }
        }
    }
}

/// It shall not think.
fn off(asked: &Reasoning, traits: &Traits, lacks: &mut Lacks) -> Told {
    let thinking = match traits.thinks {
        Thinks::Never => None,
        Thinks::Budget | Thinks::Either | Thinks::Asked | Thinks::Unless => {
            Some(Thinking::Disabled)
        }
        Thinks::BetweenTools => Some(Thinking::BetweenTools),
        Thinks::Always => {
            lacks.drop("reasoning", true);
            return Told {
                thinking: None,
                effort: effort(asked.effort.or(Some(Effort::Low)), traits, Effort::Max),
            };
        }
    };
    // more than `high` goes with thinking alone
    Told { thinking, effort: effort(asked.effort, traits, Effort::High) }
}

/// It shall think within a budget, which leaves room for an answer.
fn within(
    asked: &Reasoning,
    chat: &Chat,
    traits: &Traits,
    max_tokens: i64,
    lacks: &mut Lacks,
) -> Told {
    let enabled = (asked.enabled == Some(true)).then_some(Effort::Medium);
    let budget = asked.budget.or_else(|| asked.effort.or(enabled).map(Effort::budget));
    let effort = effort(asked.effort, traits, Effort::Max);
    lacks.drop("reasoning.shown", asked.shown == Some(false));
    let Some(budget) = budget else {
        return Told { thinking: None, effort };
    };
    if max_tokens <= LEAST || thinking::resumes_without_thoughts(chat, Wire::Anthropic) {
        lacks.drop("reasoning", true);
        return Told { thinking: None, effort };
    }
    let most = thinking::most(max_tokens).max(LEAST).min(max_tokens - 1);
    Told {
        thinking: Some(Thinking::Enabled { budget_tokens: budget.max(LEAST).min(most) }),
        effort,
    }
}

fn effort(wanted: Option<Effort>, traits: &Traits, most: Effort) -> Option<&'static str> {
    traits.effort(wanted?.min(most)).map(Effort::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_leaves_room_for_the_answer() {
        for (budget, max_tokens, told) in [
            (10_000, 64_000, Some(10_000)),
            (10, 64_000, Some(1024)),
            (10_000, 4000, Some(3000)),
            (10_000, 1200, Some(1024)),
            (10_000, 1025, Some(1024)),
            (10_000, 1024, None),
            (i64::MAX, i64::MAX, Some(i64::MAX - i64::MAX / 4)),
            (10, -5, None),
        ] {
            let reasoning = Reasoning { budget: Some(budget), ..Reasoning::default() };
            let chat = Chat { reasoning: Some(reasoning), ..Chat::default() };
            let mut lacks = Lacks::of("x");
            let got = super::told(&chat, &Traits::of("claude-haiku-4-5"), max_tokens, &mut lacks);
            let wanted = told.map(|budget_tokens| Thinking::Enabled { budget_tokens });
            assert_eq!(got.thinking, wanted, "{budget} of {max_tokens}");
            assert_eq!(lacks.dropped().len(), usize::from(wanted.is_none()));
        }
    }
}
