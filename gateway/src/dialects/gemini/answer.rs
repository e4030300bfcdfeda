//! An answer as Google's clients are shown it, whole or as a stream of answers that hold what is new.

use std::collections::BTreeMap;

use schemas::event::Meter;
use serde_json::{Map, Value, json};

use super::logprobs;
use crate::call::Call;
use crate::call::chat::Source;
use crate::dialects::Renderer;
use crate::providers::gemini_proof as proof;
use crate::reply::{Delta, Finish, Signature, Tally};
use crate::routing::Target;

/// What is shown of an answer.
pub(super) struct Shown {
    stream: bool,
    listed: bool,
    id: String,
    model: String,
    choices: BTreeMap<u32, Choice>,
}

#[derive(Default)]
struct Choice {
    /// Parts that were not shown yet.
    parts: Vec<Value>,
    /// Calls, shown at the end: Google's clients get their arguments whole.
    calls: BTreeMap<u32, Called>,
    finish: Option<Finish>,
    sources: Vec<Value>,
    logprobs: Option<Value>,
}

#[derive(Default)]
struct Called {
    id: String,
    name: String,
    json: String,
    signature: Option<Signature>,
}

impl Shown {
    pub(super) fn new(call: &Call, target: &Target) -> Self {
        Self {
            stream: call.stream,
            listed: call.listed,
            id: call.id.to_string(),
            model: target.model.to_string(),
            choices: BTreeMap::new(),
        }
    }

    fn choice(&mut self, index: u32) -> &mut Choice {
        self.choices.entry(index).or_default()
    }

    fn part(&mut self, index: u32, part: Value, out: &mut Vec<u8>) {
        if !self.stream {
            self.choice(index).add(part);
            return;
        }
        self.choice(index);
        let content = json!({"role": "model", "parts": [part]});
        let answer = self.answer(vec![json!({"index": index, "content": content})]);
        event(&answer.into(), out);
    }

    fn answer(&self, candidates: Vec<Value>) -> Map<String, Value> {
        let mut answer = Map::new();
        answer.insert("candidates".into(), candidates.into());
        answer.insert("modelVersion".into(), self.model.as_str().into());
        answer.insert("responseId".into(), self.id.as_str().into());
        answer
    }
}

impl Renderer for Shown {
    fn show(&mut self, delta: Delta, out: &mut Vec<u8>) {
        match delta {
            Delta::Start { id, model } => {
                self.id = id.unwrap_or_else(|| std::mem::take(&mut self.id));
                self.model = model.unwrap_or_else(|| std::mem::take(&mut self.model));
            }
            // Google has no words for a refusal but the answer's own
            Delta::Text { choice, text } | Delta::Refusal { choice, text } => {
                if !text.is_empty() {
                    self.part(choice, json!({"text": text}), out);
                }
            }
            Delta::Reasoning { choice, text } => {
                if !text.is_empty() {
                    self.part(choice, json!({"text": text, "thought": true}), out);
                }
            }
            Delta::Signature { choice, signature } => {
                let proof = proof::told(&signature);
                let part = json!({"text": "", "thought": true, "thoughtSignature": proof});
                self.part(choice, part, out);
            }
            Delta::Redacted { choice, signature } => {
                let proof = proof::told(&signature);
                self.part(choice, json!({"thought": true, "thoughtSignature": proof}), out);
            }
            Delta::Image { choice, source } => self.part(choice, image(source), out),
            Delta::ToolCall { choice, index, id, name, signature } => {
                let json = String::new();
                self.choice(choice).calls.insert(index, Called { id, name, json, signature });
            }
            Delta::Arguments { choice, index, json } => {
                self.choice(choice).calls.entry(index).or_default().json.push_str(&json);
            }
            Delta::Citation { choice, url, title } => {
                let mut web = json!({"uri": url});
                if let (Value::Object(web), Some(title)) = (&mut web, title) {
                    web.insert("title".into(), title.into());
                }
                self.choice(choice).sources.push(json!({"web": web}));
            }
            Delta::Own { choice, name, value } if name == "logprobs" => {
                logprobs::add(&mut self.choice(choice).logprobs, &value);
            }
            Delta::Finish { choice, reason } => self.choice(choice).finish = Some(reason),
            Delta::Own { .. } | Delta::Embedding { .. } => {}
        }
    }

    fn end(&mut self, tally: &Tally, out: &mut Vec<u8>) {
        let stream = self.stream;
        let choices = std::mem::take(&mut self.choices).into_iter();
        let candidates = choices.map(|(index, choice)| choice.ended(index, stream)).collect();
        let mut answer = self.answer(candidates);
        answer.insert("usageMetadata".into(), usage(tally));
        let answer = Value::from(answer);
        match (self.stream, self.listed) {
            (true, _) => event(&answer, out),
            (false, true) => out.extend(format!("[{answer}]").into_bytes()),
            (false, false) => out.extend(answer.to_string().into_bytes()),
        }
    }
}

impl Choice {
    /// Adds a part, joined to the last where it goes on with the same.
    fn add(&mut self, part: Value) {
        let (Some(Value::Object(last)), Value::Object(new)) = (self.parts.last_mut(), &part) else {
            self.parts.push(part);
            return;
        };
        let goes_on = last.contains_key("text")
            && new.contains_key("text")
            && last.get("thought") == new.get("thought")
            && !last.contains_key("thoughtSignature");
        if !goes_on {
            self.parts.push(part);
            return;
        }
        if let (Some(Value::String(text)), Some(Value::String(more))) =
            (last.get_mut("text"), new.get("text"))
        {
            text.push_str(more);
        }
        let proof = new.get("thoughtSignature").cloned();
        last.extend(proof.map(|proof| ("thoughtSignature".to_owned(), proof)));
    }

    /// The candidate at its end.
    fn ended(mut self, index: u32, stream: bool) -> Value {
        let mut wrong = false;
        for (at, called) in std::mem::take(&mut self.calls).into_values().enumerate() {
            match called.shown(at == 0) {
                Some(part) => self.parts.push(part),
                None => wrong = true,
            }
        }
        if stream && self.parts.is_empty() {
            // clients keep no turn that ends without a part
            self.parts.push(json!({"text": ""}));
        }
        let (reason, message) = reason(self.finish.as_ref());
        let reason = if wrong { "MALFORMED_FUNCTION_CALL" } else { reason };
        let mut candidate = Map::new();
        candidate.insert("index".into(), index.into());
        candidate.insert("finishReason".into(), reason.into());
        if !self.parts.is_empty() {
            candidate.insert("content".into(), json!({"role": "model", "parts": self.parts}));
        }
        if !self.sources.is_empty() {
            let grounding = json!({"groundingChunks": self.sources});
            candidate.insert("groundingMetadata".into(), grounding);
        }
        candidate.extend(message.map(|message| ("finishMessage".to_owned(), message.into())));
        candidate.extend(self.logprobs.map(|given| ("logprobsResult".to_owned(), given)));
        candidate.into()
    }
}

impl Called {
    /// The part; `None` where the arguments are no object.
    fn shown(self, first: bool) -> Option<Value> {
        let text = if self.json.trim().is_empty() { "{}" } else { self.json.as_str() };
        let args: Map<String, Value> = serde_json::from_str(text).ok()?;
        let mut part = json!({"functionCall": {"id": self.id, "name": self.name, "args": args}});
        // a Gemini that goes on with this conversation wants the first call signed
        let proof = self.signature.as_ref().map(proof::told);
        let proof = proof.or_else(|| first.then(|| proof::NONE.to_owned()));
        if let (Value::Object(part), Some(proof)) = (&mut part, proof) {
            part.insert("thoughtSignature".into(), proof.into());
        }
        Some(part)
    }
}

fn reason(finish: Option<&Finish>) -> (&'static str, Option<String>) {
    match finish {
        None | Some(Finish::Stop | Finish::StopSequence(_) | Finish::ToolCalls) => ("STOP", None),
        Some(Finish::Length) => ("MAX_TOKENS", None),
        Some(Finish::ContentFilter | Finish::Refusal) => ("SAFETY", None),
        Some(Finish::Pause) => ("OTHER", Some("pause".into())),
        Some(Finish::Other(reason)) => ("OTHER", Some(reason.clone())),
    }
}

fn image(source: Source) -> Value {
    match source {
        Source::Data { media_type, base64 } => {
            json!({"inlineData": {"mimeType": media_type, "data": base64}})
        }
        Source::Url { url, media_type } => {
            let kind = media_type.unwrap_or_else(|| "image/png".into());
            json!({"fileData": {"mimeType": kind, "fileUri": url}})
        }
        Source::Id(id) => json!({"fileData": {"fileUri": id}}),
    }
}

fn usage(tally: &Tally) -> Value {
    let thoughts = tally.units(Meter::OutputReasoning);
    let (input, output) = (tally.input(), tally.output());
    let mut usage = Map::new();
    usage.insert("promptTokenCount".into(), input.into());
    usage.insert("candidatesTokenCount".into(), output.saturating_sub(thoughts).into());
    usage.insert("totalTokenCount".into(), input.saturating_add(output).into());
    for (name, tokens) in [
        ("cachedContentTokenCount", tally.units(Meter::InputCached)),
        ("thoughtsTokenCount", thoughts),
    ] {
        if tokens > 0 {
            usage.insert(name.into(), tokens.into());
        }
    }
    usage.into()
}

fn event(answer: &Value, out: &mut Vec<u8>) {
    out.extend(format!("data: {answer}\n\n").into_bytes());
}
