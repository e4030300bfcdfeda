//! Blocks of content.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::fields::{Fields, Place};
use super::options::cache;
use super::read::elsewhere;
use crate::call::Own;
use crate::call::chat::{Content, Part, Role, Source};
use crate::error::Error;
use crate::providers::Wire;
use crate::reply::Signature;

/// Reads the blocks of a conversation, oldest first.
pub(super) struct Blocks<'a> {
    pub(super) own: &'a mut Vec<Own>,
    /// The names of the tools that were called, by the ids of the calls.
    called: HashMap<String, String>,
}

/// A block that stands alone, or what another vendor's proof belongs to.
enum Read {
    Part(Part),
    /// The proof of the tool call that follows.
    Proof(Signature),
    /// It was put elsewhere.
    Nothing,
}

impl<'a> Blocks<'a> {
    pub(super) fn new(own: &'a mut Vec<Own>) -> Self {
        Self { own, called: HashMap::new() }
    }

    /// Instructions: a string, or blocks of text.
    pub(super) fn system(&mut self, place: &Place<'_>, content: Value) -> Result<Vec<Part>, Error> {
        let blocks = match content {
            Value::String(text) => return Ok(vec![Part::text(text)]),
            Value::Array(blocks) => blocks,
            _ => return Err(place.must("a string or an array of blocks of text")),
        };
        let mut parts = Vec::with_capacity(blocks.len());
        for (at, block) in blocks.into_iter().enumerate() {
            let place = Place::Item(place, at);
            let mut fields = Fields::of(&place, block)?;
            if fields.need_text("type")? != "text" {
                return Err(fields.at("type").must("text"));
            }
            parts.push(self.text(fields)?);
        }
        Ok(parts)
    }

    /// What is said: a string, or blocks.
    pub(super) fn of(
        &mut self,
        place: &Place<'_>,
        content: Value,
        role: Role,
    ) -> Result<Vec<Part>, Error> {
        let blocks = match content {
            Value::String(text) => return Ok(vec![Part::text(text)]),
            Value::Array(blocks) => blocks,
            _ => return Err(place.must("a string or an array of blocks")),
        };
        let mut parts: Vec<Part> = Vec::with_capacity(blocks.len());
        let mut proof: Option<Signature> = None;
        for (at, block) in blocks.into_iter().enumerate() {
            let mut read = self.block(&Place::Item(place, at), block, Some(role))?;
            if let Read::Part(Part { content: Content::ToolCall { signature, .. }, .. }) = &mut read
            {
                *signature = proof.take();
            }
            parts.extend(proof.take().map(|proof| Part::from(Content::Redacted(proof))));
            match read {
                Read::Part(part) => parts.push(part),
                Read::Proof(signature) => proof = Some(signature),
                Read::Nothing => {}
            }
        }
        parts.extend(proof.map(|proof| Part::from(Content::Redacted(proof))));
        Ok(parts)
    }

    /// A block; without a role, one of a tool's result.
    fn block(
        &mut self,
        place: &Place<'_>,
        block: Value,
        role: Option<Role>,
    ) -> Result<Read, Error> {
        let mut fields = Fields::of(place, block)?;
        let kind = fields.need_text("type")?;
        let content = match (kind.as_str(), role) {
            ("text", _) => return self.text(fields).map(Read::Part),
            ("image", _) => {
                let source = fields.need("source", "an object")?;
                let Some(source) = self.source(&fields.at("source"), source)? else {
                    return Ok(Read::Nothing);
                };
                Content::Image { source, detail: None }
            }
            ("document", _) => {
                let source = fields.need("source", "an object")?;
                let Some(source) = self.source(&fields.at("source"), source)? else {
                    return Ok(Read::Nothing);
                };
                // both change what the model reads or writes
                let cites = |value: &Value| value.get("enabled") != Some(&Value::Bool(false));
                if let Some(value) = fields.take("citations").filter(cites) {
                    self.own.push(elsewhere(place, "citations", value));
                }
                fields.own(&[("context", false)], self.own);
                Content::File { source, name: fields.text("title")? }
            }
            ("thinking", Some(Role::Assistant)) => {
                let text = fields.text("thinking")?.unwrap_or_default();
                let signature = fields.text("signature")?.unwrap_or_default();
                let signature = Signature::heard(Wire::Anthropic, &signature);
                let signature = (!signature.text.is_empty()).then_some(signature);
                Content::Reasoning { text, signature }
            }
            ("redacted_thinking", Some(Role::Assistant)) => {
                let sealed = Signature::heard(Wire::Anthropic, &fields.need_text("data")?);
                fields.rest(self.own);
                // Google's proofs are those of calls: see the renderer
                return Ok(match sealed.by {
                    Wire::Gemini => Read::Proof(sealed),
                    _ => Read::Part(Content::Redacted(sealed).into()),
                });
            }
            ("tool_use", Some(Role::Assistant)) => self.tool_use(&mut fields)?,
            ("tool_result", Some(Role::User)) => self.tool_result(&mut fields)?,
            ("thinking" | "redacted_thinking" | "tool_use", Some(_)) => {
                return Err(fields.at("type").must("one that a user's message may hold"));
            }
            ("tool_result", Some(_)) => {
                return Err(fields.at("type").must("one that an assistant's message may hold"));
            }
            // results of the vendor's own tools, and what is not known yet
            _ => {
                self.own.push(elsewhere(place, "type", kind.into()));
                return Ok(Read::Nothing);
            }
        };
        let cache = cache(&mut fields)?;
        fields.rest(self.own);
        Ok(Read::Part(Part { content, cache }))
    }

    fn text(&mut self, mut fields: Fields<'_>) -> Result<Part, Error> {
        let part =
            Part { content: Content::Text(fields.need_text("text")?), cache: cache(&mut fields)? };
        // where an earlier answer's text was from
        fields.own(&[("citations", true)], self.own);
        fields.rest(self.own);
        Ok(part)
    }

    fn tool_use(&mut self, fields: &mut Fields<'_>) -> Result<Content, Error> {
        let (id, name) = (fields.need_text("id")?, fields.need_text("name")?);
        let input = fields.need("input", "an object")?;
        if !input.is_object() {
            return Err(fields.at("input").must("an object"));
        }
        fields.own(&[("caller", true), ("toolset_name", false)], self.own);
        self.called.insert(id.clone(), name.clone());
        Ok(Content::ToolCall { id, name, arguments: input.to_string(), signature: None })
    }

    fn tool_result(&mut self, fields: &mut Fields<'_>) -> Result<Content, Error> {
        let id = fields.need_text("tool_use_id")?;
        let is_error = fields.flag("is_error")?.unwrap_or(false);
        let mut parts = Vec::new();
        let place = fields.at("content");
        match fields.take("content") {
            None => {}
            Some(Value::String(text)) => parts.push(Part::text(text)),
            Some(Value::Array(blocks)) => {
                for (at, block) in blocks.into_iter().enumerate() {
                    if let Read::Part(part) = self.block(&Place::Item(&place, at), block, None)? {
                        parts.push(part);
                    }
                }
            }
            Some(_) => return Err(place.must("a string or an array of blocks")),
        }
        fields.own(&[("toolset_name", false)], self.own);
        let name = self.called.get(&id).cloned();
        Ok(Content::ToolResult { id, name, parts, is_error })
    }

    /// Where an image or a document is; `None` for what no other format can be told.
    fn source(&mut self, place: &Place<'_>, value: Value) -> Result<Option<Source>, Error> {
        let mut fields = Fields::of(place, value)?;
        let kind = fields.need_text("type")?;
        let source = match kind.as_str() {
            "base64" => Source::Data {
                media_type: fields.need_text("media_type")?,
                base64: fields.need_text("data")?,
            },
            "text" => Source::Data {
                media_type: fields.need_text("media_type")?,
                base64: STANDARD.encode(fields.need_text("data")?),
            },
            "url" => Source::Url { url: fields.need_text("url")?, media_type: None },
            "file" => Source::Id(fields.need_text("file_id")?),
            _ => {
                self.own.push(elsewhere(place, "type", kind.into()));
                return Ok(None);
            }
        };
        fields.rest(self.own);
        Ok(Some(source))
    }
}
