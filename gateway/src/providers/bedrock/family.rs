//! What the makers of models differ in, where `Converse` does not hide it.

/// Whose model it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Family {
    /// Anthropic's, and its version.
    Claude(u32, u32),
    /// Amazon's, and its generation.
    Nova(u32),
    /// OpenAI's open weights.
    GptOss,
    /// Cohere's.
    Cohere,
    /// Mistral's.
    Mistral,
    /// One that is not told apart.
    Other,
}

impl Family {
    /// Of a model's id, the id of an inference profile or an ARN.
    pub(super) fn of(model: &str) -> Self {
        if let Some((_, name)) = model.split_once("anthropic.claude-") {
            let (major, minor) = version(name);
            return Self::Claude(major, minor);
        }
        if let Some((_, name)) = model.split_once("amazon.nova-") {
            let generation = version(name).0;
            return Self::Nova(generation.max(1));
        }
        let makers = [
            ("openai.gpt-oss", Self::GptOss),
            ("cohere.", Self::Cohere),
            ("mistral.", Self::Mistral),
        ];
        let found = makers.into_iter().find(|(maker, _)| model.contains(maker));
        found.map_or(Self::Other, |(_, family)| family)
    }

    /// Whether parts of a prompt can be marked to be cached: system and messages, and tools. A model that does
    /// not know the mark refuses the request.
    ///
    /// <https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html>
    pub(super) const fn caches(self) -> (bool, bool) {
        match self {
            Self::Claude(3, 5..) | Self::Claude(4.., _) => (true, true),
            Self::Nova(_) => (true, false),
            Self::Claude(..) | Self::GptOss | Self::Cohere | Self::Mistral | Self::Other => {
                (false, false)
            }
        }
    }

    /// Whether it keeps a marked prompt for an hour.
    pub(super) const fn caches_long(self) -> bool {
        matches!(self, Self::Claude(4, 5..) | Self::Claude(5.., _))
    }

    /// Whether it lets the caller say how tokens are drawn: Claude from 4.7 on does not.
    pub(super) const fn samples(self) -> bool {
        !matches!(self, Self::Claude(5.., _) | Self::Claude(4, 7..))
    }

    /// Whether the model's own `tool_choice` can stand beside what `Converse` says.
    pub(super) const fn is_claude(self) -> bool {
        matches!(self, Self::Claude(..))
    }
}

/// The first number of a name, and the one right behind it; dates are none.
fn version(name: &str) -> (u32, u32) {
    let number = |part: &str| part.parse::<u32>().ok().filter(|_| part.len() <= 2);
    let mut parts = name.split(['-', ':']).skip_while(|part| number(part).is_none());
    let major = parts.next().and_then(number).unwrap_or(0);
    (major, parts.next().and_then(number).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_told_apart() {
        for (model, family) in [
            ("us.anthropic.claude-opus-4-7-20260416-v1:0", Family::Claude(4, 7)),
            ("anthropic.claude-3-7-sonnet-20250219-v1:0", Family::Claude(3, 7)),
            ("anthropic.claude-opus-4-20250514-v1:0", Family::Claude(4, 0)),
            ("global.anthropic.claude-sonnet-5", Family::Claude(5, 0)),
            ("anthropic.claude-v2:1", Family::Claude(1, 0)),
            ("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0", Family::Nova(1)),
            ("amazon.nova-2-lite-v1:0", Family::Nova(2)),
            ("openai.gpt-oss-120b-1:0", Family::GptOss),
            ("cohere.command-r-plus-v1:0", Family::Cohere),
            ("mistral.mistral-large-2407-v1:0", Family::Mistral),
            ("meta.llama3-1-8b-instruct-v1:0", Family::Other),
        ] {
            assert_eq!(Family::of(model), family, "{model}");
        }
    }
}
