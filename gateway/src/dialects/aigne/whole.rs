//! Answers that are not streamed: embeddings and images.

use super::wire::{Answer, File, Usage, json};
use crate::dialects::Renderer;
use crate::reply::{Delta, Tally};
use crate::routing::Target;

/// Who answers.
struct By {
    model: String,
    target: String,
}

impl By {
    fn of(target: &Target) -> Self {
        let model = target.model.to_string();
        Self { target: format!("{}/{model}", target.provider), model }
    }

    fn answer(&self, tally: &Tally) -> Answer<'_> {
        Answer {
            usage: Usage::of(tally),
            model: &self.model,
            model_with_provider: &self.target,
            ..Answer::default()
        }
    }
}

/// Shows embeddings.
pub(super) struct Embeddings {
    by: By,
    vectors: Vec<(u32, Vec<f32>)>,
}

impl Embeddings {
    pub(super) fn new(target: &Target) -> Self {
        Self { by: By::of(target), vectors: Vec::new() }
    }
}

impl Renderer for Embeddings {
    fn show(&mut self, delta: Delta, _: &mut Vec<u8>) {
        match delta {
            Delta::Start { model: Some(model), .. } => self.by.model = model,
            Delta::Embedding { index, values } => self.vectors.push((index, values)),
            _ => {}
        }
    }

    fn end(&mut self, tally: &Tally, out: &mut Vec<u8>) {
        self.vectors.sort_by_key(|(index, _)| *index);
        let vectors = self.vectors.iter().map(|(_, values)| values.as_slice());
        json(&Answer { embeddings: Some(vectors.collect()), ..self.by.answer(tally) }, out);
    }
}

/// Shows images.
pub(super) struct Images {
    by: By,
    images: Vec<File>,
}

impl Images {
    pub(super) fn new(target: &Target) -> Self {
        Self { by: By::of(target), images: Vec::new() }
    }
}

impl Renderer for Images {
    fn show(&mut self, delta: Delta, _: &mut Vec<u8>) {
        match delta {
            Delta::Start { model: Some(model), .. } => self.by.model = model,
            Delta::Image { source, .. } => self.images.extend(File::of(source)),
            _ => {}
        }
    }

    fn end(&mut self, tally: &Tally, out: &mut Vec<u8>) {
        json(&Answer { images: Some(&self.images), ..self.by.answer(tally) }, out);
    }
}
