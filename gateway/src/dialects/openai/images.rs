//! Images, as clients ask for them: `POST /v1/images/generations`. Vendors differ too much here for bytes
//! to pass: all of it is read and shown.

use bytes::Bytes;
use http::HeaderMap;
use schemas::event::{Meter, Operation};
use serde_json::{Map, Value, json};

use crate::call::Call;
use crate::call::chat::Source;
use crate::dialects::fields::Rule::{Pass, Read, Refuse};
use crate::dialects::fields::Shape::{Any, Text, Whole};
use crate::dialects::fields::Table;
use crate::dialects::start::{model, require, start, text, whole};
use crate::dialects::{Dialect, Renderer};
use crate::error::Error;
use crate::reply::{Delta, Tally};

const IMAGES: Table = &[
    ("model", Read(Text)),
    ("prompt", Read(Text)),
    ("n", Read(Whole(1))),
    ("size", Pass(Text)),
    ("quality", Pass(Text)),
    ("output_format", Pass(Text)),
    ("response_format", Pass(Text)),
    ("user", Read(Text)),
    ("safety_identifier", Read(Text)),
    ("image", Pass(Any)),
    ("stream", Refuse("images are not streamed here; leave it out")),
];

/// The call of a request for images.
///
/// # Errors
/// Names the field and what would be right.
pub(super) fn parse(headers: &HeaderMap, body: Bytes) -> Result<Call, Error> {
    let mut call = start(Dialect::OpenAiImages, Operation::Image, headers, body, IMAGES)?;
    require(&call, "model", "the name of a model")?;
    require(&call, "prompt", "what the images shall show")?;
    call.model = model(&call)?;
    call.user = ["safety_identifier", "user"].iter().find_map(|name| text(&call, name));
    call.choices = whole(&call, "n").unwrap_or(1);
    Ok(call)
}

/// Shows images, all at once.
pub(super) struct Images {
    created: i64,
    data: Vec<Value>,
}

impl Images {
    pub(super) fn new(call: &Call) -> Self {
        Self { created: call.id.millis() / 1000, data: Vec::new() }
    }
}

impl Renderer for Images {
    fn show(&mut self, delta: Delta, _: &mut Vec<u8>) {
        if let Delta::Image { source, .. } = delta {
            match source {
                Source::Data { base64, .. } => self.data.push(json!({"b64_json": base64})),
                Source::Url { url, .. } => self.data.push(json!({"url": url})),
                Source::Id(_) => {}
            }
        }
    }

    fn end(&mut self, tally: &Tally, out: &mut Vec<u8>) {
        let mut answer = Map::new();
        answer.insert("created".into(), self.created.into());
        answer.insert("data".into(), std::mem::take(&mut self.data).into());
        let (input, made) = (tally.input(), tally.output());
        // vendors that count images tell no tokens
        if input > 0 {
            let seen = tally.units(Meter::InputImage);
            let usage = json!({
                "input_tokens": input,
                "output_tokens": made,
                "total_tokens": input.saturating_add(made),
                "input_tokens_details": {"image_tokens": seen, "text_tokens": input - seen},
            });
            answer.insert("usage".into(), usage);
        }
        out.extend_from_slice(Value::Object(answer).to_string().as_bytes());
    }
}
