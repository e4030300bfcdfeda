//! A client's own request: its bytes, edited where they must change.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::call::{Call, place};
use crate::dialects::responses::proof;
use crate::error::{Error, Kind};
use crate::providers::edit::{Change, edit, quoted};
use crate::providers::{Outbound, Wire};
use crate::routing::Target;

pub(super) fn pass(call: &Call, uri: http::Uri, target: &Target) -> Result<Outbound, Error> {
    let vendor = &target.endpoint.vendor;
    for field in &call.fields {
        if let Some(why) = vendor.refuse.get(&*field.name) {
            let message = format!("{} can't be honoured by {}: {why}", field.name, target.provider);
            return Err(Error::new(Kind::UnsupportedField, message).at(&*field.name));
        }
    }
    let mut changes: Vec<(&str, Change)> = Vec::new();
    // of several changes of a field the first counts
    if let (true, Some(most)) = (call.capped, call.max_output) {
        changes.push(("max_output_tokens", Change::Set(most.to_string().into_bytes())));
    }
    if call.model != target.model {
        changes.push(("model", Change::Set(quoted(target.model.as_str()))));
    }
    changes.extend(without_foreign_proofs(call).map(|input| ("input", input)));
    let model = vendor.model(target.model.as_str());
    let dropped = vendor.drop.iter().chain(model.into_iter().flat_map(|model| &model.drop));
    changes.extend(dropped.map(|name| (name.as_str(), Change::Drop)));
    Ok(Outbound::new(uri, edit(&call.body, &call.fields, &changes)))
}

/// The input without the items that carry another vendor's proof of its thoughts: this one would
/// refuse it. `None` when there is none.
fn without_foreign_proofs(call: &Call) -> Option<Change> {
    #[derive(Deserialize)]
    struct Item<'a> {
        #[serde(borrow, default)]
        encrypted_content: Option<Cow<'a, str>>,
    }
    let input = call.field("input")?;
    memmem::find(input, b"encrypted_content")?;
    // an input that is no array of items is the vendor's to refuse
    let raw: Vec<&RawValue> = serde_json::from_slice(input).ok()?;
    let foreign = |item: &RawValue| {
        let item = serde_json::from_str::<Item<'_>>(item.get()).ok();
        let proof = item.and_then(|item| item.encrypted_content);
        proof.is_some_and(|proof| proof::heard(&proof).0.by != Wire::Responses)
    };
    let keeps: Vec<(Range<usize>, bool)> =
        raw.iter().map(|item| (place(&call.body, item.get()), !foreign(item))).collect();
    if keeps.iter().all(|(_, keep)| *keep) {
        return None;
    }
    // each goes with the comma behind it, or the last with that before it
    let last = keeps.iter().rposition(|(_, keep)| *keep);
    let mut patches: Vec<(Range<usize>, Vec<u8>)> = Vec::new();
    for (index, (item, keep)) in keeps.iter().enumerate() {
        let next = keeps.get(index + 1).map(|(next, _)| next.start);
        match (*keep, last) {
            (true, Some(last)) if last == index => {
                let end = keeps.last().map_or(item.end, |(end, _)| end.end);
                patches.push((item.end..end, Vec::new()));
            }
            (false, Some(last)) if index < last => {
                patches.push((item.start..next.unwrap_or(item.end), Vec::new()));
            }
            (false, None) => patches.push((item.start..next.unwrap_or(item.end), Vec::new())),
            _ => {}
        }
    }
    Some(Change::Patch(patches))
}
