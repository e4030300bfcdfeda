//! A chat of another format, as Anthropic's request.

use std::borrow::Cow;

use serde_json::Value;

use super::models::Traits;
use super::request::{Choice, Metadata, OutputConfig, OutputFormat, Request, Tool, Turn};
use super::{thinking, turns};
use crate::call::chat::{Chat, Format, Modality, ToolChoice};
use crate::call::{Call, Lacks};
use crate::error::{Error, Kind};
use crate::routing::Target;

/// Where no maximum is asked for and the answer is no stream: the vendor's own SDKs refuse to
/// wait for more than ten minutes, which is what so many tokens may take.
const MAX_UNSTREAMED: i64 = 21_333;

/// How deep a schema is looked into.
const MAX_DEPTH: usize = 64;

/// The request's body, and what of the chat was left out.
pub(super) fn write(
    chat: &Chat,
    call: &Call,
    target: &Target,
) -> Result<(Vec<u8>, Vec<String>), Error> {
    let model = target.model.as_str();
    let traits = Traits::of(model);
    let mut lacks = Lacks::of(format!("{} ({model})", target.provider));
    refuse(chat, &traits, &mut lacks)?;
    let max_tokens = chat.max_output.or(call.max_output).unwrap_or(match call.stream {
        true => traits.max_output,
        false => traits.max_output.min(MAX_UNSTREAMED),
    });
    let told = thinking::told(chat, &traits, max_tokens, &mut lacks);
    let (temperature, top_p, top_k) = sampling(chat, &traits, told.thinks(), &mut lacks)?;
    let mut system = turns::system(&chat.system, &mut lacks)?;
    let mut messages = turns::turns(&chat.messages, traits.system_inside, &mut lacks)?;
    if messages.is_empty() {
        // a conversation of nothing is refused: the instructions are what is asked
        messages.push(Turn { role: "user", content: std::mem::take(&mut system) });
    }
    let request = Request {
        model,
        max_tokens,
        system,
        messages,
        tools: tools(chat),
        tool_choice: tool_choice(chat),
        thinking: told.thinking,
        output_config: OutputConfig { effort: told.effort, format: format(chat) },
        temperature,
        top_p,
        top_k,
        stop_sequences: &chat.stop,
        metadata: chat.user.as_deref().map(|user_id| Metadata { user_id }),
        service_tier: service_tier(chat, &mut lacks),
        stream: call.stream,
    };
    let body = serde_json::to_vec(&request)
        .map_err(|_| Error::new(Kind::Internal, "a request could not be written"))?;
    Ok((body, lacks.dropped()))
}

/// What can't be told.
fn refuse(chat: &Chat, traits: &Traits, lacks: &mut Lacks) -> Result<(), Error> {
    let sampling = &chat.sampling;
    lacks.own(chat)?;
    let refuse = |field: &'static str, what: &str, there: bool| {
        lacks.refuse(what, there).map_err(|error| error.at(field))
    };
    refuse("tools", "tools of another vendor", !chat.hosted_tools.is_empty())?;
    lacks.refuse("n", chat.choices.is_some_and(|choices| choices > 1))?;
    let penal = |penalty: Option<f64>| penalty.is_some_and(|penalty| penalty != 0.0);
    lacks.refuse("frequency_penalty", penal(sampling.frequency_penalty))?;
    lacks.refuse("presence_penalty", penal(sampling.presence_penalty))?;
    lacks.refuse("logprobs", sampling.logprobs.is_some())?;
    let others = |modality: &Modality| *modality != Modality::Text;
    lacks.refuse("modalities", chat.modalities.iter().any(others))?;
    // the API refuses them
    let blank = |text: &String| text.trim().is_empty();
    refuse("stop", "a stop sequence of white space", chat.stop.iter().any(blank))?;
    refuse("response_format", "response_format json_object", chat.format == Format::Json)?;
    let schema = matches!(chat.format, Format::Schema { .. });
    refuse("response_format", "response_format json_schema", schema && !traits.schema)?;
    let forced = matches!(chat.tool_choice, Some(ToolChoice::Any | ToolChoice::Tool(_)));
    refuse("tool_choice", "a tool_choice that forces a tool", forced && !traits.forced_tools)?;
    lacks.drop("seed", sampling.seed.is_some());
    lacks.drop("metadata", !chat.metadata.is_empty());
    lacks.drop("verbosity", chat.verbosity.is_some());
    Ok(())
}

type Drawn = (Option<f64>, Option<f64>, Option<i64>);

/// Temperature, `top_p` and `top_k`, as far as the model takes them; defaults are left out.
fn sampling(chat: &Chat, traits: &Traits, thinks: bool, lacks: &mut Lacks) -> Result<Drawn, Error> {
    let asked = &chat.sampling;
    let fixed = thinks || !traits.sampling;
    lacks.refuse("top_k", asked.top_k.is_some() && fixed)?;
    let temperature = asked.temperature.filter(|value| *value != 1.0);
    let top_p = asked.top_p.filter(|value| *value != 1.0);
    // other vendors go up to 2
    lacks.drop("temperature", temperature.is_some_and(|value| fixed || value > 1.0));
    let temperature = temperature.filter(|_| !fixed).map(|value| value.min(1.0));
    // newer models take one of the two
    let top_p_fits = match (traits.sampling, thinks) {
        (true, true) => top_p.is_some_and(|value| value >= 0.95),
        (true, false) => temperature.is_none(),
        (false, _) => false,
    };
    lacks.drop("top_p", top_p.is_some() && !top_p_fits);
    Ok((temperature, top_p.filter(|_| top_p_fits), asked.top_k))
}

fn tools(chat: &Chat) -> Vec<Tool<'_>> {
    let tools = chat.tools.iter();
    let tools = tools.map(|tool| Tool {
        name: &tool.name,
        description: tool.description.as_deref(),
        input_schema: typed(&tool.parameters),
        strict: tool.strict.filter(|strict| *strict),
        cache_control: tool.cache.map(Into::into),
    });
    tools.collect()
}

/// The vendor wants to be told that arguments are an object.
fn typed(schema: &Value) -> Cow<'_, Value> {
    match schema {
        Value::Object(fields) if fields.contains_key("type") => Cow::Borrowed(schema),
        Value::Object(fields) => {
            let mut fields = fields.clone();
            fields.insert("type".into(), "object".into());
            Cow::Owned(fields.into())
        }
        _ => Cow::Borrowed(schema),
    }
}

/// Which tool; nothing where there are none, as the API refuses it then.
fn tool_choice(chat: &Chat) -> Option<Choice<'_>> {
    if chat.tools.is_empty() {
        return None;
    }
    let single = (chat.parallel_tools == Some(false)).then_some(true);
    let (kind, name) = match &chat.tool_choice {
        None if single.is_none() => return None,
        None | Some(ToolChoice::Auto) => ("auto", None),
        Some(ToolChoice::None) => ("none", None),
        Some(ToolChoice::Any) => ("any", None),
        Some(ToolChoice::Tool(name)) => ("tool", Some(name.as_str())),
    };
    let disable_parallel_tool_use = single.filter(|_| kind != "none");
    Some(Choice { kind, name, disable_parallel_tool_use })
}

fn format(chat: &Chat) -> Option<OutputFormat> {
    match &chat.format {
        Format::Schema { schema, .. } => {
            let mut schema = schema.clone();
            close(&mut schema, MAX_DEPTH);
            Some(OutputFormat { kind: "json_schema", schema })
        }
        Format::Text | Format::Json => None,
    }
}

/// The vendor wants each object to say that it has no further fields.
fn close(schema: &mut Value, depth: usize) {
    let Some(depth) = depth.checked_sub(1) else {
        return;
    };
    match schema {
        Value::Object(fields) => {
            let is_object = fields.get("type").is_some_and(|kind| kind == "object");
            if is_object && !fields.contains_key("additionalProperties") {
                fields.insert("additionalProperties".into(), false.into());
            }
            for (name, value) in fields {
                match (name.as_str(), value) {
                    ("properties" | "$defs" | "definitions", Value::Object(named)) => {
                        named.values_mut().for_each(|value| close(value, depth));
                    }
                    ("items" | "anyOf" | "allOf" | "oneOf", value) => close(value, depth),
                    _ => {}
                }
            }
        }
        Value::Array(schemas) => schemas.iter_mut().for_each(|value| close(value, depth)),
        _ => {}
    }
}

/// Whether spare capacity that was paid for may be used; other vendors' classes have no equal.
fn service_tier(chat: &Chat, lacks: &mut Lacks) -> Option<&'static str> {
    match chat.service_tier.as_deref()? {
        "auto" => Some("auto"),
        "default" | "standard" | "standard_only" => Some("standard_only"),
        _ => {
            lacks.drop("service_tier", true);
            None
        }
    }
}
