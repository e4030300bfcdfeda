//! What a call asks for, in no vendor's format. Plain data.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::chat::{Content, Part, Source};
use super::{Chat, Own};

/// What a call asks for.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "there is one for a call, behind an Arc")]
pub enum Asked {
    /// A chat.
    Chat(Chat),
    /// Embeddings.
    Embed(Embed),
    /// Images.
    Draw(Draw),
}

impl Asked {
    /// The media that it names, wherever they stand.
    pub fn media(&mut self) -> Vec<&mut Source> {
        let mut found = Vec::new();
        match self {
            Self::Chat(chat) => {
                let messages = chat.messages.iter_mut().flat_map(|message| &mut message.parts);
                messages.for_each(|part| media_of(part, &mut found));
            }
            Self::Embed(embed) => {
                found.extend(embed.inputs.iter_mut().filter_map(|input| match input {
                    Embeddable::Image(source) => Some(source),
                    Embeddable::Text(_) | Embeddable::Tokens(_) => None,
                }))
            }
            Self::Draw(draw) => found.extend(&mut draw.images),
        }
        found
    }
}

fn media_of<'a>(part: &'a mut Part, found: &mut Vec<&'a mut Source>) {
    match &mut part.content {
        Content::Image { source, .. }
        | Content::File { source, .. }
        | Content::Audio(source)
        | Content::Video(source) => found.push(source),
        // a result holds no results: readers see to that
        Content::ToolResult { parts, .. } => {
            parts.iter_mut().for_each(|part| media_of(part, found));
        }
        Content::Text(_)
        | Content::Reasoning { .. }
        | Content::Redacted(_)
        | Content::Refusal(_)
        | Content::ToolCall { .. } => {}
    }
}

/// Embeddings.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Embed {
    /// What is to be embedded, one vector each.
    pub inputs: Vec<Embeddable>,
    /// Length of the vectors.
    pub dimensions: Option<i64>,
    /// What they are for, as Google names it (`RETRIEVAL_QUERY`, …).
    pub task: Option<String>,
    /// The title of a document.
    pub title: Option<String>,
    /// Vectors are wanted as base64 of little-endian floats.
    pub base64: bool,
    /// The caller's end user.
    pub user: Option<String>,
    /// Fields that only the client's format knows.
    pub own: Vec<Own>,
}

/// Something that can be embedded.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Embeddable {
    /// Text.
    Text(String),
    /// Tokens of the model's own vocabulary.
    Tokens(Vec<u32>),
    /// An image.
    Image(Source),
}

/// Images to be made, or changed.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Draw {
    /// What they shall show.
    pub prompt: String,
    /// How many.
    pub count: Option<i64>,
    /// Such as `1024x1024`.
    pub size: Option<String>,
    /// Such as `high`.
    pub quality: Option<String>,
    /// `png`, `jpeg`, `webp`.
    pub output_format: Option<String>,
    /// `url` or `b64_json`; what the client wants to get.
    pub response_format: Option<String>,
    /// Images to start from.
    pub images: Vec<Source>,
    /// The caller's end user.
    pub user: Option<String>,
    /// Further settings that more than one vendor has under the same name.
    pub more: Map<String, Value>,
    /// Fields that only the client's format knows.
    pub own: Vec<Own>,
}

impl Draw {
    /// The shape of its size: `(3, 2)` of `1536x1024`.
    pub fn ratio(&self) -> Option<(u32, u32)> {
        let (width, height) = self.size.as_deref()?.split_once(['x', ':'])?;
        let (width, height): (u32, u32) = (width.parse().ok()?, height.parse().ok()?);
        let (mut common, mut rest) = (width, height);
        while rest != 0 {
            (common, rest) = (rest, common % rest);
        }
        Some((width.checked_div(common)?, height.checked_div(common)?))
    }
}
