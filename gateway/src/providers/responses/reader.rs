//! What the parts of an answer say, whether they come whole or piece by piece.

use std::borrow::Cow;
use std::sync::Arc;

use schemas::event::AttemptError;
use serde_json::json;
use serde_json::value::RawValue;

use super::wire::{Item, Response};
use super::{items, usage};
use crate::providers::compat::Vendor;
use crate::providers::{Endpoint, Failure, Wanted, Wire};
use crate::reply::{Delta, Finish, Signature, Tally};

/// Reads the parts of one answer.
pub(super) struct Reader {
    endpoint: Arc<Endpoint>,
    wanted: Wanted,
    /// What was counted.
    pub(super) tally: Tally,
    /// The deltas of the piece that is being read.
    deltas: Vec<Delta>,
    /// What was given of each item.
    given: Vec<Given>,
    calls: u32,
    searches: i64,
    started: bool,
    seen: bool,
    refused: bool,
}

/// What was given of an item.
struct Given {
    /// Its place in the output.
    item: u32,
    /// Its number, where it is a call of a function.
    call: Option<u32>,
    /// Bytes of its text.
    bytes: usize,
}

/// A kind of text.
#[derive(Clone, Copy)]
pub(super) enum Said {
    /// What is said.
    Text,
    /// What was thought.
    Thoughts,
    /// A refusal.
    Refusal,
}

impl Reader {
    pub(super) fn new(endpoint: &Arc<Endpoint>, wanted: Wanted) -> Self {
        Self {
            endpoint: Arc::clone(endpoint),
            wanted,
            tally: Tally::default(),
            deltas: Vec::new(),
            given: Vec::new(),
            calls: 0,
            searches: 0,
            started: false,
            seen: false,
            refused: false,
        }
    }

    pub(super) fn vendor(&self) -> &Vendor {
        &self.endpoint.vendor
    }

    /// The deltas since the last time.
    pub(super) fn take(&mut self) -> Vec<Delta> {
        std::mem::take(&mut self.deltas)
    }

    /// Whether a response is yet to be announced.
    pub(super) const fn is_new(&self) -> bool {
        !self.started
    }

    /// Whether no item was seen.
    pub(super) const fn is_empty(&self) -> bool {
        !self.seen
    }

    pub(super) fn start(&mut self, said: &Response<'_>) {
        let owned = |text: &Option<Cow<'_, str>>| text.as_deref().map(str::to_owned);
        if !std::mem::replace(&mut self.started, true) && self.wanted == Wanted::Deltas {
            self.deltas.push(Delta::Start { id: owned(&said.id), model: owned(&said.model) });
        }
    }

    /// Gives a delta, where one is wanted.
    fn give(&mut self, delta: impl FnOnce() -> Delta) {
        if self.wanted == Wanted::Deltas {
            if !std::mem::replace(&mut self.started, true) {
                self.deltas.push(Delta::Start { id: None, model: None });
            }
            self.deltas.push(delta());
        }
    }

    fn given(&mut self, item: u32) -> Option<&mut Given> {
        self.seen = true;
        match self.given.iter().rposition(|given| given.item == item) {
            Some(at) => self.given.get_mut(at),
            None => {
                self.given.push(Given { item, call: None, bytes: 0 });
                self.given.last_mut()
            }
        }
    }

    /// How many bytes were given of an item.
    fn bytes(&self, item: u32) -> usize {
        let given = self.given.iter().rfind(|given| given.item == item);
        given.map_or(0, |given| given.bytes)
    }

    fn weigh(&mut self, item: u32, bytes: usize) {
        if let Some(given) = self.given(item) {
            given.bytes = given.bytes.saturating_add(bytes);
        }
        self.tally.content_bytes = self.tally.content_bytes.saturating_add(bytes as u64);
    }

    /// More text of an item; tells whether it is any.
    pub(super) fn say(&mut self, item: u32, what: Said, text: &str) -> bool {
        if text.is_empty() {
            return false;
        }
        self.weigh(item, text.len());
        self.refused |= matches!(what, Said::Refusal);
        self.give(|| {
            let (choice, text) = (0, text.to_owned());
            match what {
                Said::Text => Delta::Text { choice, text },
                Said::Thoughts => Delta::Reasoning { choice, text },
                Said::Refusal => Delta::Refusal { choice, text },
            }
        });
        true
    }

    /// Another part of the thoughts begins: an empty line, which is nobody's content.
    pub(super) fn part(&mut self, item: u32) {
        if self.bytes(item) > 0 {
            self.give(|| Delta::Reasoning { choice: 0, text: "\n\n".into() });
        }
    }

    /// Log probabilities of the text, as a chat has them.
    pub(super) fn logprobs(&mut self, raw: Option<&RawValue>) {
        if self.wanted != Wanted::Deltas {
            return;
        }
        let list =
            raw.and_then(|raw| serde_json::from_str::<Vec<serde_json::Value>>(raw.get()).ok());
        if let Some(list) = list.filter(|list| !list.is_empty()) {
            let value = json!({"content": list});
            self.give(|| Delta::Own { choice: 0, name: "logprobs".into(), value });
        }
    }

    pub(super) fn cite(&mut self, url: &str, title: Option<&str>) {
        self.give(|| Delta::Citation {
            choice: 0,
            url: url.to_owned(),
            title: title.map(str::to_owned),
        });
    }

    /// Gives what has no text.
    pub(super) fn deliver(&mut self, delta: impl FnOnce() -> Delta) {
        self.give(delta);
    }

    /// A call of a function, once.
    pub(super) fn call(&mut self, item: u32, said: &Item<'_>) {
        if self.given.iter().any(|given| given.item == item) {
            return;
        }
        let name = said.name.as_deref().unwrap_or_default();
        // tools whose input is no JSON are counted, and known to clients of this format only
        let number = (said.kind == "function_call").then_some(self.calls);
        self.calls += 1;
        if let Some(given) = self.given(item) {
            given.call = number;
        }
        self.tally.content_bytes = self.tally.content_bytes.saturating_add(name.len() as u64);
        if let Some(index) = number {
            self.give(|| Delta::ToolCall {
                choice: 0,
                index,
                id: said.call_id.as_deref().unwrap_or_default().to_owned(),
                name: name.to_owned(),
                signature: None,
            });
        }
    }

    /// More arguments of a call, or all of them where none were given.
    pub(super) fn arguments(&mut self, item: u32, json: &str, all: bool) -> bool {
        if json.is_empty() || (all && self.bytes(item) > 0) {
            return false;
        }
        let number = self.given(item).and_then(|given| given.call);
        self.weigh(item, json.len());
        if let Some(index) = number {
            self.give(|| Delta::Arguments { choice: 0, index, json: json.to_owned() });
        }
        true
    }

    pub(super) const fn search(&mut self) {
        self.searches += 1;
    }

    /// An item is complete: gives what was not given; tells whether there is content.
    pub(super) fn item(&mut self, item: u32, raw: &RawValue) -> bool {
        self.seen = true;
        match serde_json::from_str::<Item<'_>>(raw.get()) {
            Ok(said) => items::done(self, item, &said),
            // an item of an unknown shape is of no interest
            Err(_) => false,
        }
    }

    /// Whether all of an item's text is yet to be given.
    pub(super) fn lacks(&self, item: u32) -> bool {
        self.bytes(item) == 0
    }

    /// The proof of thoughts; of none that are shown, where none were given.
    pub(super) fn prove(&mut self, item: u32, proof: &str) {
        let shown = self.bytes(item) > 0;
        self.give(|| {
            let (choice, signature) = (0, Signature::new(Wire::Responses, proof));
            match shown {
                true => Delta::Signature { choice, signature },
                false => Delta::Redacted { choice, signature },
            }
        });
    }

    /// The answer is complete.
    ///
    /// # Errors
    /// It failed instead.
    pub(super) fn finish(&mut self, said: &Response<'_>, raw: &[u8]) -> Result<(), Failure> {
        let status = said.status.as_deref().unwrap_or("completed");
        if said.error.is_some_and(|error| error.get() != "null") || status == "failed" {
            return Err(super::failure::of_event(self.vendor(), raw));
        }
        if matches!(status, "cancelled" | "queued" | "in_progress") {
            return Err(Failure::of(AttemptError::Broken));
        }
        self.start(said);
        if let Some(tier) = said.service_tier.as_deref() {
            let (name, value) = ("service_tier".to_owned(), tier.into());
            self.give(|| Delta::Own { choice: 0, name, value });
        }
        let endpoint = Arc::clone(&self.endpoint);
        usage::enter(said, self.searches, &endpoint.vendor, &mut self.tally);
        let why = said.incomplete_details.as_ref().and_then(|details| details.reason.as_deref());
        let reason = match (why, status) {
            (Some("max_output_tokens"), _) => Finish::Length,
            (Some("content_filter"), _) => Finish::ContentFilter,
            (Some(other), _) => Finish::Other(other.to_owned()),
            (None, "incomplete") => Finish::Other("incomplete".into()),
            (None, _) if self.calls > 0 => Finish::ToolCalls,
            (None, _) if self.refused => Finish::Refusal,
            (None, _) => Finish::Stop,
        };
        self.give(|| Delta::Finish { choice: 0, reason });
        Ok(())
    }
}
