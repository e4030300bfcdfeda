//! Events of a stream.

use serde::Serialize;
use serde_json::Value;

use super::items::{Annotation, Item, Part};
use super::response::Response;

/// What an event holds beside its type and number.
#[derive(Serialize, Default)]
pub(super) struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) response: Option<Response<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) item_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) output_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) summary_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) annotation_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) item: Option<&'a Item>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) part: Option<&'a Part>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) delta: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) arguments: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) annotation: Option<&'a Annotation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) logprobs: Option<&'a [Value]>,
}

/// Numbers the events of a stream; writes none where a whole answer is wanted.
pub(super) struct Frames {
    /// Whether there is a stream.
    pub(super) wanted: bool,
    next: u64,
}

#[derive(Serialize)]
struct Event<'a> {
    r#type: &'static str,
    sequence_number: u64,
    #[serde(flatten)]
    body: Body<'a>,
}

impl Frames {
    pub(super) const fn new(wanted: bool) -> Self {
        Self { wanted, next: 0 }
    }

    /// Writes an event.
    pub(super) fn push(&mut self, out: &mut Vec<u8>, kind: &'static str, body: Body<'_>) {
        if !self.wanted {
            return;
        }
        let event = Event { r#type: kind, sequence_number: self.next, body };
        self.next += 1;
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"\ndata: ");
        // writing to memory does not fail
        let written = serde_json::to_writer(&mut *out, &event);
        debug_assert!(written.is_ok(), "{written:?}");
        out.extend_from_slice(b"\n\n");
    }
}
