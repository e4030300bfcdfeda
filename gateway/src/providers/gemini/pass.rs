//! Requests in Google's own format: the client's bytes, but for what must change.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;
use memchr::memmem;
use schemas::event::Operation;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{address, proof};
use crate::call::{Call, place, scan};
use crate::error::Error;
use crate::providers::Outbound;
use crate::providers::edit::{Change, edit, quoted};
use crate::routing::Target;

/// The client's own request.
pub(super) fn pass(call: &Call, target: &Target) -> Result<Outbound, Error> {
    let batch = call.field("requests").is_some();
    let method = match call.operation {
        Operation::Embeddings if batch => "batchEmbedContents",
        Operation::Embeddings => "embedContent",
        _ if call.stream => "streamGenerateContent?alt=sse",
        _ => "generateContent",
    };
    let resource = address::resource(target);
    let mut changes: Vec<(&str, Change)> = Vec::new();
    // the body may name the model once more, and must then name the same
    if call.field("model").is_some_and(|said| said != quoted(&resource)) {
        changes.push(("model", Change::Set(quoted(&resource))));
    }
    if batch {
        changes.extend(with_model(call, &resource).map(|change| ("requests", change)));
    }
    changes.extend(with_own_proofs(call).map(|change| ("contents", change)));
    if let (true, Some(most)) = (call.capped, call.max_output) {
        changes.push(capped(call, most));
    }
    let body = edit(&call.body, &call.fields, &changes);
    Ok(Outbound::new(address::of(target, method)?, body))
}

/// The configuration, in the client's spelling, with a cap.
fn capped(call: &Call, most: i64) -> (&'static str, Change) {
    let said = |name: &str| call.field(name).filter(|value| *value != b"null");
    let (name, said) = match said("generation_config") {
        Some(said) => ("generation_config", Some(said)),
        None => ("generationConfig", said("generationConfig")),
    };
    let most = most.to_string().into_bytes();
    let inner = said.map(Bytes::copy_from_slice);
    let inner = inner.and_then(|inner| scan(&inner).ok().map(|fields| (inner, fields)));
    let Some((inner, fields)) = inner else {
        return (name, Change::Set([b"{\"maxOutputTokens\":", &most[..], b"}"].concat()));
    };
    let changes = [("maxOutputTokens", Change::Set(most)), ("max_output_tokens", Change::Drop)];
    (name, Change::Set(edit(&inner, &fields, &changes).to_vec()))
}

/// The embeddings' requests, each of which names the model.
fn with_model(call: &Call, resource: &str) -> Option<Change> {
    #[derive(Deserialize)]
    struct Request<'a> {
        #[serde(borrow, default)]
        model: Option<&'a RawValue>,
    }
    let requests: Vec<Request<'_>> = serde_json::from_slice(call.field("requests")?).ok()?;
    let wanted = quoted(resource);
    let models = requests.into_iter().filter_map(|request| request.model);
    let patches = models.filter(|said| said.get().as_bytes() != wanted);
    patched(patches.map(|said| (place(&call.body, said.get()), wanted.clone())).collect())
}

/// Proofs that earlier turns brought from other vendors, which Google would refuse, give way to its
/// own stand-in.
fn with_own_proofs(call: &Call) -> Option<Change> {
    #[derive(Deserialize)]
    struct Content<'a> {
        #[serde(borrow, default)]
        parts: Option<Vec<Part<'a>>>,
    }
    #[derive(Deserialize)]
    struct Part<'a> {
        #[serde(borrow, default, rename = "thoughtSignature", alias = "thought_signature")]
        signature: Option<&'a RawValue>,
    }
    let said = call.field("contents")?;
    let mut starts = proof::foreign_starts();
    if !starts.any(|start| memmem::find(said, format!("\"{start}").as_bytes()).is_some()) {
        return None;
    }
    let contents: Vec<Content<'_>> = serde_json::from_slice(said).ok()?;
    let parts = contents.into_iter().filter_map(|content| content.parts).flatten();
    let is_foreign = |said: &&RawValue| {
        let text = serde_json::from_str::<Cow<'_, str>>(said.get()).unwrap_or_default();
        proof::heard(&text)
            .is_some_and(|proof| proof.for_target(crate::providers::Wire::Gemini).is_none())
    };
    let foreign = parts.filter_map(|part| part.signature).filter(is_foreign);
    patched(foreign.map(|said| (place(&call.body, said.get()), quoted(proof::NONE))).collect())
}

fn patched(patches: Vec<(Range<usize>, Vec<u8>)>) -> Option<Change> {
    (!patches.is_empty()).then_some(Change::Patch(patches))
}
