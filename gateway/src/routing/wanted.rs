//! What the router looks at of a call.

use std::collections::BTreeMap;

use schemas::ids::{ModelId, ProjectId};

use crate::call::Call;
use crate::control::Key;
use crate::control::catalogue::{Facts, Feature, Modality};

/// What a call needs a model to be able to do, as a set of bits.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Needs(u16);

/// What is asked about a model, in the order of the bits, by the name that people use.
const ALL: [(Needs, &str); 10] = [
    (Needs::IMAGES, "images"),
    (Needs::AUDIO, "audio"),
    (Needs::VIDEO, "video"),
    (Needs::FILES, "files"),
    (Needs::TOOLS, "tools"),
    (Needs::JSON_SCHEMA, "json_schema"),
    (Needs::JSON_OBJECT, "json_object"),
    (Needs::STREAM, "stream"),
    (Needs::EMBEDDINGS, "embeddings"),
    (Needs::TEXT_OUT, "text"),
];

impl Needs {
    /// Nothing that a model could lack.
    pub const NONE: Self = Self(0);
    /// It takes images.
    pub const IMAGES: Self = Self(1);
    /// It takes sound.
    pub const AUDIO: Self = Self(1 << 1);
    /// It takes films.
    pub const VIDEO: Self = Self(1 << 2);
    /// It takes documents.
    pub const FILES: Self = Self(1 << 3);
    /// It calls tools.
    pub const TOOLS: Self = Self(1 << 4);
    /// It holds its answer to a JSON schema.
    pub const JSON_SCHEMA: Self = Self(1 << 5);
    /// It answers in JSON.
    pub const JSON_OBJECT: Self = Self(1 << 6);
    /// It answers piece by piece.
    pub const STREAM: Self = Self(1 << 7);
    /// It gives vectors.
    pub const EMBEDDINGS: Self = Self(1 << 8);
    /// It gives text.
    pub const TEXT_OUT: Self = Self(1 << 9);

    /// What it must take beside text.
    pub(super) const MEDIA: Self = Self(0b1111);

    /// Both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// These, where they are needed.
    #[must_use]
    pub const fn when(self, needed: bool) -> Self {
        if needed { self } else { Self::NONE }
    }

    /// What is in both.
    #[must_use]
    pub const fn common(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether it is nothing.
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// By name, such as `images`.
    pub fn named(name: &str) -> Option<Self> {
        ALL.iter().find(|(_, known)| *known == name).map(|(need, _)| *need)
    }

    /// Their names.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        ALL.iter().filter(move |(need, _)| !self.common(*need).is_none()).map(|(_, name)| *name)
    }

    /// All names.
    pub fn known() -> String {
        ALL.map(|(_, name)| name).join(", ")
    }

    /// What a model is known not to do. What nobody says is not "no".
    pub fn lacking(facts: &Facts) -> Self {
        let takes = |modality| facts.takes(modality) == Some(false);
        let gives = |modality| facts.gives(modality) == Some(false);
        let can = |feature| facts.can(feature) == Some(false);
        [
            (Self::IMAGES, takes(Modality::Image)),
            (Self::AUDIO, takes(Modality::Audio)),
            (Self::VIDEO, takes(Modality::Video)),
            (Self::FILES, takes(Modality::File)),
            (Self::TOOLS, can(Feature::Tools)),
            (Self::JSON_SCHEMA, can(Feature::JsonSchema)),
            (Self::JSON_OBJECT, can(Feature::JsonObject)),
            (Self::STREAM, can(Feature::Stream)),
            (Self::EMBEDDINGS, gives(Modality::Embedding)),
            (Self::TEXT_OUT, gives(Modality::Text)),
        ]
        .into_iter()
        .fold(Self::NONE, |all, (need, lacks)| all.and(need.when(lacks)))
    }
}

/// What the router looks at of a call. Plain data.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// The model as asked for.
    pub model: &'a ModelId,
    /// Whose routes hold.
    pub project: Option<&'a ProjectId>,
    /// Regions that the call must not leave; empty for any.
    pub regions: &'a [String],
    /// The caller's tags.
    pub tags: &'a BTreeMap<String, String>,
    /// What the model must be able to do; what media it must take is asked of [`call`](Self::call).
    pub needs: Needs,
    /// About how many input tokens.
    pub input: i64,
    /// The most output tokens.
    pub max_output: Option<i64>,
    /// A hash of the beginning of the conversation; asked of [`call`](Self::call) when it is 0.
    pub prefix: u64,
    /// The caller's end user.
    pub user: Option<&'a str>,
    /// The call itself, for what takes reading it: it is read only where something hangs on it.
    pub call: Option<&'a Call>,
}

/// No tags.
static NO_TAGS: BTreeMap<String, String> = BTreeMap::new();

impl<'a> Wanted<'a> {
    /// A call of which nothing but the model is known.
    pub const fn model(model: &'a ModelId) -> Self {
        Self {
            model,
            project: None,
            regions: &[],
            tags: &NO_TAGS,
            needs: Needs::NONE,
            input: 0,
            max_output: None,
            prefix: 0,
            user: None,
            call: None,
        }
    }

    /// All that it needs, where some of the models are known to lack something.
    pub(super) fn all_needs(&self, lacking: Needs) -> Needs {
        let media = || self.call.map_or(Needs::NONE, Call::media);
        let asked = !lacking.common(Needs::MEDIA).is_none();
        self.needs.and(if asked { media() } else { Needs::NONE })
    }

    /// How its conversation begins; 0 when that is not known.
    pub(super) fn beginning(&self) -> u64 {
        if self.prefix == 0 { self.call.map_or(0, Call::prefix) } else { self.prefix }
    }

    /// A caller's call.
    pub fn of(call: &'a Call, key: &'a Key) -> Self {
        Self {
            project: Some(&key.project),
            regions: &key.regions,
            tags: &call.tags,
            needs: call.needs(),
            input: call.context(),
            max_output: call.max_output,
            user: call.user.as_deref(),
            call: Some(call),
            ..Self::model(&call.model)
        }
    }
}
