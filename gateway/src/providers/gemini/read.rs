//! Google's answers, chunk by chunk, to deltas and a tally.

use std::collections::BTreeMap;
use std::time::Duration;

use schemas::event::AttemptError;
use serde_json::value::RawValue;

use super::finish::{Meaning, meaning};
use super::wire::{Answer, Candidate, Origin, Part};
use super::{logprobs, usage};
use crate::call::Call;
use crate::call::chat::Source;
use crate::providers::{Failure, PieceKind, Wanted, Wire};
use crate::reply::{Delta, Finish, Signature, Tally};

/// More choices than Google gives are not believed.
const MAX_CHOICES: u32 = 64;
/// More sources of a choice are not told.
const MAX_CITED: usize = 256;

/// What was read so far.
pub(super) struct Reader {
    wanted: Wanted,
    /// Seeds ids of calls where Google gives none.
    seed: u64,
    started: bool,
    blocked: bool,
    choices: BTreeMap<u32, Choice>,
    quantities: Vec<schemas::event::Quantity>,
    pub(super) tally: Tally,
}

#[derive(Default)]
struct Choice {
    calls: u32,
    content: bool,
    cited: Vec<Box<str>>,
    finish: Option<Finish>,
}

/// What a chunk was.
pub(super) struct Read {
    pub(super) deltas: Vec<Delta>,
    pub(super) content: bool,
    pub(super) closing: bool,
}

impl Reader {
    pub(super) fn new(call: &Call, wanted: Wanted) -> Self {
        Self {
            wanted,
            seed: call.id.seed(),
            started: false,
            blocked: false,
            choices: BTreeMap::new(),
            quantities: Vec::new(),
            tally: Tally::default(),
        }
    }

    /// Takes a chunk, or a whole answer.
    ///
    /// # Errors
    /// The model went wrong before it gave anything, or the chunk can't be.
    pub(super) fn take(&mut self, answer: &Answer<'_>) -> Result<Read, Failure> {
        let mut read = Read { deltas: Vec::new(), content: false, closing: false };
        if !self.started {
            self.started = true;
            let text = |text: Option<&super::wire::Text<'_>>| text.map(|text| text.to_string());
            let (id, model) = (&answer.response_id, &answer.model_version);
            self.say(&mut read, || Delta::Start {
                id: text(id.as_ref()),
                model: text(model.as_ref()),
            });
        }
        for (at, candidate) in answer.candidates.iter().flatten().enumerate() {
            let index = candidate.index.or_else(|| u32::try_from(at).ok()).unwrap_or(MAX_CHOICES);
            if index >= MAX_CHOICES {
                return Err(Failure::of(AttemptError::Malformed));
            }
            self.candidate(index, candidate, &mut read)?;
        }
        if let Some(usage) = &answer.usage_metadata {
            self.quantities = usage::quantities(usage);
        }
        let feedback = answer.prompt_feedback.as_ref();
        let blocked = feedback.and_then(|feedback| feedback.block_reason.as_deref());
        self.blocked |= self.choices.is_empty() && blocked.is_some_and(|reason| !reason.is_empty());
        read.closing = self.is_complete();
        if read.closing {
            // counts on the way are of the prompt alone
            self.tally.quantities.clone_from(&self.quantities);
            self.tally.reported = !self.quantities.is_empty();
        }
        Ok(read)
    }

    /// Whether an answer that ends now is complete.
    pub(super) fn is_complete(&self) -> bool {
        self.blocked || (!self.choices.is_empty() && self.finished() == self.choices.len())
    }

    /// Whether there is any choice at all.
    pub(super) fn is_empty(&self) -> bool {
        !self.blocked && self.choices.is_empty()
    }

    /// A whole answer is complete as it is.
    pub(super) fn close(&mut self) {
        for choice in self.choices.values_mut() {
            choice.finish.get_or_insert(if choice.calls > 0 {
                Finish::ToolCalls
            } else {
                Finish::Stop
            });
        }
        self.tally.quantities.clone_from(&self.quantities);
        self.tally.reported = !self.quantities.is_empty();
    }

    /// How the choices end: the last of an answer.
    pub(super) fn finish(&self) -> Vec<Delta> {
        if self.wanted == Wanted::Bytes {
            return Vec::new();
        }
        if self.choices.is_empty() {
            return vec![Delta::Finish { choice: 0, reason: Finish::ContentFilter }];
        }
        let ends = self.choices.iter().filter_map(|(index, choice)| {
            Some(Delta::Finish { choice: *index, reason: choice.finish.clone()? })
        });
        ends.collect()
    }

    fn finished(&self) -> usize {
        self.choices.values().filter(|choice| choice.finish.is_some()).count()
    }

    fn candidate(
        &mut self,
        index: u32,
        given: &Candidate<'_>,
        read: &mut Read,
    ) -> Result<(), Failure> {
        self.choices.entry(index).or_default();
        let parts = given.content.as_ref().and_then(|content| content.parts.as_ref());
        for part in parts.into_iter().flatten() {
            self.part(index, part, read);
        }
        if let Some(result) = given.logprobs_result.filter(|_| self.wanted == Wanted::Deltas) {
            let name = || "logprobs".to_owned();
            let own = logprobs::shown(result.get()).map(|value| Delta::Own {
                choice: index,
                name: name(),
                value,
            });
            read.deltas.extend(own);
        }
        let chunks =
            given.grounding_metadata.as_ref().and_then(|given| given.grounding_chunks.as_ref());
        let chunks = chunks
            .into_iter()
            .flatten()
            .filter_map(|chunk| chunk.web.as_ref().or(chunk.maps.as_ref()));
        let cited =
            given.citation_metadata.as_ref().and_then(|given| given.citation_sources.as_ref());
        for origin in chunks.chain(cited.into_iter().flatten()) {
            self.cite(index, origin, read);
        }
        let Some(choice) = self.choices.get_mut(&index) else {
            return Ok(());
        };
        let reason = given.finish_reason.as_deref().unwrap_or_default();
        match meaning(reason, choice.calls > 0) {
            Meaning::Unsaid => {}
            Meaning::Ends(finish) => choice.finish = Some(finish),
            Meaning::Wrong if choice.content => {
                choice.finish = Some(Finish::Other(reason.to_owned()))
            }
            // it may do better if it is asked again at once
            Meaning::Wrong => {
                return Err(Failure {
                    retry_after: Some(Duration::ZERO),
                    ..Failure::of(AttemptError::Server)
                });
            }
        }
        Ok(())
    }

    fn part(&mut self, index: u32, part: &Part<'_>, read: &mut Read) {
        let thought = part.thought == Some(true);
        let before = self.tally.content_bytes;
        let mut content = false;
        if let Some(text) = part.text.as_deref().filter(|text| !text.is_empty()) {
            self.weigh(text.len());
            let text = || text.to_owned();
            self.say(read, || match thought {
                true => Delta::Reasoning { choice: index, text: text() },
                false => Delta::Text { choice: index, text: text() },
            });
        }
        let signature = part.thought_signature.as_deref().filter(|text| !text.is_empty());
        let signed = || signature.map(|text| Signature::new(Wire::Gemini, text));
        if let Some(called) = &part.function_call {
            let name = called.name.as_deref().unwrap_or_default();
            let arguments = called.args.map_or_else(|| "{}".to_owned(), compact);
            self.weigh(name.len() + arguments.len());
            content = true;
            let call = self.choices.entry(index).or_default();
            let number = call.calls;
            call.calls = call.calls.saturating_add(1);
            let id = called.id.as_deref().filter(|id| !id.is_empty()).map(str::to_owned);
            let seed = self.seed;
            self.say(read, || Delta::ToolCall {
                choice: index,
                index: number,
                id: id.unwrap_or_else(|| format!("call_{seed:016x}_{number}")),
                name: name.to_owned(),
                signature: signed(),
            });
            self.say(read, || Delta::Arguments { choice: index, index: number, json: arguments });
        }
        if let Some(source) = image(part).filter(|_| !thought) {
            content = true;
            self.say(read, || Delta::Image { choice: index, source: source() });
        }
        content |= part.inline_data.is_some() && !thought;
        let code = part.executable_code.as_ref().and_then(|code| code.code.as_deref());
        let output =
            part.code_execution_result.as_ref().and_then(|result| result.output.as_deref());
        for text in [code, output].into_iter().flatten() {
            self.weigh(text.len());
        }
        if let (Some(signature), None) = (signed(), &part.function_call) {
            self.say(read, || Delta::Signature { choice: index, signature });
        }
        if content || self.tally.content_bytes > before {
            read.content = true;
            self.choices.entry(index).or_default().content = true;
        }
    }

    fn cite(&mut self, index: u32, origin: &Origin<'_>, read: &mut Read) {
        let Some(url) = origin.uri.as_deref().filter(|url| !url.is_empty()) else {
            return;
        };
        let cited = &mut self.choices.entry(index).or_default().cited;
        // chunks repeat what was cited before
        if cited.len() >= MAX_CITED || cited.iter().any(|known| **known == *url) {
            return;
        }
        cited.push(url.into());
        let title = origin.title.as_deref().map(str::to_owned);
        self.say(read, || Delta::Citation { choice: index, url: url.to_owned(), title });
    }

    fn weigh(&mut self, bytes: usize) {
        self.tally.content_bytes = self.tally.content_bytes.saturating_add(bytes as u64);
    }

    fn say(&self, read: &mut Read, delta: impl FnOnce() -> Delta) {
        if self.wanted == Wanted::Deltas {
            read.deltas.push(delta());
        }
    }
}

impl Read {
    /// What a piece of these is.
    pub(super) const fn kind(&self) -> PieceKind {
        match (self.closing, self.content) {
            (true, _) => PieceKind::Closing,
            (false, true) => PieceKind::Content,
            (false, false) => PieceKind::Preamble,
        }
    }
}

/// An image of a part.
fn image<'a>(part: &'a Part<'_>) -> Option<impl FnOnce() -> Source + use<'a>> {
    let inline = part.inline_data.as_ref().and_then(|blob| {
        let kind = blob.mime_type.as_deref().filter(|kind| kind.starts_with("image/"))?;
        Some((kind, blob.data.as_deref()?))
    });
    let file = part.file_data.as_ref().and_then(|file| {
        let kind = file.mime_type.as_deref().filter(|kind| kind.starts_with("image/"))?;
        Some((kind, file.file_uri.as_deref()?))
    });
    if inline.is_none() && file.is_none() {
        return None;
    }
    Some(move || match (inline, file) {
        (Some((kind, data)), _) => {
            Source::Data { media_type: kind.to_owned(), base64: data.to_owned() }
        }
        (None, Some((kind, url))) => {
            Source::Url { url: url.to_owned(), media_type: Some(kind.to_owned()) }
        }
        (None, None) => Source::Id(String::new()),
    })
}

/// JSON without the space between its tokens: whole answers are printed over many lines.
fn compact(json: &RawValue) -> String {
    let mut out = String::with_capacity(json.get().len());
    let (mut inside, mut escaped) = (false, false);
    for c in json.get().chars() {
        if inside {
            inside = escaped || c != '"';
            escaped = !escaped && c == '\\';
        } else if c.is_ascii_whitespace() {
            continue;
        } else {
            inside = c == '"';
        }
        out.push(c);
    }
    out
}
