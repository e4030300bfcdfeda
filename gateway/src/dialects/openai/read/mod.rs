//! A request of OpenAI's, read into what it asks for.

mod draw;
mod embed;
mod json;
mod messages;
mod parts;
mod tools;

use std::collections::BTreeMap;

use serde_json::Value;

pub(super) use self::draw::draw;
pub(super) use self::embed::embed;
use self::json::{At, Fields, wrong};
use self::messages::Messages;
use crate::call::chat::{Effort, Format, Modality, Reasoning, Sampling};
use crate::call::{Asked, Call, Chat};
use crate::error::{Error, Kind};

/// Fields that the hub itself reads.
const OURS: [&str; 3] = ["model", "stream", "stream_options"];
/// Fields that no other format has, and whether the answer means the same without them.
const OWN: [(&str, bool); 9] = [
    ("audio", false),
    ("logit_bias", false),
    ("moderation", false),
    ("prediction", true),
    ("prompt_cache_key", true),
    ("prompt_cache_options", true),
    ("prompt_cache_retention", true),
    ("store", true),
    ("web_search_options", false),
];

/// A body as the value that it is.
fn body(call: &Call) -> Result<Value, Error> {
    serde_json::from_slice(&call.body)
        .map_err(|_| Error::new(Kind::MalformedBody, "the request body is nested too deeply"))
}

/// A chat completion.
pub(super) fn chat(call: &Call) -> Result<Asked, Error> {
    let mut fields = Fields::of(body(call)?, &At::Top)?;
    for name in OURS {
        fields.take(name);
    }
    let mut own = Vec::new();
    for (name, may_drop) in OWN {
        fields.own(name, may_drop, &mut own);
    }
    // a bias of no token is none
    own.retain(|field| !(field.name == "logit_bias" && field.value == serde_json::json!({})));
    let mut messages = Messages::new(&mut own);
    messages.read(fields.list("messages")?.unwrap_or_default())?;
    let mut chat = Chat { system: messages.system, messages: messages.messages, ..Chat::default() };
    tools::read(&mut fields, &mut chat, &mut own)?;
    for name in ["max_completion_tokens", "max_tokens"] {
        let said = fields.whole(name, 1..=i64::MAX)?;
        chat.max_output = chat.max_output.or(said);
    }
    chat.choices = fields.whole("n", 1..=i64::MAX)?;
    chat.sampling = sampling(&mut fields)?;
    chat.stop = stop(&mut fields)?;
    chat.format = format(&mut fields)?;
    chat.reasoning = reasoning(&mut fields)?;
    chat.verbosity = fields.one_of("verbosity", &["low", "medium", "high"])?;
    chat.modalities = modalities(&mut fields)?;
    let (identifier, user) = (fields.text("safety_identifier")?, fields.text("user")?);
    chat.user = identifier.or(user);
    chat.metadata = fields.object("metadata")?.unwrap_or_default();
    chat.service_tier = fields.text("service_tier")?;
    fields.rest(&mut own);
    chat.own = own;
    Ok(Asked::Chat(chat))
}

fn sampling(fields: &mut Fields<'_>) -> Result<Sampling, Error> {
    let logprobs = fields.flag("logprobs")?.unwrap_or(false);
    let top = fields.whole("top_logprobs", 0..=20)?;
    if !logprobs && top.is_some_and(|top| top > 0) {
        return Err(wrong(
            &At::Field(&At::Top, "logprobs"),
            "true where top_logprobs is asked for",
        ));
    }
    Ok(Sampling {
        temperature: fields.number("temperature", 0.0..=2.0)?,
        top_p: fields.number("top_p", 0.0..=1.0)?,
        // OpenRouter
        top_k: fields.whole("top_k", 0..=i64::MAX)?,
        frequency_penalty: fields.number("frequency_penalty", -2.0..=2.0)?,
        presence_penalty: fields.number("presence_penalty", -2.0..=2.0)?,
        seed: fields.whole("seed", i64::MIN..=i64::MAX)?,
        logprobs: logprobs.then(|| top.unwrap_or(0)),
    })
}

fn stop(fields: &mut Fields<'_>) -> Result<Vec<String>, Error> {
    let at = At::Field(&At::Top, "stop");
    match fields.take("stop") {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![text]),
        Some(Value::Array(list)) => texts(list, &at),
        Some(_) => Err(wrong(&at, "a string or an array of strings")),
    }
}

/// An array of strings.
fn texts(list: Vec<Value>, at: &At<'_>) -> Result<Vec<String>, Error> {
    let each = list.into_iter().enumerate().map(|(index, value)| match value {
        Value::String(text) => Ok(text),
        _ => Err(wrong(&At::Item(at, index), "a string")),
    });
    each.collect()
}

fn format(fields: &mut Fields<'_>) -> Result<Format, Error> {
    let at = At::Field(&At::Top, "response_format");
    let Some(value) = fields.take("response_format") else {
        return Ok(Format::Text);
    };
    let mut fields = Fields::of(value, &at)?;
    match fields.needed("type", "text, json_object or json_schema")?.as_str() {
        "text" => Ok(Format::Text),
        "json_object" => Ok(Format::Json),
        "json_schema" => {
            let schema = fields.needed_value("json_schema", "the schema and its name")?;
            let at = At::Field(&at, "json_schema");
            let mut fields = Fields::of(schema, &at)?;
            Ok(Format::Schema {
                name: fields.needed("name", "a name for the schema")?,
                description: fields.text("description")?,
                schema: fields.object("schema")?.unwrap_or_default().into(),
                strict: fields.flag("strict")?,
            })
        }
        _ => Err(wrong(&At::Field(&at, "type"), "one of text, json_object, json_schema")),
    }
}

/// `reasoning_effort`, and OpenRouter's `reasoning`.
fn reasoning(fields: &mut Fields<'_>) -> Result<Option<Reasoning>, Error> {
    let mut asked = Reasoning::default();
    let mut there = false;
    if let Some(effort) = fields.text("reasoning_effort")? {
        there = true;
        say(&effort, &At::Field(&At::Top, "reasoning_effort"), &mut asked)?;
    }
    if let Some(value) = fields.take("reasoning") {
        there = true;
        let at = At::Field(&At::Top, "reasoning");
        let mut fields = Fields::of(value, &at)?;
        asked.budget = fields.whole("max_tokens", 0..=i64::MAX)?;
        asked.enabled = fields.flag("enabled")?.or(asked.enabled);
        asked.shown = fields.flag("exclude")?.map(|exclude| !exclude);
        if let Some(effort) = fields.text("effort")? {
            say(&effort, &At::Field(&at, "effort"), &mut asked)?;
        }
    }
    Ok(there.then_some(asked))
}

fn say(effort: &str, at: &At<'_>, asked: &mut Reasoning) -> Result<(), Error> {
    if effort == "none" {
        asked.enabled = Some(false);
        return Ok(());
    }
    asked.effort = Effort::named(effort);
    match asked.effort {
        Some(_) => Ok(()),
        None => Err(wrong(at, "one of none, minimal, low, medium, high, xhigh, max")),
    }
}

fn modalities(fields: &mut Fields<'_>) -> Result<Vec<Modality>, Error> {
    let at = At::Field(&At::Top, "modalities");
    let known: BTreeMap<&str, Modality> =
        [("text", Modality::Text), ("image", Modality::Image), ("audio", Modality::Audio)].into();
    let list = texts(fields.list("modalities")?.unwrap_or_default(), &at)?;
    let each = list.iter().enumerate().map(|(index, name)| {
        let named = known.get(name.as_str()).copied();
        named.ok_or_else(|| wrong(&At::Item(&at, index), "one of text, image, audio"))
    });
    each.collect()
}
