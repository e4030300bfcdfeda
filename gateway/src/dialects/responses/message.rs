//! The message of an answer: its texts, their sources, a refusal.

use serde_json::Value;

use super::frames::Body;
use super::items::{Annotation, Item, Part};
use super::render::{DONE, GOING, Shown};

impl Shown {
    /// The message that goes on, with a part of the kind of `fresh` that goes on.
    fn message(&mut self, fresh: Part, out: &mut Vec<u8>) -> usize {
        let open =
            self.open.filter(|index| matches!(self.items.get(*index), Some(Item::Message { .. })));
        let index = open.unwrap_or_else(|| {
            self.close(DONE, out);
            let id = self.id("msg");
            let content = Vec::new();
            self.add(Item::Message { id, status: GOING, role: "assistant", content }, out)
        });
        self.open = Some(index);
        let same = match self.items.get(index) {
            Some(Item::Message { content, .. }) => content
                .last()
                .is_some_and(|last| std::mem::discriminant(last) == std::mem::discriminant(&fresh)),
            _ => false,
        };
        if !(self.part && same) {
            self.close_part(out);
            if let Some(Item::Message { id, content, .. }) = self.items.get_mut(index) {
                let body = Body {
                    item_id: Some(id),
                    output_index: Some(index),
                    content_index: Some(content.len()),
                    part: Some(&fresh),
                    ..Body::default()
                };
                self.frames.push(out, "response.content_part.added", body);
                content.push(fresh);
            }
            self.part = true;
        }
        index
    }

    pub(super) fn text(&mut self, more: &str, out: &mut Vec<u8>) {
        let index = self.message(Part::text(), out);
        if let Some(Item::Message { id, content, .. }) = self.items.get_mut(index) {
            let at = content.len().saturating_sub(1);
            if let Some(Part::OutputText { text, .. }) = content.last_mut() {
                text.push_str(more);
            }
            let body = Body {
                item_id: Some(id),
                output_index: Some(index),
                content_index: Some(at),
                delta: Some(more),
                logprobs: Some(&[]),
                ..Body::default()
            };
            self.frames.push(out, "response.output_text.delta", body);
        }
        self.cite(out);
    }

    /// A source: of the text so far, or of that to come.
    pub(super) fn cited_at(&mut self, url: String, title: Option<String>, out: &mut Vec<u8>) {
        let open = self.open.and_then(|index| self.items.get(index));
        let at = match open {
            Some(Item::Message { content, .. }) => match content.last() {
                Some(Part::OutputText { text, .. }) => text.chars().count(),
                _ => 0,
            },
            _ => 0,
        };
        self.cited.push(Annotation::new(url, title, at));
        self.cite(out);
    }

    /// Notes the sources at the text that goes on, once there is one.
    fn cite(&mut self, out: &mut Vec<u8>) {
        let Some(index) = self.open.filter(|_| self.part) else { return };
        let Some(Item::Message { id, content, .. }) = self.items.get_mut(index) else { return };
        let at = content.len().saturating_sub(1);
        let Some(Part::OutputText { annotations, .. }) = content.last_mut() else { return };
        for annotation in self.cited.drain(..) {
            let body = Body {
                item_id: Some(id),
                output_index: Some(index),
                content_index: Some(at),
                annotation_index: Some(annotations.len()),
                annotation: Some(&annotation),
                ..Body::default()
            };
            self.frames.push(out, "response.output_text.annotation.added", body);
            annotations.push(annotation);
        }
    }

    pub(super) fn refusal(&mut self, more: &str, out: &mut Vec<u8>) {
        self.refused = true;
        let index = self.message(Part::refusal(), out);
        if let Some(Item::Message { id, content, .. }) = self.items.get_mut(index) {
            let at = content.len().saturating_sub(1);
            if let Some(Part::Refusal { refusal }) = content.last_mut() {
                refusal.push_str(more);
            }
            let body = Body {
                item_id: Some(id),
                output_index: Some(index),
                content_index: Some(at),
                delta: Some(more),
                ..Body::default()
            };
            self.frames.push(out, "response.refusal.delta", body);
        }
    }

    pub(super) fn own(&mut self, name: &str, value: Value) {
        match name {
            "service_tier" => self.head.service_tier = Some(value),
            "logprobs" => {
                // a chat has them under `content`
                let list = value.get("content").unwrap_or(&value).as_array().cloned();
                let open = self.open.and_then(|index| self.items.get_mut(index));
                if let (Some(list), Some(Item::Message { content, .. })) = (list, open)
                    && let Some(Part::OutputText { logprobs, .. }) = content.last_mut()
                {
                    logprobs.extend(list);
                }
            }
            _ => {}
        }
    }

    pub(super) fn close_part(&mut self, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.part, false) {
            return;
        }
        let Some(index) = self.open else { return };
        let Some(Item::Message { id, content, .. }) = self.items.get(index) else { return };
        let at = || Body {
            item_id: Some(id),
            output_index: Some(index),
            content_index: Some(content.len().saturating_sub(1)),
            ..Body::default()
        };
        let Some(part) = content.last() else { return };
        match part {
            Part::OutputText { text, logprobs, .. } => {
                let body = Body { text: Some(text), logprobs: Some(logprobs), ..at() };
                self.frames.push(out, "response.output_text.done", body);
            }
            Part::Refusal { refusal } => {
                let body = Body { refusal: Some(refusal), ..at() };
                self.frames.push(out, "response.refusal.done", body);
            }
            Part::SummaryText { .. } => {}
        }
        let body = Body { part: Some(part), ..at() };
        self.frames.push(out, "response.content_part.done", body);
    }
}
