//! Sound, moderations and changes of images: what only passes. A form is the client's own but for its model; an answer
//! is the provider's own, and only what it used is read.

mod document;
mod events;
mod sound;
mod usage;

use bytes::Bytes;
use http::{HeaderValue, Uri, header};

pub(super) use document::Document;
pub(super) use events::Events;
pub(super) use sound::Sound;

use crate::call::Call;
use crate::error::{Error, Kind};
use crate::providers::Outbound;
use crate::routing::Target;

/// The client's form, to the target.
///
/// # Errors
/// The target can't do this: another one may.
pub(super) fn form(
    call: &Call,
    content_type: &HeaderValue,
    target: &Target,
    uri: Uri,
) -> Result<Outbound, Error> {
    let vendor = &target.endpoint.vendor;
    if vendor.offers.json_only {
        let message = format!("{} takes no forms here, only JSON", target.provider);
        return Err(Error::new(Kind::UnsupportedField, message).at("content-type"));
    }
    for field in &call.fields {
        if let Some(why) = vendor.refuse.get(&*field.name) {
            let message = format!("{} can't be honoured by {}: {why}", field.name, target.provider);
            return Err(Error::new(Kind::UnsupportedField, message).at(&*field.name));
        }
    }
    let mut outbound = Outbound::new(uri, with_model(call, target));
    outbound.headers.push((header::CONTENT_TYPE, content_type.clone()));
    Ok(outbound)
}

/// The form with the target's model in place of the client's.
fn with_model(call: &Call, target: &Target) -> Bytes {
    let model = call.fields.iter().find(|field| &*field.name == "model");
    let Some(model) = model.filter(|_| call.model != target.model) else {
        return call.body.clone();
    };
    let part = |range: std::ops::Range<usize>| call.body.get(range).unwrap_or_default();
    let name = target.model.as_str().as_bytes();
    [part(0..model.value.start), name, part(model.value.end..call.body.len())].concat().into()
}
