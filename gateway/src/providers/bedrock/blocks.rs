//! Messages as `Converse` wants them: user and assistant in turn, no empty text, results of tools
//! beside what the user says.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::family::Family;
use super::media::{self, Names};
use crate::call::Lacks;
use crate::call::chat::{CacheMark, Chat, Content, Message, Part, Role};
use crate::error::{Error, Kind};
use crate::providers::Wire;

/// The longest id of a call of a tool.
const MAX_ID: usize = 64;

/// Writes the parts of a conversation.
pub(super) struct Blocks<'a> {
    family: Family,
    lacks: &'a mut Lacks,
    names: Names,
}

impl<'a> Blocks<'a> {
    pub(super) fn new(family: Family, lacks: &'a mut Lacks) -> Self {
        Self { family, lacks, names: Names::default() }
    }

    /// The system prompt.
    pub(super) fn system(&mut self, parts: &[Part]) -> Result<Vec<Value>, Error> {
        let mut blocks = Vec::new();
        for part in parts {
            match &part.content {
                Content::Text(text) => blocks.extend(said(text)),
                _ => self.lacks.refuse("system parts other than text", true)?,
            }
            self.mark(part.cache, &mut blocks);
        }
        Ok(blocks)
    }

    /// The conversation.
    pub(super) fn messages(&mut self, chat: &Chat) -> Result<Vec<Value>, Error> {
        let mut turns: Vec<(&'static str, Vec<Value>)> = Vec::new();
        for message in &chat.messages {
            let role = match message.role {
                Role::User => "user",
                Role::Assistant => "assistant",
                // few models take the role inside the conversation, and the order matters
                Role::System => {
                    self.lacks.refuse("a system message behind the first other message", true)?;
                    continue;
                }
            };
            self.lacks.drop("name", message.name.is_some());
            let mut blocks = Vec::new();
            self.message(message, &mut blocks)?;
            match turns.last_mut() {
                _ if blocks.is_empty() => {}
                Some((last, turn)) if *last == role => turn.append(&mut blocks),
                _ => turns.push((role, blocks)),
            }
        }
        Ok(turns.into_iter().map(|(role, turn)| json!({"role": role, "content": turn})).collect())
    }

    fn message(&mut self, message: &Message, blocks: &mut Vec<Value>) -> Result<(), Error> {
        for part in &message.parts {
            match &part.content {
                Content::ToolCall { id, name, arguments, .. } => {
                    let call =
                        json!({"toolUseId": fit(id), "name": name, "input": input(arguments)?});
                    blocks.push(json!({"toolUse": call}));
                }
                Content::ToolResult { id, parts, is_error, .. } => {
                    let mut content = Vec::new();
                    for part in parts {
                        content.extend(self.given(&part.content)?);
                    }
                    let mut result = json!({"toolUseId": fit(id), "content": content});
                    // success is the default, and only some models know the field
                    if let (true, Some(result)) = (*is_error, result.as_object_mut()) {
                        result.insert("status".into(), "error".into());
                    }
                    blocks.push(json!({"toolResult": result}));
                }
                Content::Reasoning { text, signature } => {
                    let own = signature.as_ref().and_then(|proof| proof.for_target(Wire::Bedrock));
                    blocks.extend(own.map(|proof| {
                        let thought = json!({"text": text, "signature": proof});
                        json!({"reasoningContent": {"reasoningText": thought}})
                    }));
                }
                Content::Redacted(proof) => {
                    blocks.extend(
                        proof
                            .for_target(Wire::Bedrock)
                            .map(|sealed| json!({"reasoningContent": {"redactedContent": sealed}})),
                    );
                }
                Content::Refusal(text) => blocks.extend(said(text)),
                Content::Audio(source) => blocks.push(media::audio(source, self.lacks)?),
                other => blocks.extend(self.given(other)?),
            }
            self.mark(part.cache, blocks);
        }
        Ok(())
    }

    /// What a user and a tool can give alike; `None` for what says nothing.
    fn given(&mut self, content: &Content) -> Result<Option<Value>, Error> {
        Ok(match content {
            Content::Text(text) => said(text),
            Content::Image { source, detail } => {
                self.lacks.drop("detail", detail.is_some());
                Some(media::image(source, self.lacks)?)
            }
            Content::File { source, name } => {
                let name = name.as_deref();
                Some(media::document(source, name, &mut self.names, self.lacks)?)
            }
            Content::Video(source) => Some(media::video(source, self.lacks)?),
            Content::Audio(_)
            | Content::Reasoning { .. }
            | Content::Redacted(_)
            | Content::Refusal(_)
            | Content::ToolCall { .. }
            | Content::ToolResult { .. } => {
                self.lacks.refuse("this kind of content in the result of a tool", true)?;
                None
            }
        })
    }

    /// A mark stands behind what it is about.
    fn mark(&mut self, mark: Option<CacheMark>, blocks: &mut Vec<Value>) {
        let Some(mark) = mark.filter(|_| !blocks.is_empty()) else {
            return;
        };
        if self.family.caches().0 {
            blocks.push(cache_point(self.family, mark));
        } else {
            self.lacks.drop("cache_control", true);
        }
    }
}

/// The mark of a model that knows it.
pub(super) fn cache_point(family: Family, mark: CacheMark) -> Value {
    match mark {
        CacheMark::Long if family.caches_long() => {
            json!({"cachePoint": {"type": "default", "ttl": "1h"}})
        }
        CacheMark::Long | CacheMark::Short => json!({"cachePoint": {"type": "default"}}),
    }
}

/// Text that says something: blank text is refused.
fn said(text: &str) -> Option<Value> {
    (!text.trim().is_empty()).then(|| json!({"text": text}))
}

/// Arguments as an object.
fn input(arguments: &str) -> Result<Value, Error> {
    if arguments.trim().is_empty() {
        return Ok(json!({}));
    }
    let read = serde_json::from_str::<Value>(arguments).ok();
    read.filter(Value::is_object).ok_or_else(|| {
        let message = "the arguments of a tool's call must be a JSON object";
        Error::new(Kind::InvalidField, message).at("arguments")
    })
}

/// An id as `Converse` takes it; one that does not fit gets another, always the same.
fn fit(id: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '-');
    if !id.is_empty() && id.len() <= MAX_ID && id.chars().all(plain) {
        return id.to_owned();
    }
    let sum = Sha256::digest(id.as_bytes());
    let hex = sum.iter().take(12).map(|byte| format!("{byte:02x}"));
    format!("call_{}", hex.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_fit() {
        for id in ["", "call|fc_1", &"x".repeat(65)] {
            let fitted = fit(id);
            assert!(fitted.len() <= MAX_ID && fitted.starts_with("call_"), "{fitted}");
            assert_eq!(fit(&fitted), fitted);
        }
        assert_eq!(fit("tooluse_a.B:1-2"), "tooluse_a.B:1-2");
    }
}
