//! The items of `input`: messages, thoughts, calls of tools and what they gave.

use serde_json::Value;

use super::node::Node;
use super::parts::parts;
use super::proof::{Of, heard};
use crate::call::Own;
use crate::call::chat::{Content, Message, Part, Role};
use crate::error::{Error, Kind};
use crate::providers::Wire;
use crate::reply::Signature;

/// A conversation, as its items are read.
#[derive(Default)]
pub(super) struct Conversation {
    /// Instructions that stand before it.
    pub(super) system: Vec<Part>,
    /// Its messages.
    pub(super) messages: Vec<Message>,
    /// What has no place in it.
    pub(super) own: Vec<Own>,
    /// The proof of the next call of a tool.
    proof: Option<Signature>,
}

impl Conversation {
    /// Reads `input`: a string, or an array of items.
    pub(super) fn read(&mut self, input: &Node<'_>) -> Result<(), Error> {
        if let Some(text) = input.value.as_str() {
            self.push(Role::User, vec![Part::text(text)]);
            return Ok(());
        }
        if !input.value.is_array() {
            return Err(input.wrong("a string or an array of items"));
        }
        input.list()?.try_for_each(|item| self.item(&item))
    }

    fn item(&mut self, item: &Node<'_>) -> Result<(), Error> {
        item.object()?;
        match item.get_text("type")?.unwrap_or("message") {
            "message" => self.message(item),
            "reasoning" => self.reasoning(item),
            "function_call" => self.call(item),
            "function_call_output" => self.result(item),
            "item_reference" => self.reference(item),
            // a note of what the vendor did; it holds nothing of what it found
            "web_search_call" => {
                self.own(item, true);
                Ok(())
            }
            // the tools that vendors run themselves, and whatever comes next
            _ => {
                self.own(item, false);
                Ok(())
            }
        }
    }

    fn message(&mut self, item: &Node<'_>) -> Result<(), Error> {
        let role = item.need("role", "user, assistant, system or developer")?;
        let said = parts(&item.need("content", "a string or an array of parts")?)?;
        match role.text()? {
            "user" => self.push(Role::User, said),
            "assistant" => self.answer(said),
            "system" | "developer" => {
                let texts = said.iter().all(|part| matches!(part.content, Content::Text(_)));
                if self.messages.is_empty() && texts {
                    self.system.extend(said);
                } else {
                    self.push(Role::System, said);
                }
            }
            _ => return Err(role.wrong("user, assistant, system or developer")),
        }
        if let Some(phase) = item.get("phase") {
            self.own.push(Own {
                name: "input[].phase".into(),
                value: phase.value.clone(),
                may_drop: true,
            });
        }
        Ok(())
    }

    fn reasoning(&mut self, item: &Node<'_>) -> Result<(), Error> {
        let mut texts = Vec::new();
        for (list, kind) in [("summary", "summary_text"), ("content", "reasoning_text")] {
            for part in item.get(list).iter().map(Node::list).collect::<Result<Vec<_>, _>>()? {
                for part in part {
                    if part.need_text("type")? != kind {
                        return Err(part.wrong(format!("a part of type {kind}")));
                    }
                    texts.push(part.need_text("text")?);
                }
            }
        }
        let text = texts.join("\n\n");
        let proof = item.get_text("encrypted_content")?.filter(|proof| !proof.is_empty());
        let content = match (proof.map(heard), text.is_empty()) {
            (Some((signature, Of::Call)), _) => {
                self.proof = Some(signature);
                return Ok(());
            }
            (Some((signature, Of::Sealed)), _) => Content::Redacted(signature),
            // this format's own thoughts without words are sealed ones
            (Some((signature, Of::Thoughts)), true) if signature.by == Wire::Responses => {
                Content::Redacted(signature)
            }
            (Some((signature, Of::Thoughts)), _) => {
                Content::Reasoning { text, signature: Some(signature) }
            }
            (None, false) => Content::Reasoning { text, signature: None },
            (None, true) => return Ok(()),
        };
        self.answer(vec![content.into()]);
        Ok(())
    }

    /// An item that the client was given, by its id. Thoughts are only a proof, and can go; without
    /// another item the conversation would be another.
    fn reference(&mut self, item: &Node<'_>) -> Result<(), Error> {
        if item.need_text("id")?.starts_with("rs_") {
            self.own(item, true);
            return Ok(());
        }
        let at = item.at.as_str();
        let message = format!(
            "{at}: the hub keeps no items that could be referred to; send the item itself \
             (Vercel's SDK does so with store: false)"
        );
        Err(Error::new(Kind::UnsupportedField, message).at(at))
    }

    fn call(&mut self, item: &Node<'_>) -> Result<(), Error> {
        let content = Content::ToolCall {
            id: item.need_text("call_id")?.to_owned(),
            name: item.need_text("name")?.to_owned(),
            arguments: item.need_text("arguments")?.to_owned(),
            signature: self.proof.take(),
        };
        self.answer(vec![content.into()]);
        Ok(())
    }

    fn result(&mut self, item: &Node<'_>) -> Result<(), Error> {
        let id = item.need_text("call_id")?;
        let name = match item.get_text("name")? {
            Some(name) => Some(name.to_owned()),
            None => self.called(id).map(str::to_owned),
        };
        let parts = parts(&item.need("output", "a string or an array of parts")?)?;
        let result = Content::ToolResult { id: id.to_owned(), name, parts, is_error: false };
        self.push(Role::User, vec![result.into()]);
        Ok(())
    }

    fn called(&self, id: &str) -> Option<&str> {
        let parts = self.messages.iter().rev().flat_map(|message| &message.parts);
        parts.into_iter().find_map(|part| match &part.content {
            Content::ToolCall { id: known, name, .. } if known == id => Some(name.as_str()),
            _ => None,
        })
    }

    fn push(&mut self, role: Role, parts: Vec<Part>) {
        self.messages.push(Message { role, parts, name: None });
    }

    /// The items of one turn of the model are one message; a second text begins another.
    fn answer(&mut self, parts: Vec<Part>) {
        let says = |parts: &[Part]| {
            parts.iter().any(|part| matches!(part.content, Content::Text(_) | Content::Refusal(_)))
        };
        match self.messages.last_mut() {
            Some(last) if last.role == Role::Assistant && !(says(&parts) && says(&last.parts)) => {
                last.parts.extend(parts);
            }
            _ => self.push(Role::Assistant, parts),
        }
    }

    fn own(&mut self, item: &Node<'_>, may_drop: bool) {
        let kind = item.value.get("type").and_then(Value::as_str).unwrap_or_default();
        let short: String = kind.chars().filter(|c| c.is_ascii_lowercase() || *c == '_').collect();
        let name = format!("{} ({})", item.at, short.get(..40).unwrap_or(&short));
        self.own.push(Own { name, value: item.value.clone(), may_drop });
    }
}
