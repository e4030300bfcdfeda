//! The conversation.

use std::collections::BTreeMap;

use serde_json::Value;

use super::json::{At, Fields, wrong};
use super::parts;
use crate::call::Own;
use crate::call::chat::{Content, Message, Part, Role};
use crate::error::Error;
use crate::providers::Wire;
use crate::reply::Signature;

/// Reads messages.
pub(super) struct Messages<'o> {
    pub(super) system: Vec<Part>,
    pub(super) messages: Vec<Message>,
    own: &'o mut Vec<Own>,
    /// Tools by the ids of their calls.
    called: BTreeMap<String, String>,
    /// Calls by the deprecated `function_call`, which have no id: id and name.
    unnamed: Vec<(String, String)>,
}

const ROLES: &str = "system, developer, user, assistant or tool";

impl<'o> Messages<'o> {
    pub(super) fn new(own: &'o mut Vec<Own>) -> Self {
        Self {
            system: Vec::new(),
            messages: Vec::new(),
            own,
            called: BTreeMap::new(),
            unnamed: Vec::new(),
        }
    }

    pub(super) fn read(&mut self, list: Vec<Value>) -> Result<(), Error> {
        let all = At::Field(&At::Top, "messages");
        for (index, value) in list.into_iter().enumerate() {
            let at = At::Item(&all, index);
            let mut fields = Fields::of(value, &at)?;
            let role = fields.needed("role", ROLES)?;
            match role.as_str() {
                "system" | "developer" => self.system(&mut fields)?,
                "user" => self.user(&mut fields)?,
                "assistant" => self.assistant(&mut fields)?,
                "tool" | "function" => self.result(&role, &mut fields)?,
                _ => return Err(wrong(&At::Field(&at, "role"), ROLES)),
            }
            fields.rest(self.own);
        }
        Ok(())
    }

    fn push(&mut self, role: Role, parts: Vec<Part>, name: Option<String>) {
        self.messages.push(Message { role, parts, name });
    }

    fn system(&mut self, fields: &mut Fields<'_>) -> Result<(), Error> {
        let parts = parts::needed(fields, &["text"], self.own)?;
        if self.messages.is_empty() {
            fields.own("name", true, self.own);
            self.system.extend(parts);
        } else {
            let name = fields.text("name")?;
            self.push(Role::System, parts, name);
        }
        Ok(())
    }

    fn user(&mut self, fields: &mut Fields<'_>) -> Result<(), Error> {
        let parts = parts::needed(fields, &parts::USER, self.own)?;
        let name = fields.text("name")?;
        self.push(Role::User, parts, name);
        Ok(())
    }

    fn result(&mut self, role: &str, fields: &mut Fields<'_>) -> Result<(), Error> {
        let (id, name) = if role == "tool" {
            let id = fields.needed("tool_call_id", "the id of the call")?;
            let name = self.called.get(&id).cloned();
            (id, name.or(fields.text("name")?))
        } else {
            let name = fields.needed("name", "the function that was called")?;
            let call = self.unnamed.iter().rev().find(|(_, called)| *called == name);
            let Some((id, _)) = call else {
                let at = At::Field(fields.at, "name");
                return Err(wrong(&at, "the name of a function that was called before"));
            };
            (id.clone(), Some(name))
        };
        let parts = parts::needed(fields, &parts::RESULT, self.own)?;
        let result = Content::ToolResult { id, name, parts, is_error: false };
        self.push(Role::User, vec![result.into()], None);
        Ok(())
    }

    fn assistant(&mut self, fields: &mut Fields<'_>) -> Result<(), Error> {
        let mut said = thoughts(fields)?;
        said.extend(parts::content(fields, &["text", "refusal"], self.own)?);
        // an empty text beside calls is how many clients say nothing
        said.retain(|part| !matches!(&part.content, Content::Text(text) if text.is_empty()));
        said.extend(fields.text("refusal")?.map(|text| Content::Refusal(text).into()));
        said.extend(parts::images(fields, self.own)?);
        let calls = At::Field(fields.at, "tool_calls");
        for (index, call) in fields.list("tool_calls")?.unwrap_or_default().into_iter().enumerate()
        {
            said.extend(self.call(call, &At::Item(&calls, index))?);
        }
        if let Some(call) = fields.take("function_call") {
            said.push(self.unnamed(call, &At::Field(fields.at, "function_call"))?);
        }
        if said.is_empty() {
            said.push(Part::text(""));
        }
        fields.own("audio", false, self.own);
        fields.take("annotations"); // of an earlier answer: tells the model nothing
        let name = fields.text("name")?;
        self.push(Role::Assistant, said, name);
        Ok(())
    }

    fn call(&mut self, value: Value, at: &At<'_>) -> Result<Option<Part>, Error> {
        if value.get("type").and_then(Value::as_str) == Some("custom") {
            self.own.push(Own { name: at.to_string(), value, may_drop: false });
            return Ok(None);
        }
        let mut fields = Fields::of(value, at)?;
        fields.one_of("type", &["function", "custom"])?;
        fields.take("index"); // of an earlier answer
        let id = fields.needed("id", "the id of the call")?;
        let signature = fields.take("extra_content").and_then(|extra| {
            let proof = extra.pointer("/google/thought_signature")?.as_str()?;
            Some(Signature::heard(Wire::OpenAi, proof))
        });
        let function = fields.needed_value("function", "what is called")?;
        let (name, arguments) = called(function, &At::Field(at, "function"))?;
        fields.rest(self.own);
        self.called.insert(id.clone(), name.clone());
        Ok(Some(Content::ToolCall { id, name, arguments, signature }.into()))
    }

    fn unnamed(&mut self, value: Value, at: &At<'_>) -> Result<Part, Error> {
        let (name, arguments) = called(value, at)?;
        // the same whenever the conversation is sent, for caches of prompts
        let id = format!("call_{}", self.unnamed.len());
        self.unnamed.push((id.clone(), name.clone()));
        Ok(Content::ToolCall { id, name, arguments, signature: None }.into())
    }
}

fn called(value: Value, at: &At<'_>) -> Result<(String, String), Error> {
    let mut fields = Fields::of(value, at)?;
    let name = fields.needed("name", "the function's name")?;
    let arguments = fields.text("arguments")?.filter(|json| !json.trim().is_empty());
    Ok((name, arguments.unwrap_or_else(|| "{}".into())))
}

/// What the model thought: `reasoning_content` (DeepSeek) or `reasoning` (OpenRouter), and in
/// `reasoning_details` the same again with its proofs.
fn thoughts(fields: &mut Fields<'_>) -> Result<Vec<Part>, Error> {
    let (content, other) = (fields.text("reasoning_content")?, fields.text("reasoning")?);
    let whole = content.or(other).unwrap_or_default();
    let mut rest = whole.as_str();
    let mut said: Vec<Part> = Vec::new();
    let all = At::Field(fields.at, "reasoning_details");
    for (index, value) in
        fields.list("reasoning_details")?.unwrap_or_default().into_iter().enumerate()
    {
        let at = At::Item(&all, index);
        let mut fields = Fields::of(value, &at)?;
        let proof = |text: String| Signature::heard(Wire::OpenAi, &text);
        match fields
            .needed("type", "reasoning.text, reasoning.summary or reasoning.encrypted")?
            .as_str()
        {
            "reasoning.encrypted" => {
                let sealed = fields.needed("data", "what is sealed")?;
                said.push(Content::Redacted(proof(sealed)).into());
            }
            _ => {
                let (text, summary) = (fields.text("text")?, fields.text("summary")?);
                let text = text.or(summary).filter(|text| !text.is_empty());
                let signature = fields.text("signature")?.filter(|proof| !proof.is_empty());
                // a proof alone is of what stands beside it
                let text = match text {
                    Some(text) => {
                        rest = rest.strip_prefix(text.as_str()).unwrap_or_default();
                        text
                    }
                    None => std::mem::take(&mut rest).to_owned(),
                };
                if !text.is_empty() || signature.is_some() {
                    let signature = signature.map(proof);
                    said.push(Content::Reasoning { text, signature }.into());
                }
            }
        }
    }
    if !rest.is_empty() {
        said.push(Content::Reasoning { text: rest.to_owned(), signature: None }.into());
    }
    Ok(said)
}
