//! A vendor's row applied to a request in OpenAI's format, whoever wrote it.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;
use memchr::memmem;
use schemas::event::Operation;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::call::{Call, Field, place, scan};
use crate::error::{Error, Kind};
use crate::providers::compat::{ReasoningStyle, Vendor};
use crate::providers::edit::{Change, edit, quoted};
use crate::routing::Target;

/// A body and where its top-level fields stand.
#[derive(Clone, Copy)]
pub(super) struct Body<'a> {
    pub(super) bytes: &'a Bytes,
    pub(super) fields: &'a [Field],
}

impl Body<'_> {
    fn field(&self, name: &str) -> Option<&[u8]> {
        let field = self.fields.iter().find(|field| &*field.name == name)?;
        self.bytes.get(field.value.clone())
    }

    /// Whether the field is there and not `null`.
    pub(super) fn says(&self, name: &str) -> bool {
        self.field(name).is_some_and(|value| value != b"null")
    }

    fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        serde_json::from_slice(self.field(name)?).ok()
    }
}

/// The body as the vendor wants it, and the names of what it is not told. `most` caps the output.
///
/// # Errors
/// The vendor can't honour a field.
pub(super) fn fit(
    body: Body<'_>,
    call: &Call,
    target: &Target,
    most: Option<i64>,
) -> Result<(Bytes, Vec<String>), Error> {
    let vendor = &target.endpoint.vendor;
    for field in body.fields {
        if let Some(why) = vendor.refuse.get(&*field.name) {
            let message = format!("{} can't be honoured by {}: {why}", field.name, target.provider);
            return Err(Error::new(Kind::UnsupportedField, message).at(&*field.name));
        }
    }
    let model = vendor.model(target.model.as_str());
    let mut changes: Vec<(&str, Change)> = Vec::new();
    // of several changes of a field the first counts
    if let Some(most) = most {
        changes
            .push((vendor.max_output_field.as_str(), Change::Set(most.to_string().into_bytes())));
    }
    // moderations have a model that need not be named
    if call.model != target.model || !body.says("model") {
        changes.push(("model", Change::Set(quoted(target.model.as_str()))));
    }
    // who names the model itself knows what it takes, and is told by the vendor
    let choice = model.filter(|_| !is_named(call, target));
    let dropped = vendor.drop.iter().chain(choice.into_iter().flat_map(|model| &model.drop));
    let mut untold: Vec<String> = Vec::new();
    for name in dropped {
        if body.says(name) {
            untold.push(name.clone());
        }
        changes.push((name, Change::Drop));
    }
    rename(body, vendor, target, &mut changes);
    if vendor.reasoning == ReasoningStyle::Thinking {
        no_thinking(body, &mut changes);
    }
    for (name, values) in choice.into_iter().flat_map(|model| &model.values).chain(&vendor.values) {
        let known = body.text(name).and_then(|said| values.get(&*said));
        changes.extend(known.map(|known| (name.as_str(), Change::Set(quoted(known)))));
    }
    let chats = call.operation == Operation::Chat;
    if chats && call.stream && vendor.include_usage && !call.usage_wanted {
        changes.push(("stream_options", with_usage(body)));
    }
    let roles = vendor.developer_role.as_deref().and_then(|role| with_role(body, role));
    changes.extend(roles.map(|roles| ("messages", roles)));
    Ok((edit(body.bytes, body.fields, &changes), untold))
}

/// Whether the client speaks the vendor's format and asks for this very model, and not for a route or in
/// another format.
fn is_named(call: &Call, target: &Target) -> bool {
    let asked = call.model.as_str();
    let pinned = asked.split_once('/').map_or(asked, |(_, model)| model);
    let named = asked == target.model.as_str() || pinned == target.model.as_str();
    named && call.dialect.speech().wire() == Some(target.endpoint.vendor.format)
}

/// Fields that the vendor knows under another name.
fn rename<'a>(
    body: Body<'_>,
    vendor: &'a Vendor,
    target: &'a Target,
    changes: &mut Vec<(&'a str, Change)>,
) {
    let model = target.endpoint.vendor.model(target.model.as_str());
    let renamed = vendor.rename.iter().chain(model.into_iter().flat_map(|model| &model.rename));
    let mut taken: Vec<&str> = Vec::new();
    for (from, to) in renamed {
        // the name that the vendor knows wins if both are there, and else the first
        if body.says(to) || !body.says(from) || taken.contains(&to.as_str()) {
            changes.push((from.as_str(), Change::Drop));
        } else {
            taken.push(to);
            changes.push((to.as_str(), Change::Drop));
            changes.push((from.as_str(), Change::Rename(to.clone())));
        }
    }
}

/// No effort at all is said by a field of its own.
fn no_thinking(body: Body<'_>, changes: &mut Vec<(&str, Change)>) {
    if body.text("reasoning_effort").as_deref() == Some("none") {
        changes.push(("reasoning_effort", Change::Drop));
        if !body.says("thinking") {
            changes.push(("thinking", Change::Set(br#"{"type":"disabled"}"#.to_vec())));
        }
    }
}

/// Asks for usage, beside what was said of the stream.
fn with_usage(body: Body<'_>) -> Change {
    let asked = br#"{"include_usage":true}"#;
    let said = body.field("stream_options").map(Bytes::copy_from_slice);
    let Some((said, fields)) = said.and_then(|said| scan(&said).ok().map(|fields| (said, fields)))
    else {
        return Change::Set(asked.to_vec());
    };
    let change = Change::Set(b"true".to_vec());
    Change::Set(edit(&said, &fields, &[("include_usage", change)]).to_vec())
}

/// The messages whose role is `developer` get the role `role`; `None` when there is none. Only
/// the roles are touched.
fn with_role(body: Body<'_>, role: &str) -> Option<Change> {
    #[derive(Deserialize)]
    struct Message<'a> {
        #[serde(borrow, default)]
        role: Option<&'a RawValue>,
    }
    let messages = body.field("messages")?;
    memmem::find(messages, b"developer")?;
    // a message that is no object is the provider's to refuse
    let messages: Vec<Message<'_>> = serde_json::from_slice(messages).ok()?;
    let roles = messages.into_iter().filter_map(|message| message.role);
    let patches: Vec<(Range<usize>, Vec<u8>)> = roles
        .filter(|said| {
            serde_json::from_str::<Cow<'_, str>>(said.get()).is_ok_and(|said| said == "developer")
        })
        .map(|said| (place(body.bytes, said.get()), quoted(role)))
        .collect();
    (!patches.is_empty()).then_some(Change::Patch(patches))
}
