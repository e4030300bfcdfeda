//! An answer's deltas as items and events.

use super::frames::{Body, Frames};
use super::items::{Annotation, Item, Part, Summary};
use super::proof::{Of, told};
use super::response::{Ended, Head, Response};
use crate::call::Call;
use crate::call::chat::Source;
use crate::dialects::Renderer;
use crate::reply::{Delta, Finish, Signature, Tally};

pub(super) const GOING: &str = "in_progress";
pub(super) const DONE: &str = "completed";
const CUT: &str = "incomplete";

/// An answer, shown as far as it is known.
pub(super) struct Shown {
    pub(super) head: Head,
    /// Of ids: the call's, so that the same answer has the same ids.
    stem: String,
    pub(super) frames: Frames,
    begun: bool,
    pub(super) items: Vec<Item>,
    /// The message or thoughts that go on.
    pub(super) open: Option<usize>,
    /// Whether the last part of the open message goes on.
    pub(super) part: bool,
    /// Calls of tools that go on: their number and item. They may take turns, so that all go on
    /// until the answer ends.
    calls: Vec<(u32, usize)>,
    /// Sources of a text that is yet to come.
    pub(super) cited: Vec<Annotation>,
    pub(super) refused: bool,
    finish: Option<Finish>,
}

impl Shown {
    pub(super) fn new(call: &Call) -> Self {
        let stem: String = call.id.to_string().chars().filter(|c| *c != '-').collect();
        Self {
            head: Head::new(call, format!("resp_{stem}")),
            stem,
            frames: Frames::new(call.stream),
            begun: false,
            items: Vec::new(),
            open: None,
            part: false,
            calls: Vec::new(),
            cited: Vec::new(),
            refused: false,
            finish: None,
        }
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.begun, true) {
            for kind in ["response.created", "response.in_progress"] {
                let response = Response { head: &self.head, output: &[], ended: None };
                self.frames.push(out, kind, Body { response: Some(response), ..Body::default() });
            }
        }
    }

    pub(super) fn id(&self, prefix: &str) -> String {
        format!("{prefix}_{}{:04x}", self.stem, self.items.len())
    }

    /// A new item.
    pub(super) fn add(&mut self, item: Item, out: &mut Vec<u8>) -> usize {
        let index = self.items.len();
        let body = Body { output_index: Some(index), item: Some(&item), ..Body::default() };
        self.frames.push(out, "response.output_item.added", body);
        self.items.push(item);
        index
    }

    /// An item that is complete.
    fn done(&mut self, index: usize, out: &mut Vec<u8>) {
        let Some(item) = self.items.get(index) else { return };
        let body = Body { output_index: Some(index), item: Some(item), ..Body::default() };
        self.frames.push(out, "response.output_item.done", body);
    }

    /// The thoughts that go on.
    fn thoughts(&mut self, out: &mut Vec<u8>) -> usize {
        let open = self
            .open
            .filter(|index| matches!(self.items.get(*index), Some(Item::Reasoning { .. })));
        let index = open.unwrap_or_else(|| {
            self.close(DONE, out);
            let (id, summary) = (self.id("rs"), Vec::new());
            self.add(Item::Reasoning { id, summary, encrypted_content: None }, out)
        });
        self.open = Some(index);
        index
    }

    fn think(&mut self, more: &str, out: &mut Vec<u8>) {
        let index = self.thoughts(out);
        let Some(Item::Reasoning { id, summary, .. }) = self.items.get_mut(index) else { return };
        let at = || Body {
            item_id: Some(id),
            output_index: Some(index),
            summary_index: Some(0),
            ..Body::default()
        };
        if summary.is_empty() {
            let part = Part::SummaryText { text: String::new() };
            let body = Body { part: Some(&part), ..at() };
            self.frames.push(out, "response.reasoning_summary_part.added", body);
            summary.push(Summary::new(String::new()));
        }
        let body = Body { delta: Some(more), ..at() };
        self.frames.push(out, "response.reasoning_summary_text.delta", body);
        if let Some(part) = summary.last_mut() {
            part.text.push_str(more);
        }
    }

    /// Thoughts are proven, and end.
    fn prove(&mut self, signature: &Signature, of: Of, out: &mut Vec<u8>) {
        if of != Of::Thoughts {
            self.close(DONE, out);
        }
        let index = self.thoughts(out);
        if let Some(Item::Reasoning { encrypted_content, .. }) = self.items.get_mut(index) {
            *encrypted_content = Some(told(signature, of));
        }
        self.close(DONE, out);
    }

    fn call(&mut self, number: u32, call_id: String, name: String, out: &mut Vec<u8>) {
        self.close(DONE, out);
        let (id, arguments) = (self.id("fc"), String::new());
        let item = Item::FunctionCall { id, call_id, name, arguments, status: GOING };
        let index = self.add(item, out);
        self.calls.push((number, index));
    }

    fn arguments(&mut self, number: u32, json: &str, out: &mut Vec<u8>) {
        let Some((_, index)) = self.calls.iter().rev().find(|(known, _)| *known == number) else {
            return;
        };
        if let Some(Item::FunctionCall { id, arguments, .. }) = self.items.get_mut(*index) {
            arguments.push_str(json);
            let body = Body {
                item_id: Some(id),
                output_index: Some(*index),
                delta: Some(json),
                ..Body::default()
            };
            self.frames.push(out, "response.function_call_arguments.delta", body);
        }
    }

    fn image(&mut self, source: Source, out: &mut Vec<u8>) {
        match source {
            Source::Data { media_type, base64 } => {
                self.close(DONE, out);
                let format = media_type.rsplit('/').next().unwrap_or_default().to_owned();
                let item = Item::ImageGenerationCall {
                    id: self.id("ig"),
                    status: DONE,
                    output_format: format,
                    result: base64,
                };
                let index = self.add(item, out);
                self.done(index, out);
            }
            // images stand here by themselves only
            Source::Url { url, .. } => self.text(&url, out),
            Source::Id(_) => {}
        }
    }

    /// Ends the message or thoughts that go on.
    pub(super) fn close(&mut self, status: &'static str, out: &mut Vec<u8>) {
        self.close_part(out);
        let Some(index) = self.open.take() else { return };
        if let Some(Item::Reasoning { id, summary, .. }) = self.items.get(index)
            && let Some(Summary { text, .. }) = summary.first()
        {
            let at = || Body {
                item_id: Some(id),
                output_index: Some(index),
                summary_index: Some(0),
                ..Body::default()
            };
            let body = Body { text: Some(text), ..at() };
            self.frames.push(out, "response.reasoning_summary_text.done", body);
            let part = Part::SummaryText { text: text.clone() };
            let body = Body { part: Some(&part), ..at() };
            self.frames.push(out, "response.reasoning_summary_part.done", body);
        }
        if let Some(item) = self.items.get_mut(index) {
            item.set_status(status);
        }
        self.done(index, out);
    }

    /// Ends all that goes on; the last of it may be cut.
    fn close_all(&mut self, status: &'static str, out: &mut Vec<u8>) {
        let last = self.open.max(self.calls.last().map(|(_, index)| *index));
        let ends = |index: usize| if Some(index) == last { status } else { DONE };
        for (_, index) in std::mem::take(&mut self.calls) {
            let Some(item) = self.items.get_mut(index) else { continue };
            item.set_status(ends(index));
            if let Item::FunctionCall { id, arguments, .. } = item {
                let body = Body {
                    item_id: Some(id),
                    output_index: Some(index),
                    arguments: Some(arguments),
                    ..Body::default()
                };
                self.frames.push(out, "response.function_call_arguments.done", body);
            }
            self.done(index, out);
        }
        if let Some(index) = self.open {
            self.close(ends(index), out);
        }
    }

    fn ended(&self, tally: &Tally) -> Ended {
        Ended::new(self.finish.as_ref(), self.refused, tally)
    }
}

impl Renderer for Shown {
    fn show(&mut self, delta: Delta, out: &mut Vec<u8>) {
        if let Delta::Start { id, model } = delta {
            self.head.id = id.unwrap_or_else(|| std::mem::take(&mut self.head.id));
            self.head.model = model.unwrap_or_else(|| std::mem::take(&mut self.head.model));
            return self.begin(out);
        }
        self.begin(out);
        // there is one choice, always
        match delta {
            Delta::Text { choice: 0, text } if !text.is_empty() => self.text(&text, out),
            Delta::Reasoning { choice: 0, text } if !text.is_empty() => self.think(&text, out),
            Delta::Refusal { choice: 0, text } if !text.is_empty() => self.refusal(&text, out),
            Delta::Signature { choice: 0, signature } => self.prove(&signature, Of::Thoughts, out),
            Delta::Redacted { choice: 0, signature } => self.prove(&signature, Of::Sealed, out),
            Delta::ToolCall { choice: 0, index, id, name, signature } => {
                if let Some(signature) = signature {
                    self.prove(&signature, Of::Call, out);
                }
                self.call(index, id, name, out);
            }
            Delta::Arguments { choice: 0, index, json } if !json.is_empty() => {
                self.arguments(index, &json, out);
            }
            Delta::Image { choice: 0, source } => self.image(source, out),
            Delta::Citation { choice: 0, url, title } => self.cited_at(url, title, out),
            Delta::Own { choice: 0, name, value } => self.own(&name, value),
            Delta::Finish { choice: 0, reason } => {
                self.finish = Some(reason);
                let cut = self.ended(&Tally::default()).incomplete.is_some();
                self.close_all(if cut { CUT } else { DONE }, out);
            }
            _ => {}
        }
    }

    fn end(&mut self, tally: &Tally, out: &mut Vec<u8>) {
        self.begin(out);
        self.close_all(DONE, out);
        let ended = self.ended(tally);
        let kind = match ended.incomplete {
            None => "response.completed",
            Some(_) => "response.incomplete",
        };
        let response = Response { head: &self.head, output: &self.items, ended: Some(ended) };
        if self.frames.wanted {
            self.frames.push(out, kind, Body { response: Some(response), ..Body::default() });
        } else {
            // writing to memory does not fail
            let written = serde_json::to_writer(out, &response);
            debug_assert!(written.is_ok(), "{written:?}");
        }
    }
}
