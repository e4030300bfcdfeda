//! `POST /v1/messages/count_tokens`: an estimate, made here.
//!
//! <https://docs.anthropic.com/en/api/messages-count-tokens>

use bytes::Bytes;
use http::request::Parts;
use schemas::ids::ModelId;
use serde_json::{Value, json};

use super::{begin, read};
use crate::call::Chat;
use crate::call::chat::{Content, Format, Part, Source};
use crate::error::Error;

/// The tokens of an image: what the vendor documents for the largest that it does not scale down
/// (width times height through 750, at 1092 by 1092 pixels).
const IMAGE: usize = 1_590;

/// The tokens of a document whose pages can't be counted here: the upper end of what the vendor
/// documents for the text of a page.
const DOCUMENT: usize = 3_000;

/// Which model is asked about, and the answer: `{"input_tokens": n}`.
///
/// # Errors
/// Names the field and what would be right.
pub fn count(head: &Parts, body: Bytes) -> Result<(ModelId, Value), Error> {
    let call = begin(&head.headers, body)?;
    let tokens = tokens(&read::read(&call.body)?);
    Ok((call.model, json!({ "input_tokens": tokens })))
}

/// The tokens of a chat's input: four bytes each, as all estimates here, and fixed figures for
/// what is no text.
fn tokens(chat: &Chat) -> usize {
    let mut size = Size::default();
    size.parts(&chat.system);
    for message in &chat.messages {
        size.parts(&message.parts);
    }
    for tool in &chat.tools {
        size.bytes += tool.name.len()
            + tool.description.as_deref().map_or(0, str::len)
            + tool.parameters.to_string().len();
    }
    for tool in &chat.hosted_tools {
        size.bytes += tool.to_string().len();
    }
    if let Format::Schema { schema, .. } = &chat.format {
        size.bytes += schema.to_string().len();
    }
    size.bytes.div_ceil(4).saturating_add(size.tokens)
}

#[derive(Default)]
struct Size {
    bytes: usize,
    tokens: usize,
}

impl Size {
    fn parts(&mut self, parts: &[Part]) {
        for part in parts {
            match &part.content {
                Content::Text(text) | Content::Refusal(text) => self.bytes += text.len(),
                // thoughts of earlier turns are not read again, so this is rather too much
                Content::Reasoning { text, .. } => self.bytes += text.len(),
                Content::Redacted(_) => {}
                Content::Image { .. } => self.tokens += IMAGE,
                Content::File { source: Source::Data { media_type, base64 }, .. }
                    if media_type.starts_with("text/") =>
                {
                    self.bytes += base64.len() / 4 * 3;
                }
                Content::File { .. } | Content::Audio(_) | Content::Video(_) => {
                    self.tokens += DOCUMENT;
                }
                Content::ToolCall { name, arguments, .. } => {
                    self.bytes += name.len() + arguments.len();
                }
                Content::ToolResult { parts, .. } => self.parts(parts),
            }
        }
    }
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
                1 + IMAGE,
            ),
            (
                r#""messages":[{"role":"user","content":[{"type":"document","source":{"type":"url","url":"https://x.test/a.pdf"}}]}]"#,
                DOCUMENT,
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
