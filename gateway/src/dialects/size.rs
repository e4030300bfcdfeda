//! How large a chat's input is, roughly, for clients that ask before they call.

use crate::call::Chat;
use crate::call::chat::{Content, Format, Part, Source};

/// The tokens of what is no text, as a vendor documents them.
#[derive(Clone, Copy)]
pub(super) struct Media {
    /// An image.
    pub(super) image: usize,
    /// A document, a film, sound.
    pub(super) other: usize,
}

/// The tokens of a chat's input: four bytes each, as all estimates here, and fixed figures for
/// what is no text.
pub(super) fn tokens(chat: &Chat, media: Media) -> usize {
    let mut size = Size { media, bytes: 0, tokens: 0 };
    size.parts(&chat.system);
    for message in &chat.messages {
        size.parts(&message.parts);
    }
    for tool in &chat.tools {
        size.bytes += tool.name.len()
            + tool.description.as_deref().map_or(0, str::len)
            + tool.parameters.to_string().len();
    }
    for tool in &chat.hosted_tools {
        size.bytes += tool.to_string().len();
    }
    if let Format::Schema { schema, .. } = &chat.format {
        size.bytes += schema.to_string().len();
    }
    size.bytes.div_ceil(4).saturating_add(size.tokens)
}

struct Size {
    media: Media,
    bytes: usize,
    tokens: usize,
}

impl Size {
    fn parts(&mut self, parts: &[Part]) {
        for part in parts {
            match &part.content {
                Content::Text(text) | Content::Refusal(text) => self.bytes += text.len(),
                // thoughts of earlier turns are not read again, so this is rather too much
                Content::Reasoning { text, .. } => self.bytes += text.len(),
                Content::Redacted(_) => {}
                Content::Image { .. } => self.tokens += self.media.image,
                Content::File { source: Source::Data { media_type, base64 }, .. }
                    if media_type.starts_with("text/") =>
                {
                    self.bytes += base64.len() / 4 * 3;
                }
                Content::File { .. } | Content::Audio(_) | Content::Video(_) => {
                    self.tokens += self.media.other;
                }
                Content::ToolCall { name, arguments, .. } => {
                    self.bytes += name.len() + arguments.len();
                }
                Content::ToolResult { parts, .. } => self.parts(parts),
            }
        }
    }
}
