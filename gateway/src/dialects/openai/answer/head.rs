//! What is the same in all documents of an answer.

use serde::Serialize;

use super::wire::{Document, Usage};
use crate::call::Call;
use crate::routing::Target;

/// Id, model, time.
pub(super) struct Head {
    id: String,
    model: String,
    created: i64,
    /// The client speaks of functions, not of tools.
    pub(super) legacy: bool,
}

impl Head {
    pub(super) fn new(call: &Call, target: &Target) -> Self {
        Self {
            id: format!("chatcmpl-{}", call.id),
            model: target.model.as_str().to_owned(),
            created: call.id.millis() / 1000,
            legacy: call.field("functions").is_some() && call.field("tools").is_none(),
        }
    }

    /// What the provider calls the answer, and itself.
    pub(super) fn start(&mut self, id: Option<String>, model: Option<String>) {
        self.id = id.unwrap_or_else(|| std::mem::take(&mut self.id));
        self.model = model.unwrap_or_else(|| std::mem::take(&mut self.model));
    }

    pub(super) fn model(&self) -> &str {
        &self.model
    }

    pub(super) fn document<'a, C: Serialize>(
        &'a self,
        object: &'static str,
        choices: &'a [C],
        usage: Option<Option<Usage>>,
    ) -> Document<'a, C> {
        Document { id: &self.id, object, created: self.created, model: &self.model, choices, usage }
    }
}
