//! What a call asks of a model, as far as its bytes tell. Pure.

use memchr::memmem::find;
use schemas::event::Operation;

use super::{Asked, Call, Shape};
use crate::call::chat::{Content, Part};
use crate::routing::Needs;

/// Without any of these in its bytes a chat holds no media, in whichever format.
const MEDIA: [&[u8]; 8] = [
    b"\"image",
    b"\"input_image\"",
    b"\"input_audio\"",
    b"\"video",
    b"\"file",
    b"\"input_file\"",
    b"\"document\"",
    b"\"inline",
];
/// Where formats say how the answer shall be shaped.
const FORMATS: [&str; 6] = [
    "response_format",
    "text",
    "generationConfig",
    "generation_config",
    "output_format",
    "output_config",
];
/// Where they hold the conversation, and the instructions before it.
const TALKS: [&str; 3] = ["messages", "contents", "input"];
const INSTRUCTIONS: [&str; 4] =
    ["system", "instructions", "systemInstruction", "system_instruction"];
/// Of a conversation's beginning, so much is looked at.
const MAX_PREFIX: usize = 64 << 10;

impl Call {
    /// What it asks of a model, but for media.
    pub fn needs(&self) -> Needs {
        let given = |name: &&str| {
            let value = self.field(name).map(<[u8]>::trim_ascii);
            value.is_some_and(|value| !matches!(value, b"null" | b"[]" | b"{}"))
        };
        let shaped = |words: &[&[u8]]| {
            let mut formats = FORMATS.iter().filter_map(|name| self.field(name));
            formats.any(|format| words.iter().any(|word| find(format, word).is_some()))
        };
        match self.operation {
            Operation::Chat => [
                (Needs::TEXT_OUT, true),
                (Needs::STREAM, self.shape() == Shape::Events),
                (Needs::TOOLS, ["tools", "functions", "toolConfig"].iter().any(given)),
                (
                    Needs::JSON_SCHEMA,
                    shaped(&[b"\"json_schema\"", b"\"responseSchema\"", b"\"responseJsonSchema\""]),
                ),
                (Needs::JSON_OBJECT, shaped(&[b"\"json_object\""])),
            ]
            .into_iter()
            .fold(Needs::NONE, |all, (need, needed)| all.and(need.when(needed))),
            Operation::Embeddings => Needs::EMBEDDINGS,
            Operation::Other
            | Operation::Image
            | Operation::Moderation
            | Operation::Transcription
            | Operation::Speech => Needs::NONE,
        }
    }

    /// The media that a chat shows the model. Reads the body where it may hold some.
    pub fn media(&self) -> Needs {
        if self.operation != Operation::Chat || !self.may_hold_media() {
            return Needs::NONE;
        }
        // what can't be read is refused by those that must read it
        let Ok(asked) = self.asked() else {
            return Needs::NONE;
        };
        match &*asked {
            Asked::Chat(chat) => {
                let parts = chat.messages.iter().flat_map(|message| &message.parts);
                parts.fold(Needs::NONE, |all, part| all.and(media_of(part)))
            }
            Asked::Embed(_) | Asked::Draw(_) => Needs::NONE,
        }
    }

    fn may_hold_media(&self) -> bool {
        MEDIA.iter().any(|word| find(&self.body, word).is_some())
    }

    /// About how many tokens of a model's context it takes; 0 where its bytes do not tell.
    pub fn context(&self) -> i64 {
        match self.operation {
            // a short one fits everywhere
            Operation::Chat if self.body.len() > 4_096 && !self.may_hold_media() => {
                self.estimated_input()
            }
            _ => 0,
        }
    }

    /// A hash of how its conversation begins: of the instructions and the first message of the user,
    /// which stay the same while the conversation grows. 0 when there is none.
    pub fn prefix(&self) -> u64 {
        let Some(talk) = TALKS.iter().find_map(|name| self.field(name)) else {
            return 0;
        };
        let first = elements(talk, 1);
        let instructs = [&b"\"system\""[..], b"\"developer\""];
        let instructs = instructs.iter().any(|role| find(first, role).is_some());
        let start = if instructs { elements(talk, 2) } else { first };
        let start = start.get(..MAX_PREFIX).unwrap_or(start);
        let system = INSTRUCTIONS.iter().find_map(|name| self.field(name)).unwrap_or_default();
        let system = system.get(..MAX_PREFIX).unwrap_or(system);
        crate::routing::hash(&[system, start]).max(1)
    }
}

/// The beginning of a JSON array that holds so many elements; all of what is no array, or shorter.
fn elements(array: &[u8], count: usize) -> &[u8] {
    let (mut depth, mut seen, mut in_text, mut escaped) = (0_usize, 0, false, false);
    for (at, byte) in array.iter().enumerate() {
        match (in_text, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_text = !in_text,
            (false, b'[' | b'{') => depth += 1,
            (false, b']' | b'}') => depth = depth.saturating_sub(1),
            (false, b',') if depth == 1 => {
                seen += 1;
                if seen == count {
                    return array.get(..at).unwrap_or(array);
                }
            }
            _ => {}
        }
    }
    array.strip_suffix(b"]").unwrap_or(array)
}

fn media_of(part: &Part) -> Needs {
    match &part.content {
        Content::Image { .. } => Needs::IMAGES,
        Content::Audio(_) => Needs::AUDIO,
        Content::Video(_) => Needs::VIDEO,
        Content::File { .. } => Needs::FILES,
        // a result holds no results: readers see to that
        Content::ToolResult { parts, .. } => {
            parts.iter().fold(Needs::NONE, |all, part| all.and(media_of(part)))
        }
        Content::Text(_)
        | Content::Reasoning { .. }
        | Content::Redacted(_)
        | Content::Refusal(_)
        | Content::ToolCall { .. } => Needs::NONE,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;
    use crate::dialects::openai::chat;

    fn of(messages: &str, more: &str) -> Call {
        let body = format!(r#"{{"model":"m","messages":{messages}{more}}}"#);
        chat(&HeaderMap::new(), body.into()).unwrap()
    }

    #[test]
    fn what_a_chat_asks_of_a_model() {
        let text = r#"[{"role":"user","content":"an \"image\" of a \"file\""}]"#;
        let image = r#"[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://example.com/a.png"}}]}]"#;
        let schema =
            r#","response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{}}}"#;
        let tools = r#","tools":[{"type":"function","function":{"name":"f"}}],"stream":true"#;
        for (messages, more, needs, media) in [
            (text, "", vec!["text"], vec![]),
            (text, tools, vec!["tools", "stream", "text"], vec![]),
            (text, schema, vec!["json_schema", "text"], vec![]),
            (image, "", vec!["text"], vec!["images"]),
        ] {
            let call = of(messages, more);
            assert_eq!(call.needs().names().collect::<Vec<_>>(), needs, "{messages}{more}");
            assert_eq!(call.media().names().collect::<Vec<_>>(), media, "{messages}{more}");
        }
    }

    #[test]
    fn a_conversation_that_grows_keeps_its_prefix() {
        let first =
            r#"{"role":"system","content":"be, [brief] \" }"},{"role":"user","content":"one"}"#;
        let turns = [
            format!("[{first}]"),
            format!(r#"[{first},{{"role":"assistant","content":"a"}}]"#),
            format!(
                r#"[{first},{{"role":"assistant","content":"a"}},{{"role":"user","content":"b"}}]"#
            ),
        ];
        let prefixes: Vec<u64> = turns.iter().map(|turn| of(turn, "").prefix()).collect();
        assert!(
            prefixes.iter().all(|prefix| *prefix == prefixes[0] && *prefix != 0),
            "{prefixes:?}"
        );
        let other = turns[0].replace("one", "two");
        assert_ne!(
            of(&other, "").prefix(),
            prefixes[0],
            "another conversation, the same instructions"
        );
        assert_ne!(of(&turns[0].replace("brief", "long"), "").prefix(), prefixes[0]);
    }
}
