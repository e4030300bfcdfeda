//! A request to `generateContent` as what is asked.

use serde_json::Value;

use super::object::{At, Object, wrong};
use super::{config, content, tools};
use crate::call::chat::Part;
use crate::call::{Call, Chat, Own};
use crate::error::{Error, Kind};

/// The body as JSON.
pub(super) fn body(call: &Call) -> Result<Value, Error> {
    serde_json::from_slice(&call.body).map_err(|_| {
        Error::new(Kind::MalformedBody, "the request body is nested deeper than can be read")
    })
}

/// What is asked.
pub(super) fn read(call: &Call) -> Result<Chat, Error> {
    let body = body(call)?;
    let mut root = At { at: String::new(), value: &body }.object()?;
    let mut chat = Chat::default();
    let _in_the_path = root.any("model");
    if let Some(mut system) = root.object("systemInstruction")? {
        let _any_role = system.text("role")?;
        for part in system.list("parts")? {
            let mut part = part.object()?;
            let text = part.text("text")?;
            let text = text.ok_or_else(|| wrong(&part.path("text"), "a string"))?;
            chat.system.push(Part::text(text));
            part.left(&mut chat.own, &content::HINTS);
        }
        system.left(&mut chat.own, &[]);
    }
    content::read(&mut root, &mut chat)?;
    config::read(&mut root, &mut chat)?;
    tools::read(&mut root, &mut chat)?;
    safety(&mut root, &mut chat.own)?;
    if let Some(labels) = root.any("labels") {
        let Value::Object(map) = labels.value else {
            return Err(wrong(&labels.at, "an object"));
        };
        chat.metadata.clone_from(map);
    }
    chat.service_tier = root.text("serviceTier")?.map(str::to_ascii_lowercase);
    chat.service_tier.take_if(|tier| tier == "unspecified");
    root.left(&mut chat.own, &["store"]);
    Ok(chat)
}

/// Filters switched off mean nothing to who has none; those that are set can't be had elsewhere.
fn safety(root: &mut Object<'_>, own: &mut Vec<Own>) -> Result<(), Error> {
    for setting in root.list("safetySettings")? {
        let (at, value) = (setting.at.clone(), setting.value);
        let mut setting = setting.object()?;
        let threshold = setting.text("threshold")?.unwrap_or_default();
        let off =
            matches!(threshold, "" | "BLOCK_NONE" | "OFF" | "HARM_BLOCK_THRESHOLD_UNSPECIFIED");
        own.push(Own { name: at, value: value.clone(), may_drop: off });
    }
    Ok(())
}
