//! What the generations of Claude accept: the API refuses with 400 what a model does not know.
//!
//! <https://platform.claude.com/docs/en/about-claude/models/overview>,
//! <https://platform.claude.com/docs/en/build-with-claude/thinking>,
//! <https://platform.claude.com/docs/en/build-with-claude/effort>,
//! <https://platform.claude.com/docs/en/models/sonnet-5-5/whats-new-sonnet-5-5>

use crate::call::chat::Effort;

/// How a model thinks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Thinks {
    /// Not at all.
    Never,
    /// Within a budget of tokens, where one is given.
    Budget,
    /// As it sees fit or within a budget, where asked to.
    Either,
    /// As it sees fit, where asked to.
    Asked,
    /// As it sees fit, unless told not to.
    Unless,
    /// As it sees fit; it can only be told not to think first.
    BetweenTools,
    /// As it sees fit, always.
    Always,
}

/// What a model accepts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Traits {
    /// The most output tokens, thinking included.
    pub(super) max_output: i64,
    pub(super) thinks: Thinks,
    /// The highest efforts that can be told: with `max` alone, `xhigh` is left out.
    pub(super) efforts: &'static [Effort],
    /// Temperature, `top_p` and `top_k` other than the defaults.
    pub(super) sampling: bool,
    /// A tool that must be called.
    pub(super) forced_tools: bool,
    /// Answers after a schema.
    pub(super) schema: bool,
    /// System messages inside the conversation.
    pub(super) system_inside: bool,
}

const LOW: &[Effort] = &[Effort::Low, Effort::Medium, Effort::High];
const MAX: &[Effort] = &[Effort::Low, Effort::Medium, Effort::High, Effort::Max];
const ALL: &[Effort] = &[Effort::Low, Effort::Medium, Effort::High, Effort::ExtraHigh, Effort::Max];

/// The current generation; also what a model is taken for that came after this was written.
const NEWEST: Traits = Traits {
    max_output: 128_000,
    thinks: Thinks::Unless,
    efforts: ALL,
    sampling: false,
    forced_tools: true,
    schema: true,
    system_inside: true,
};
const ALWAYS: Traits = Traits { thinks: Thinks::Always, ..NEWEST };
const UNFORCED: Traits = Traits { forced_tools: false, ..ALWAYS };
const V4_7: Traits = Traits { thinks: Thinks::Asked, system_inside: false, ..NEWEST };
const V4_6: Traits = Traits { thinks: Thinks::Either, efforts: MAX, sampling: true, ..V4_7 };
const V4_5: Traits = Traits { max_output: 64_000, thinks: Thinks::Budget, efforts: &[], ..V4_6 };
const V4: Traits = Traits { schema: false, ..V4_5 };
const V3_5: Traits = Traits { max_output: 8_192, thinks: Thinks::Never, ..V4 };

/// By the start of the name; the first that fits.
const MODELS: [(&str, Traits); 28] = [
    ("claude-fable-5-", UNFORCED),
    ("claude-mythos-5-", UNFORCED),
    ("claude-fable-5", ALWAYS),
    ("claude-mythos-5", ALWAYS),
    ("claude-mythos", Traits { system_inside: false, ..ALWAYS }),
    ("claude-opus-5-5", UNFORCED),
    ("claude-sonnet-5-5", Traits { thinks: Thinks::BetweenTools, ..UNFORCED }),
    ("claude-haiku-5", NEWEST),
    ("claude-opus-5", NEWEST),
    ("claude-sonnet-5", NEWEST),
    ("claude-opus-4-8", Traits { system_inside: true, ..V4_7 }),
    ("claude-opus-4-7", V4_7),
    ("claude-opus-4-6", V4_6),
    ("claude-sonnet-4-6", V4_6),
    ("claude-opus-4-5", Traits { efforts: LOW, ..V4_5 }),
    ("claude-sonnet-4-5", V4_5),
    ("claude-haiku-4-5", V4_5),
    ("claude-opus-4-1", Traits { max_output: 32_000, ..V4_5 }),
    ("claude-opus-4", Traits { max_output: 32_000, ..V4 }),
    ("claude-sonnet-4", V4),
    ("claude-4-opus", Traits { max_output: 32_000, ..V4 }),
    ("claude-4-sonnet", V4),
    ("claude-3-7", V4),
    ("claude-3-5", V3_5),
    ("claude-3-", Traits { max_output: 4_096, ..V3_5 }),
    ("claude-2", Traits { max_output: 4_096, ..V3_5 }),
    ("claude-instant", Traits { max_output: 4_096, ..V3_5 }),
    ("claude", NEWEST),
];

/// A model of another maker who speaks this format: nothing is known, so it is told everything.
const OTHER: Traits = Traits { max_output: 8_192, thinks: Thinks::Either, efforts: &[], ..V4_6 };

impl Traits {
    /// Those of a model by its name.
    pub(super) fn of(model: &str) -> Self {
        let row = MODELS.iter().find(|(start, _)| model.starts_with(start));
        row.map_or(OTHER, |(_, traits)| *traits)
    }

    /// The effort that can be told and is nearest, at most this one where there is one.
    pub(super) fn effort(&self, wanted: Effort) -> Option<Effort> {
        let (first, fits) = (self.efforts.first(), self.efforts.iter().rev());
        fits.copied().find(|effort| *effort <= wanted).or_else(|| first.copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_by_generation() {
        for (name, thinks, max_output, sampling, forced) in [
            ("claude-fable-5", Thinks::Always, 128_000, false, true),
            ("claude-fable-5-1", Thinks::Always, 128_000, false, false),
            ("claude-mythos-preview", Thinks::Always, 128_000, false, true),
            ("claude-opus-5-5", Thinks::Always, 128_000, false, false),
            ("claude-opus-5", Thinks::Unless, 128_000, false, true),
            ("claude-sonnet-5-5", Thinks::BetweenTools, 128_000, false, false),
            ("claude-haiku-5-5", Thinks::Unless, 128_000, false, true),
            ("claude-opus-4-7-20260416", Thinks::Asked, 128_000, false, true),
            ("claude-sonnet-4-6", Thinks::Either, 128_000, true, true),
            ("claude-haiku-4-5-20251001", Thinks::Budget, 64_000, true, true),
            ("claude-opus-4-20250514", Thinks::Budget, 32_000, true, true),
            ("claude-sonnet-4-20250514", Thinks::Budget, 64_000, true, true),
            ("claude-3-5-haiku-latest", Thinks::Never, 8_192, true, true),
            ("claude-3-opus-20240229", Thinks::Never, 4_096, true, true),
            ("claude-verse-9", Thinks::Unless, 128_000, false, true),
            ("kimi-k3", Thinks::Either, 8_192, true, true),
        ] {
            let traits = Traits::of(name);
            let got = (traits.thinks, traits.max_output, traits.sampling, traits.forced_tools);
            assert_eq!(got, (thinks, max_output, sampling, forced), "{name}");
        }
    }

    #[test]
    fn an_effort_that_is_not_known_becomes_the_next_lower() {
        for (name, wanted, told) in [
            ("claude-opus-4-5", Effort::Max, Some(Effort::High)),
            ("claude-opus-4-6", Effort::ExtraHigh, Some(Effort::High)),
            ("claude-opus-4-6", Effort::Max, Some(Effort::Max)),
            ("claude-opus-5", Effort::ExtraHigh, Some(Effort::ExtraHigh)),
            ("claude-opus-5", Effort::Minimal, Some(Effort::Low)),
            ("claude-sonnet-4-5", Effort::High, None),
        ] {
            assert_eq!(Traits::of(name).effort(wanted), told, "{name}");
        }
    }
}
