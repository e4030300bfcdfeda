//! What is asked, as OpenAI documents it.

mod draw;
mod embed;
mod messages;
mod parts;
mod wire;

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value, json};

pub(super) use self::draw::draw;
pub(super) use self::embed::embed;
use self::messages::Writer;
use self::wire::{Function, Request, Tool, Usage};
use crate::call::chat::{Effort, Format, Modality, Reasoning, ToolChoice};
use crate::call::{Call, Chat, Lacks};
use crate::error::{Error, Kind};
use crate::providers::compat::{ReasoningStyle, Vendor};
use crate::routing::Target;

/// A request before it is fitted to the vendor.
pub(super) struct Written {
    pub(super) body: Bytes,
    /// The most output tokens.
    pub(super) most: Option<i64>,
    pub(super) lacks: Lacks,
}

impl Written {
    fn new(request: &impl Serialize, most: Option<i64>, lacks: Lacks) -> Result<Self, Error> {
        let body = serde_json::to_vec(request)
            .map_err(|_| Error::new(Kind::Internal, "the request can't be written"))?;
        Ok(Self { body: body.into(), most, lacks })
    }
}

fn lacks_of(target: &Target) -> Lacks {
    Lacks::of(format!("{} ({})", target.provider, target.model))
}

/// A chat completion.
pub(super) fn chat(chat: &Chat, call: &Call, target: &Target) -> Result<Written, Error> {
    let vendor = &target.endpoint.vendor;
    let mut lacks = lacks_of(target);
    lacks.own(chat)?;
    refuse(chat, vendor, &lacks)?;
    let heeds = |name: &str| !vendor.ignores.iter().any(|ignored| ignored == name);
    let sampling = &chat.sampling;
    lacks.drop("seed", sampling.seed.is_some() && !heeds("seed"));
    // OpenAI refuses longer ones
    let user = chat.user.as_deref().filter(|user| user.len() <= MAX_USER && heeds("user"));
    lacks.drop("user", user != chat.user.as_deref());
    lacks.drop("verbosity", chat.verbosity.is_some() && !heeds("verbosity"));
    lacks.drop("metadata", !chat.metadata.is_empty()); // OpenAI takes it with `store` alone
    let tier = chat.service_tier.as_deref();
    let known_tier = tier.filter(|tier| TIERS.contains(tier) && heeds("service_tier"));
    lacks.drop("service_tier", tier != known_tier);
    let has_tools = !chat.tools.is_empty();
    let (effort, thinking, reasoning) = thoughts(chat.reasoning.as_ref(), vendor, &mut lacks);
    let (logprobs, top_logprobs) = (sampling.logprobs, sampling.logprobs.filter(|top| *top > 0));
    let mut writer = Writer::new(vendor, &mut lacks);
    writer.system(&chat.system);
    chat.messages.iter().try_for_each(|message| writer.message(message))?;
    let messages = writer.done();
    if messages.is_empty() {
        lacks.refuse("a chat without messages", true)?;
    }
    lacks.drop("cache", chat.tools.iter().any(|tool| tool.cache.is_some()));
    let request = Request {
        model: target.model.as_str(),
        messages,
        stream: call.stream,
        stream_options: (call.stream && vendor.include_usage)
            .then_some(Usage { include_usage: true }),
        tools: chat.tools.iter().map(tool).collect(),
        tool_choice: chat.tool_choice.as_ref().filter(|_| has_tools).map(tool_choice),
        parallel_tool_calls: chat
            .parallel_tools
            .filter(|_| has_tools && heeds("parallel_tool_calls")),
        n: chat.choices.filter(|choices| *choices > 1),
        temperature: sampling.temperature,
        top_p: sampling.top_p,
        top_k: sampling.top_k,
        frequency_penalty: sampling.frequency_penalty,
        presence_penalty: sampling.presence_penalty,
        seed: sampling.seed.filter(|_| heeds("seed")),
        logprobs: logprobs.map(|_| true),
        top_logprobs,
        stop: &chat.stop,
        response_format: response_format(&chat.format),
        reasoning_effort: effort,
        thinking,
        reasoning,
        verbosity: chat.verbosity.as_deref().filter(|_| heeds("verbosity")),
        modalities: match chat.modalities.contains(&Modality::Image) {
            true => &["image", "text"],
            false => &[],
        },
        user,
        service_tier: known_tier,
    };
    Written::new(&request, chat.max_output.or(call.max_output), lacks)
}

/// The longest name of an end user.
const MAX_USER: usize = 64;
/// OpenAI's classes of service.
const TIERS: [&str; 6] = ["auto", "default", "flex", "scale", "priority", "fast"];

/// What would change the answer, and can't be said.
fn refuse(chat: &Chat, vendor: &Vendor, lacks: &Lacks) -> Result<(), Error> {
    let sampling = &chat.sampling;
    let ignored = |name: &str| vendor.ignores.iter().any(|ignored| ignored == name);
    let schema = matches!(chat.format, Format::Schema { .. });
    let formatted = chat.format != Format::Text;
    let draws = chat.modalities.contains(&Modality::Image);
    for (name, there) in [
        ("hosted tools", !chat.hosted_tools.is_empty()),
        ("top_k", sampling.top_k.is_some() && !vendor.knows("top_k")),
        ("audio output", chat.modalities.contains(&Modality::Audio)),
        ("image output", draws && !vendor.knows("images")),
        ("more stop texts", chat.stop.len() > vendor.stop_limit),
        (
            "response_format",
            (schema && !vendor.json_schema) || (formatted && ignored("response_format")),
        ),
        ("frequency_penalty", sampling.frequency_penalty.is_some() && ignored("frequency_penalty")),
        ("presence_penalty", sampling.presence_penalty.is_some() && ignored("presence_penalty")),
        ("logprobs", sampling.logprobs.is_some() && ignored("logprobs")),
        ("n", chat.choices.is_some_and(|choices| choices > 1) && ignored("n")),
        (
            "parallel_tool_calls",
            chat.parallel_tools == Some(false) && ignored("parallel_tool_calls"),
        ),
    ] {
        lacks.refuse(name, there)?;
    }
    Ok(())
}

fn tool(tool: &crate::call::chat::Tool) -> Tool<'_> {
    let function = Function {
        name: &tool.name,
        description: tool.description.as_deref(),
        parameters: &tool.parameters,
        strict: tool.strict,
    };
    Tool { r#type: "function", function }
}

fn tool_choice(choice: &ToolChoice) -> Value {
    match choice {
        ToolChoice::Auto => "auto".into(),
        ToolChoice::None => "none".into(),
        ToolChoice::Any => "required".into(),
        ToolChoice::Tool(name) => json!({"type": "function", "function": {"name": name}}),
    }
}

fn response_format(format: &Format) -> Option<Value> {
    match format {
        Format::Text => None,
        Format::Json => Some(json!({"type": "json_object"})),
        Format::Schema { name, description, schema, strict } => {
            // OpenAI wants a name
            let name = if name.is_empty() { "answer" } else { name };
            let mut inner = Map::new();
            inner.insert("name".into(), name.into());
            inner.extend(
                description.as_ref().map(|text| ("description".into(), text.as_str().into())),
            );
            inner.insert("schema".into(), schema.clone());
            inner.extend(strict.map(|strict| ("strict".into(), strict.into())));
            Some(json!({"type": "json_schema", "json_schema": inner}))
        }
    }
}

/// `reasoning_effort`, `thinking` and `reasoning`.
fn thoughts(
    reasoning: Option<&Reasoning>,
    vendor: &Vendor,
    lacks: &mut Lacks,
) -> (Option<&'static str>, Option<Value>, Option<Value>) {
    let Some(asked) = reasoning else {
        return (None, None, None);
    };
    let off = asked.enabled == Some(false);
    let effort = asked.effort.or_else(|| asked.budget.map(Effort::of_budget));
    let effort = effort.map(Effort::as_str);
    match vendor.reasoning {
        ReasoningStyle::Effort | ReasoningStyle::Thinking => {
            // OpenAI never shows them, the others always do
            let shows = vendor.reasoning == ReasoningStyle::Thinking;
            lacks.drop("reasoning.shown", asked.shown.is_some_and(|shown| shown != shows));
            let on = asked.enabled == Some(true) && shows;
            let thinking = on.then(|| json!({"type": "enabled"}));
            (if off { Some("none") } else { effort }, thinking, None)
        }
        ReasoningStyle::Object => {
            let mut object = Map::new();
            match (off, asked.budget, effort) {
                (true, ..) => object.insert("enabled".into(), false.into()),
                (_, Some(budget), _) => object.insert("max_tokens".into(), budget.into()),
                (_, None, Some(effort)) => object.insert("effort".into(), effort.into()),
                (_, None, None) => object.insert("enabled".into(), true.into()),
            };
            if asked.shown == Some(false) {
                object.insert("exclude".into(), true.into());
            }
            (None, None, Some(object.into()))
        }
    }
}
