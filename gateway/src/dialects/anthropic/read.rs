//! A request, read into what is asked.

use serde_json::Value;

use super::blocks::Blocks;
use super::fields::{Fields, Place};
use super::{options, tools};
use crate::call::chat::{Chat, Message, Role, Sampling};
use crate::call::{Chat as Asked, Own};
use crate::error::{Error, Kind};

/// Fields of the request that no other format has, and whether the answer means the same without.
const OWN: [(&str, bool); 7] = [
    ("container", false),
    ("mcp_servers", false),
    // where it is computed is a promise
    ("inference_geo", false),
    // what it takes out of a long conversation saves tokens
    ("context_management", true),
    // how fast it is is a wish
    ("speed", true),
    ("diagnostics", true),
    ("betas", true),
];

/// What the body asks for.
pub(super) fn read(body: &[u8]) -> Result<Asked, Error> {
    let body: Value = serde_json::from_slice(body)
        .map_err(|_| Error::new(Kind::MalformedBody, "the request body is nested too deep"))?;
    let root = Place::Root;
    let mut fields = Fields::of(&root, body)?;
    // read with the call
    for name in ["model", "stream"] {
        fields.take(name);
    }
    let mut chat = Chat {
        max_output: fields.whole("max_tokens")?,
        sampling: Sampling {
            temperature: fields.number("temperature")?,
            top_p: fields.number("top_p")?,
            top_k: fields.whole("top_k")?,
            ..Sampling::default()
        },
        // the word that others have for it
        service_tier: fields.text("service_tier")?.map(|tier| match tier.as_str() {
            "standard_only" => "default".to_owned(),
            _ => tier,
        }),
        stop: texts(&fields.at("stop_sequences"), fields.list("stop_sequences")?)?,
        ..Chat::default()
    };
    let mut own = Vec::new();
    tools::tools(&mut fields, &mut chat, &mut own)?;
    options::options(&mut fields, &mut chat, &mut own)?;
    let mut blocks = Blocks::new(&mut own);
    if let Some(system) = fields.take("system") {
        chat.system = blocks.system(&fields.at("system"), system)?;
    }
    conversation(&mut fields, &mut chat, &mut blocks)?;
    fields.own(&OWN, &mut own);
    fields.rest(&mut own);
    chat.own = own;
    Ok(chat)
}

fn texts(place: &Place<'_>, list: Vec<Value>) -> Result<Vec<String>, Error> {
    let text = |(at, value)| match value {
        Value::String(text) => Ok(text),
        _ => Err(Place::Item(place, at).must("a string")),
    };
    list.into_iter().enumerate().map(text).collect()
}

fn conversation(
    fields: &mut Fields<'_>,
    chat: &mut Chat,
    blocks: &mut Blocks<'_>,
) -> Result<(), Error> {
    let place = fields.at("messages");
    for (at, message) in fields.list("messages")?.into_iter().enumerate() {
        let place = Place::Item(&place, at);
        let mut fields = Fields::of(&place, message)?;
        let role = match fields.need_text("role")?.as_str() {
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "system" => Role::System,
            _ => return Err(fields.at("role").must("user, assistant or system")),
        };
        let content = fields.need("content", "a string or an array of blocks")?;
        let content_at = fields.at("content");
        let mut parts = match role {
            Role::System => blocks.system(&content_at, content)?,
            Role::User | Role::Assistant => blocks.of(&content_at, content, role)?,
        };
        fields.rest(blocks.own);
        if role == Role::System && chat.messages.is_empty() {
            chat.system.append(&mut parts);
        } else {
            chat.messages.push(Message { role, parts, name: None });
        }
    }
    // a mark of the whole request stands at the last block that can be cached
    if let Some(mark) = options::cache(fields)? {
        let last = chat.messages.last_mut().and_then(|message| message.parts.last_mut());
        if let Some(part) = last.filter(|part| part.cache.is_none()) {
            part.cache = Some(mark);
        }
    }
    Ok(())
}

/// What has no place in the canonical form.
pub(super) fn elsewhere(place: &Place<'_>, name: &str, value: Value) -> Own {
    Own { name: Place::Field(place, name).to_string(), value, may_drop: false }
}
