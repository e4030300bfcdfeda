//! `POST /v1/messages/count_tokens`: an estimate, made here.
//!
//! <https://docs.anthropic.com/en/api/messages-count-tokens>

use bytes::Bytes;
use http::request::Parts;
use schemas::ids::ModelId;
use serde_json::{Value, json};

use super::{begin, read};
use crate::dialects::size::{Media, tokens};
use crate::error::Error;

/// An image: what the vendor documents for the largest that it does not scale down (width times height
/// through 750, at 1092 by 1092 pixels). A document whose pages can't be counted here: the upper end of
/// what the vendor documents for the text of a page.
const MEDIA: Media = Media { image: 1_590, other: 3_000 };

/// Which model is asked about, and the answer: `{"input_tokens": n}`.
///
/// # Errors
/// Names the field and what would be right.
pub fn count(head: &Parts, body: Bytes) -> Result<(ModelId, Value), Error> {
    let call = begin(&head.headers, body)?;
    let tokens = tokens(&read::read(&call.body)?, MEDIA);
    Ok((call.model, json!({ "input_tokens": tokens })))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Parts {
        http::Request::post("/v1/messages/count_tokens").body(()).unwrap().into_parts().0
    }

    #[test]
    fn what_is_asked_is_estimated() {
        for (more, tokens) in [
            (r#""messages":[{"role":"user","content":"12345678"}]"#, 2),
            (r#""messages":[{"role":"user","content":"123456789"}],"system":"123""#, 3),
            (
                r#""messages":[{"role":"user","content":[{"type":"text","text":"1234"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAAAAAA"}}]}]"#,
                1 + MEDIA.image,
            ),
            (
                r#""messages":[{"role":"user","content":[{"type":"document","source":{"type":"url","url":"https://x.test/a.pdf"}}]}]"#,
                MEDIA.other,
            ),
            (
                r#""messages":[{"role":"user","content":"1234"}],"tools":[{"name":"abcd","description":"1234","input_schema":{"a":"12"}}]"#,
                1 + 2 + 3,
            ),
            (
                r#""messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"x","content":[{"type":"text","text":"12345678"}]}]}]"#,
                2,
            ),
        ] {
            let body = format!("{{\"model\":\"m\",{more}}}");
            let (model, counted) = count(&head(), body.into()).unwrap();
            assert_eq!(counted, json!({ "input_tokens": tokens }), "{more}");
            assert_eq!(model.as_str(), "m");
        }
        let error = count(&head(), r#"{"model":"m"}"#.into()).unwrap_err();
        assert_eq!(error.field.as_deref(), Some("messages"));
    }
}
