//! What differs between Google's generations of models.
//!
//! <https://ai.google.dev/gemini-api/docs/thinking>

use super::address;
use crate::call::chat::Effort;

/// A model, by its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Model<'a> {
    name: &'a str,
    /// Major and minor; `None` for those that are no Gemini.
    version: Option<(u32, u32)>,
}

/// How a model is told how much to think.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Thinks {
    /// It does not, and refuses to be told.
    Never,
    /// By a budget between these; whether it can be switched off.
    Budget {
        /// The least.
        least: i64,
        /// The most.
        most: i64,
        /// Whether 0 is allowed.
        off: bool,
    },
    /// By a level.
    Level,
}

impl<'a> Model<'a> {
    /// By its name. An alias without a number, such as `gemini-flash-latest`, is one of today.
    pub(super) fn of(name: &'a str) -> Self {
        let (_, name) = address::parts(name);
        let version = name.strip_prefix("gemini-").map(|rest| {
            let number = rest.split('-').next().unwrap_or_default();
            let (major, minor) = number.split_once('.').unwrap_or((number, "0"));
            let number = |text: &str| text.parse().ok();
            number(major).map_or((3, u32::MAX), |major| (major, number(minor).unwrap_or(0)))
        });
        Self { name, version }
    }

    /// It wants its signatures back, and takes media in what a tool gave.
    pub(super) fn is_of_3(self) -> bool {
        self.version.is_some_and(|(major, _)| major >= 3)
    }

    /// How it is told how much to think.
    pub(super) fn thinks(self) -> Thinks {
        let speaks = |what: &str| self.name.contains(what);
        match self.version {
            Some((3.., _)) if !speaks("-tts") => Thinks::Level,
            Some((2, 5..)) if speaks("-image") || speaks("-tts") => Thinks::Never,
            Some((2, 5..)) if speaks("-pro") => {
                Thinks::Budget { least: 128, most: 32_768, off: false }
            }
            Some((2, 5..)) if speaks("-lite") => {
                Thinks::Budget { least: 512, most: 24_576, off: true }
            }
            Some((2, 5..)) => Thinks::Budget { least: 0, most: 24_576, off: true },
            _ => Thinks::Never,
        }
    }

    /// The level that comes closest to an effort; `None` for as little as it can.
    pub(super) fn level(self, effort: Option<Effort>) -> &'static str {
        let minimal = self.name.contains("flash") && self.version.is_some_and(|v| v <= (3, 6));
        match effort {
            None | Some(Effort::Minimal) if minimal => "MINIMAL",
            None | Some(Effort::Minimal | Effort::Low) => "LOW",
            // the first of the generation has only two
            Some(Effort::Medium) if self.name.starts_with("gemini-3-pro") => "HIGH",
            Some(Effort::Medium) => "MEDIUM",
            Some(Effort::High | Effort::ExtraHigh | Effort::Max) => "HIGH",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generations() {
        for (name, of_3, thinks) in [
            ("gemini-3-pro-preview", true, Thinks::Level),
            ("models/gemini-3.8-flash", true, Thinks::Level),
            ("gemini-flash-latest", true, Thinks::Level),
            ("gemini-4-argon", true, Thinks::Level),
            ("gemini-2.5-pro", false, Thinks::Budget { least: 128, most: 32_768, off: false }),
            ("gemini-2.5-flash", false, Thinks::Budget { least: 0, most: 24_576, off: true }),
            (
                "gemini-2.5-flash-lite",
                false,
                Thinks::Budget { least: 512, most: 24_576, off: true },
            ),
            ("gemini-2.5-flash-image", false, Thinks::Never),
            ("gemini-2.0-flash", false, Thinks::Never),
            ("gemma-3-27b-it", false, Thinks::Never),
            ("gemini-", true, Thinks::Level),
        ] {
            let model = Model::of(name);
            assert_eq!((model.is_of_3(), model.thinks()), (of_3, thinks), "{name}");
        }
        assert_eq!(Model::of("gemini-3-flash-preview").level(None), "MINIMAL");
        assert_eq!(Model::of("gemini-3.8-flash").level(None), "LOW");
        assert_eq!(Model::of("gemini-3-pro-preview").level(Some(Effort::Medium)), "HIGH");
    }
}
