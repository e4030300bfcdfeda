//! Messages and their content.

use super::more::json;
use super::node::Node;
use crate::call::chat::{CacheMark, Chat, Content, Message, Part, Role, Source};
use crate::error::Error;
use crate::providers::Wire;
use crate::reply::Signature;

/// Reads messages.
pub(super) struct Blocks;

impl Blocks {
    /// A message, behind those that are there.
    pub(super) fn message(node: Node<'_>, chat: &mut Chat) -> Result<(), Error> {
        node.only(&["role", "content"])?;
        let role = node.need("role", |node| match node.text()? {
            "user" => Ok(Role::User),
            "assistant" => Ok(Role::Assistant),
            "system" => Ok(Role::System),
            _ => Err(node.wrong("user, assistant or system")),
        })?;
        let mut parts: Vec<Part> = Vec::new();
        node.need("content", |node| {
            node.each(|node| {
                node.union(|name, node| {
                    if name == "cachePoint" {
                        return cache_mark(node, parts.last_mut().map(|part| &mut part.cache));
                    }
                    let read = block(name, node, chat)?;
                    add(read, &mut parts);
                    Ok(())
                })
            })
        })?;
        chat.messages.push(Message { role, parts, name: None });
        Ok(())
    }
}

/// Marks what stands before.
pub(super) fn cache_mark(
    node: Node<'_>,
    before: Option<&mut Option<CacheMark>>,
) -> Result<(), Error> {
    node.only(&["type", "ttl"])?;
    let long = node.may("ttl", |node| match node.text()? {
        "5m" => Ok(false),
        "1h" => Ok(true),
        _ => Err(node.wrong("5m or 1h")),
    })?;
    if let Some(before) = before {
        *before = Some(if long == Some(true) { CacheMark::Long } else { CacheMark::Short });
    }
    Ok(())
}

/// The proof of a call goes ahead of it as that of an empty thought: see `render.rs`.
fn add(mut read: Content, parts: &mut Vec<Part>) {
    if let Content::ToolCall { signature, .. } = &mut read {
        let ahead = parts.pop_if(|part| match &part.content {
            Content::Reasoning { text, signature: Some(proof) } => {
                text.is_empty() && proof.by != Wire::Bedrock
            }
            _ => false,
        });
        if let Some(Part { content: Content::Reasoning { signature: proof, .. }, .. }) = ahead {
            *signature = proof;
        }
    }
    parts.push(read.into());
}

fn block(name: &str, node: Node<'_>, chat: &Chat) -> Result<Content, Error> {
    match name {
        "toolUse" => {
            node.only(&["toolUseId", "name", "input", "type"])?;
            node.may("type", |node| Err::<(), _>(node.unsaid()))?;
            Ok(Content::ToolCall {
                id: node.need("toolUseId", |node| Ok(node.text()?.to_owned()))?,
                name: node.need("name", |node| Ok(node.text()?.to_owned()))?,
                arguments: node.need("input", |node| node.object().map(|_| json(node.value)))?,
                signature: None,
            })
        }
        "toolResult" => result(node, chat),
        "reasoningContent" => node.union(|name, node| match name {
            "reasoningText" => {
                node.only(&["text", "signature"])?;
                let proof = node.may("signature", |node| Ok(heard(node.text()?)))?;
                let text = node.need("text", |node| Ok(node.text()?.to_owned()))?;
                Ok(Content::Reasoning { text, signature: proof })
            }
            "redactedContent" => Ok(Content::Redacted(unsealed(bytes(node)?))),
            _ => Err(node.unsaid()),
        }),
        "audio" => Ok(Content::Audio(media(node, "audio", |format| {
            Some(format!("audio/{}", sound(format)))
        })?)),
        // what was cited is said; from where is not asked again
        "citationsContent" => {
            let mut text = String::new();
            node.may("content", |node| {
                node.each(|node| {
                    let more = node.may("text", |node| Ok(node.text()?.to_owned()))?;
                    text.push_str(&more.unwrap_or_default());
                    Ok(())
                })
            })?;
            Ok(Content::Text(text))
        }
        _ => given(name, node),
    }
}

/// What a user and a tool can give alike.
fn given(name: &str, node: Node<'_>) -> Result<Content, Error> {
    match name {
        "text" => Ok(Content::Text(node.text()?.to_owned())),
        "image" => {
            let known = |format: &str| {
                let known = ["png", "jpeg", "gif", "webp"].contains(&format);
                known.then(|| format!("image/{format}"))
            };
            Ok(Content::Image {
                source: media(node, "png, jpeg, gif or webp", known)?,
                detail: None,
            })
        }
        "video" => Ok(Content::Video(media(node, "a video format", film)?)),
        "document" => {
            node.only(&["format", "name", "source", "context", "citations"])?;
            for own in ["context", "citations"] {
                node.may(own, |node| Err::<(), _>(node.unsaid()))?;
            }
            let name = node.need("name", |node| Ok(node.text()?.to_owned()))?;
            let written =
                node.need("source", |node| node.may("text", |node| Ok(node.text()?.to_owned())))?;
            let source = match written {
                Some(text) => plain(&text),
                None => media(node, "a document format", paper)?,
            };
            Ok(Content::File { source, name: Some(name) })
        }
        _ => Err(node.unsaid()),
    }
}

fn result(node: Node<'_>, chat: &Chat) -> Result<Content, Error> {
    node.only(&["toolUseId", "content", "status", "type"])?;
    node.may("type", |node| Err::<(), _>(node.unsaid()))?;
    let id = node.need("toolUseId", |node| Ok(node.text()?.to_owned()))?;
    let failed = node.may("status", |node| match node.text()? {
        "success" => Ok(false),
        "error" => Ok(true),
        _ => Err(node.wrong("success or error")),
    })?;
    let mut parts = Vec::new();
    node.need("content", |node| {
        node.each(|node| {
            node.union(|name, node| {
                parts.push(match name {
                    "json" => Part::text(json(node.value)),
                    name => given(name, node)?.into(),
                });
                Ok(())
            })
        })
    })?;
    let name = chat.called(&id).map(str::to_owned);
    Ok(Content::ToolResult { id, name, parts, is_error: failed == Some(true) })
}

/// The bytes of media whose format is known.
fn media(
    node: Node<'_>,
    wanted: &str,
    known: impl Fn(&str) -> Option<String>,
) -> Result<Source, Error> {
    let media_type = node.need("format", |node| {
        let format = node.text()?;
        known(format).ok_or_else(|| node.wrong(wanted))
    })?;
    node.need("source", |node| {
        node.union(|name, node| match name {
            "bytes" => Ok(Source::Data { media_type, base64: bytes(node)?.to_owned() }),
            _ => Err(node.unsaid()),
        })
    })
}

/// Bytes are base64 in JSON.
fn bytes<'a>(node: Node<'a>) -> Result<&'a str, Error> {
    use base64::Engine as _;
    let text = node.text()?;
    match base64::engine::general_purpose::STANDARD.decode(text) {
        Ok(bytes) if !bytes.is_empty() => Ok(text),
        _ => Err(node.wrong("bytes as base64")),
    }
}

fn plain(text: &str) -> Source {
    use base64::Engine as _;
    let base64 = base64::engine::general_purpose::STANDARD.encode(text);
    Source::Data { media_type: "text/plain".into(), base64 }
}

fn heard(text: &str) -> Signature {
    Signature::heard(Wire::Bedrock, text)
}

/// A sealed thought is bytes; those of another vendor say whose they are.
fn unsealed(text: &str) -> Signature {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).unwrap_or_default();
    let said = String::from_utf8(bytes).ok().map(|said| heard(&said));
    let foreign = said.filter(|signature| signature.by != Wire::Bedrock);
    foreign.unwrap_or_else(|| Signature::new(Wire::Bedrock, text))
}

fn sound(format: &str) -> &str {
    match format {
        "mp3" | "mpga" => "mpeg",
        "x-aac" => "aac",
        "mka" | "mkv" => "x-matroska",
        other => other,
    }
}

fn film(format: &str) -> Option<String> {
    let name = match format {
        "mp4" | "webm" | "mpeg" => format,
        "mpg" => "mpeg",
        "mov" => "quicktime",
        "mkv" => "x-matroska",
        "flv" => "x-flv",
        "wmv" => "x-ms-wmv",
        "three_gp" => "3gpp",
        _ => return None,
    };
    Some(format!("video/{name}"))
}

fn paper(format: &str) -> Option<String> {
    let office = "application/vnd.openxmlformats-officedocument";
    Some(match format {
        "pdf" => "application/pdf".into(),
        "csv" => "text/csv".into(),
        "html" => "text/html".into(),
        "txt" => "text/plain".into(),
        "md" => "text/markdown".into(),
        "doc" => "application/msword".into(),
        "docx" => format!("{office}.wordprocessingml.document"),
        "xls" => "application/vnd.ms-excel".into(),
        "xlsx" => format!("{office}.spreadsheetml.sheet"),
        _ => return None,
    })
}
