//! What a document of Ollama's says, and what it amounts to.

use schemas::event::{Meter, Quantity};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::wire::{Answer, SaidCall};
use crate::call::Call;
use crate::providers::text::Text;
use crate::providers::{PieceKind, Wanted};
use crate::reply::{Delta, Finish, Tally};

/// Reads the documents of one answer.
pub(super) struct Reader {
    wanted: Wanted,
    seed: u64,
    started: bool,
    /// Calls of tools so far.
    calls: u32,
    pub(super) tally: Tally,
}

impl Reader {
    pub(super) fn new(call: &Call, wanted: Wanted) -> Self {
        let seed = call.id.seed();
        Self { wanted, seed, started: false, calls: 0, tally: Tally::default() }
    }

    /// Appends what the document says.
    pub(super) fn read(&mut self, answer: Answer<'_>, deltas: &mut Vec<Delta>) -> PieceKind {
        if !self.started {
            self.started = true;
            let model = answer.model;
            self.say(deltas, || Delta::Start { id: None, model: model.map(Text::into_owned) });
        }
        let mut content = false;
        if let Some(message) = answer.message {
            for (text, is_thought) in [(message.thinking, true), (message.content, false)] {
                let Some(text) = text.filter(|text| !text.is_empty()) else { continue };
                content = true;
                self.weigh(text.len());
                self.say(deltas, || {
                    let (choice, text) = (0, text.into_owned());
                    match is_thought {
                        true => Delta::Reasoning { choice, text },
                        false => Delta::Text { choice, text },
                    }
                });
            }
            for call in message.tool_calls.unwrap_or_default() {
                content = true;
                self.call(call, deltas);
            }
        }
        for (index, values) in (0..).zip(answer.embeddings.unwrap_or_default()) {
            content = true;
            self.say(deltas, || Delta::Embedding { index, values });
        }
        // its tokens are told as OpenAI's are
        let tokens = answer.logprobs.filter(|_| self.wanted == Wanted::Deltas);
        let tokens = tokens.and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok());
        if let Some(tokens) =
            tokens.filter(|tokens| tokens.as_array().is_some_and(|all| !all.is_empty()))
        {
            let value = json!({ "content": tokens });
            deltas.push(Delta::Own { choice: 0, name: "logprobs".into(), value });
        }
        self.count(answer.prompt_eval_count, answer.eval_count);
        let done = answer.done == Some(true);
        if done {
            let reason = self.finish(answer.done_reason.as_deref().unwrap_or_default());
            self.say(deltas, || Delta::Finish { choice: 0, reason });
        }
        match (done, content) {
            (true, _) => PieceKind::Terminal,
            (false, true) => PieceKind::Content,
            (false, false) => PieceKind::Preamble,
        }
    }

    fn say(&self, deltas: &mut Vec<Delta>, delta: impl FnOnce() -> Delta) {
        if self.wanted == Wanted::Deltas {
            deltas.push(delta());
        }
    }

    /// A call comes whole.
    fn call(&mut self, call: SaidCall<'_>, deltas: &mut Vec<Delta>) {
        let (choice, index) = (0, self.calls);
        self.calls = self.calls.saturating_add(1);
        let made_up = || format!("call_{:016x}_{index}", self.seed);
        let id = call.id.filter(|id| !id.is_empty()).map_or_else(made_up, Text::into_owned);
        let name: String = call.function.name.into();
        let json = call.function.arguments.map_or("{}", RawValue::get);
        // some that imitate it give the text of an object
        let json = serde_json::from_str::<String>(json).unwrap_or_else(|_| json.to_owned());
        self.weigh(name.len() + json.len());
        self.say(deltas, || Delta::ToolCall { choice, index, id, name, signature: None });
        self.say(deltas, || Delta::Arguments { choice, index, json });
    }

    fn weigh(&mut self, bytes: usize) {
        self.tally.content_bytes = self.tally.content_bytes.saturating_add(bytes as u64);
    }

    /// What is not told, or told as nothing, was not counted.
    fn count(&mut self, prompt: Option<i64>, output: Option<i64>) {
        for (meter, units) in [(Meter::Input, prompt), (Meter::Output, output)] {
            let Some(units) = units.filter(|units| *units > 0) else { continue };
            self.tally.quantities.retain(|known| known.meter != meter);
            self.tally.quantities.push(Quantity { meter, units });
            self.tally.reported = true;
        }
    }

    /// It says `stop` also where tools are to be run.
    fn finish(&self, reason: &str) -> Finish {
        match reason {
            "" | "stop" if self.calls > 0 => Finish::ToolCalls,
            "" | "stop" => Finish::Stop,
            "length" => Finish::Length,
            other => Finish::Other(other.to_owned()),
        }
    }
}
