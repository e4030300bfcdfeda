//! Blocks as a whole answer.

use serde_json::{Value, json};

use super::render::{Block, More, Sink};
use super::stream::citation;

/// Keeps blocks until the end.
#[derive(Default)]
pub(super) struct Whole {
    blocks: Vec<Kept>,
}

/// A block and what was said in it.
struct Kept {
    block: Block,
    said: String,
    proof: Option<String>,
    sealed: Option<String>,
    citations: Vec<Value>,
}

impl Sink for Whole {
    fn begin(&mut self, _: &mut Vec<u8>) {}

    fn open(&mut self, _: u32, block: Block, _: &mut Vec<u8>) {
        let (said, citations) = (String::new(), Vec::new());
        self.blocks.push(Kept { block, said, proof: None, sealed: None, citations });
    }

    fn more(&mut self, at: u32, more: More, _: &mut Vec<u8>) {
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        let Some(kept) = self.blocks.get_mut(at) else {
            return;
        };
        match more {
            More::Text(text) | More::Thought(text) | More::Input(text) | More::Image(text) => {
                kept.said.push_str(&text);
            }
            More::Citation { url, title } => kept.citations.push(citation(&url, title.as_deref())),
            More::Proof(proof) => kept.proof = Some(proof),
            More::Sealed(sealed) => kept.sealed = Some(sealed),
        }
    }

    fn close(&mut self, _: u32, _: &mut Vec<u8>) {}

    fn end(&mut self, reason: &'static str, usage: Value, out: &mut Vec<u8>) {
        let mut content = Vec::new();
        for kept in self.blocks.drain(..) {
            kept.show(&mut content);
        }
        let answer = json!({
            "output": {"message": {"role": "assistant", "content": content}},
            "stopReason": reason,
            "usage": usage,
            "metrics": {"latencyMs": 0},
        });
        out.extend_from_slice(answer.to_string().as_bytes());
    }
}

impl Kept {
    fn show(self, content: &mut Vec<Value>) {
        let Self { block, said, proof, sealed, citations } = self;
        match block {
            Block::Text => {
                if !said.is_empty() {
                    content.push(json!({"text": said}));
                }
                // beside the text, as a client looks for that first
                if !citations.is_empty() {
                    let cited = json!({"content": [], "citations": citations});
                    content.push(json!({"citationsContent": cited}));
                }
            }
            Block::Thought => content.push(match (sealed, proof) {
                (Some(sealed), _) => json!({"reasoningContent": {"redactedContent": sealed}}),
                (None, Some(proof)) => {
                    let thought = json!({"text": said, "signature": proof});
                    json!({"reasoningContent": {"reasoningText": thought}})
                }
                (None, None) => json!({"reasoningContent": {"reasoningText": {"text": said}}}),
            }),
            Block::Call { id, name } => {
                let input = match said.trim() {
                    "" => json!({}),
                    text => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
                };
                let call = json!({"toolUseId": id, "name": name, "input": input});
                content.push(json!({"toolUse": call}));
            }
            Block::Image { format } => {
                content.push(json!({"image": {"format": format, "source": {"bytes": said}}}));
            }
        }
    }
}
