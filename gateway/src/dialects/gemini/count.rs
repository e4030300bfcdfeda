//! `POST /v1beta/models/{model}:countTokens`: an estimate, made here.
//!
//! <https://ai.google.dev/api/tokens>

use bytes::Bytes;
use http::request::Parts;
use schemas::event::Operation;
use schemas::ids::ModelId;
use serde_json::{Value, json};

use super::object::wrong;
use super::path::{self, Method};
use super::{GENERATE, request};
use crate::dialects::Dialect;
use crate::dialects::size::{Media, tokens};
use crate::dialects::start::{model_of, require, start};
use crate::error::Error;

/// What the vendor documents for an image and for a page of a document, as it reads them unless it is told
/// otherwise: <https://ai.google.dev/gemini-api/docs/media-resolution>.
const MEDIA: Media = Media { image: 1_120, other: 560 };

/// The whole request to be counted stands under this name, unless only its contents are given.
const WHOLE: [&str; 2] = ["generateContentRequest", "generate_content_request"];

/// Which model is asked about, and the answer: `{"totalTokens": n}`.
///
/// # Errors
/// Names the field and what would be right.
pub fn count(head: &Parts, body: Bytes) -> Result<(ModelId, Value), Error> {
    let (model, method) = path::read(&head.uri)?;
    if method != Method::Count {
        return Err(path::unknown("countTokens"));
    }
    let model = model_of(&model)?;
    let mut call = start(Dialect::Gemini, Operation::Chat, &head.headers, body, GENERATE)?;
    let there = |name: &'static str| Some((name, call.field(name).filter(|it| *it != b"null")?));
    if let Some((name, whole)) = WHOLE.into_iter().find_map(there) {
        if call.field("contents").is_some() {
            return Err(wrong("contents", &format!("left out beside {name}")));
        }
        if !whole.starts_with(b"{") {
            return Err(wrong(name, "an object"));
        }
        let whole = Bytes::copy_from_slice(whole);
        call = start(Dialect::Gemini, Operation::Chat, &head.headers, whole, GENERATE)?;
    }
    require(&call, "contents", "an array of contents")?;
    let tokens = tokens(&request::read(&call)?, MEDIA);
    Ok((model, json!({ "totalTokens": tokens })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_is_estimated() {
        for (body, wanted) in [
            (r#"{"contents":[{"parts":[{"text":"123456789"}]}]}"#, Ok(3)),
            (
                r#"{"generateContentRequest":null,"contents":[{"role":"user","parts":[{"text":"1234"},{"inlineData":{"mimeType":"image/png","data":"AAAA"}}]}]}"#,
                Ok(1 + MEDIA.image),
            ),
            (
                r#"{"generateContentRequest":{"model":"models/m","contents":[{"parts":[{"text":"1234"}]}],"systemInstruction":{"parts":[{"text":"1234"}]},"tools":[{"functionDeclarations":[{"name":"abcd","description":"1234"}]}]}}"#,
                Ok(1 + 1 + 2 + 9), // without parameters, an empty object is their schema
            ),
            (
                r#"{"generate_content_request":{"contents":[{"parts":[{"fileData":{"fileUri":"https://x.test/a.pdf","mimeType":"application/pdf"}}]}]}}"#,
                Ok(MEDIA.other),
            ),
            (r#"{"generateContentRequest":{},"contents":[]}"#, Err("contents")),
            (r#"{"generateContentRequest":{}}"#, Err("contents")),
            (r#"{"generateContentRequest":3}"#, Err("generateContentRequest")),
            (r#"{}"#, Err("contents")),
        ] {
            for version in ["v1", "v1beta"] {
                let path = format!("/{version}/models/a%2Fm:countTokens");
                let head = http::Request::post(path).body(()).unwrap().into_parts().0;
                let counted = count(&head, body.into());
                let counted = counted.map_err(|error| error.field.unwrap_or_default().to_string());
                let wanted = wanted.map(|n| ("a/m".into(), json!({ "totalTokens": n })));
                assert_eq!(counted, wanted.map_err(str::to_owned), "{body}");
            }
        }
    }
}
