//! What holds for thinking within a budget, whoever's format says it.

use super::Wire;
use crate::call::chat::{Chat, Content, Role};

/// The most that may be thought of an answer of at most `max_tokens`: thoughts count as output, and
/// the answer needs room too.
pub(super) const fn most(max_tokens: i64) -> i64 {
    max_tokens - max_tokens / 4
}

/// Whether results of tools come last and the turn that called them does not begin with thoughts of
/// this format's vendor: within a budget, Claude refuses to think on from there.
pub(super) fn resumes_without_thoughts(chat: &Chat, wire: Wire) -> bool {
    let mut turns = chat.messages.iter().rev().filter(|message| message.role != Role::System);
    let mut results = false;
    let called = turns.by_ref().find(|message| {
        let is_result = |content: &Content| matches!(content, Content::ToolResult { .. });
        results |= message.parts.iter().any(|part| is_result(&part.content));
        message.role == Role::Assistant
    });
    let before = turns.take_while(|message| message.role == Role::Assistant);
    let first = called.into_iter().chain(before).last().and_then(|message| message.parts.first());
    let thought = first.is_some_and(|part| match &part.content {
        Content::Reasoning { signature: Some(signature), .. } | Content::Redacted(signature) => {
            signature.for_target(wire).is_some()
        }
        _ => false,
    });
    results && !thought
}
