//! What Ollama keeps apart from the conversation: options of the model, and fields of its own that
//! a client of another format may send along.

use serde_json::{Map, Value};

use crate::call::chat::{Effort, Reasoning};
use crate::call::{Call, Chat, Lacks, Own};
use crate::error::Error;

/// Fields of Ollama's own request that no other format has.
const TOP: [&str; 3] = ["keep_alive", "truncate", "shift"];
/// Options of Ollama's that clients send along under these names.
const OPTIONS: [&str; 10] = [
    "num_ctx",
    "num_keep",
    "num_batch",
    "num_gpu",
    "num_thread",
    "min_p",
    "typical_p",
    "repeat_last_n",
    "repeat_penalty",
    "draft_num_predict",
];

/// Fields of the client's that are Ollama's own.
#[derive(Default)]
pub(super) struct Owned {
    /// Beside `model`.
    pub(super) top: Map<String, Value>,
    /// In `options`.
    pub(super) options: Map<String, Value>,
    /// Whether it shall think, in Ollama's words.
    pub(super) think: Option<Value>,
}

/// Takes the fields that Ollama knows; the others are refused or dropped, as they say themselves.
pub(super) fn own(fields: &[Own], lacks: &mut Lacks) -> Result<Owned, Error> {
    let mut owned = Owned::default();
    for Own { name, value, may_drop } in fields {
        match (name.as_str(), value) {
            ("options", Value::Object(options)) => {
                owned
                    .options
                    .extend(options.iter().map(|(name, value)| (name.clone(), value.clone())));
            }
            ("think", _) => owned.think = Some(value.clone()),
            (known, _) if TOP.contains(&known) => {
                owned.top.insert(name.clone(), value.clone());
            }
            (known, _) if OPTIONS.contains(&known) => {
                owned.options.insert(name.clone(), value.clone());
            }
            _ if *may_drop => lacks.drop(name, true),
            _ => lacks.refuse(name, true)?,
        }
    }
    Ok(owned)
}

/// Adds the options that the call says in its own format; they count before those in Ollama's.
pub(super) fn sampling(chat: &Chat, call: &Call, options: &mut Map<String, Value>) {
    let drawn = &chat.sampling;
    let stop = (!chat.stop.is_empty()).then(|| Value::from(chat.stop.clone()));
    for (name, value) in [
        ("num_predict", chat.max_output.or(call.max_output).map(Value::from)),
        ("temperature", drawn.temperature.map(Value::from)),
        ("top_p", drawn.top_p.map(Value::from)),
        ("top_k", drawn.top_k.map(Value::from)),
        ("frequency_penalty", drawn.frequency_penalty.map(Value::from)),
        ("presence_penalty", drawn.presence_penalty.map(Value::from)),
        ("seed", drawn.seed.map(Value::from)),
        ("stop", stop),
    ] {
        if let Some(value) = value {
            options.insert(name.into(), value);
        }
    }
}

/// `think`: yes, no, or how much. A budget in tokens is told as the effort that it is worth.
pub(super) fn think(reasoning: &Reasoning, lacks: &mut Lacks) -> Option<Value> {
    lacks.drop("reasoning.shown", reasoning.shown == Some(false));
    let level = |effort| match effort {
        Effort::Minimal | Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High => "high",
        Effort::ExtraHigh | Effort::Max => "max",
    };
    match (reasoning.enabled, reasoning.effort, reasoning.budget) {
        (Some(false), ..) | (_, None, Some(0)) => Some(false.into()),
        (_, Some(effort), _) => Some(level(effort).into()),
        (_, None, Some(tokens)) if tokens > 0 => Some(level(Effort::of_budget(tokens)).into()),
        // a budget below zero: as much as it likes
        (_, None, Some(_)) | (Some(true), None, None) => Some(true.into()),
        (None, None, None) => None,
    }
}
