//! What a conversation holds of other vendors: their thoughts came through the hub in this format, with proofs that
//! this vendor would refuse.

use memchr::memmem;
use serde_json::Value;

use crate::providers::Wire;
use crate::reply::Signature;

/// The messages without thoughts of other vendors; `None` where there are none.
pub(super) fn without(messages: &[u8]) -> Option<Vec<u8>> {
    let marked = |wire: &Wire| {
        let mark = Signature::new(*wire, "").told(Wire::Anthropic);
        *wire != Wire::Anthropic && memmem::find(messages, mark.as_bytes()).is_some()
    };
    Wire::ALL.iter().find(|wire| marked(wire))?;
    let mut messages: Vec<Value> = serde_json::from_slice(messages).ok()?;
    let mut changed = false;
    messages.retain_mut(|message| {
        let Some(Value::Array(blocks)) = message.get_mut("content") else {
            return true;
        };
        let before = blocks.len();
        blocks.retain(|block| !is_foreign(block));
        let removed = blocks.len() < before;
        changed |= removed;
        // a turn of nothing is refused
        !(removed && blocks.is_empty())
    });
    if changed { serde_json::to_vec(&messages).ok() } else { None }
}

fn is_foreign(block: &Value) -> bool {
    let field = match block.get("type").and_then(Value::as_str) {
        Some("thinking") => "signature",
        Some("redacted_thinking") => "data",
        _ => return false,
    };
    let proof = block.get(field).and_then(Value::as_str).unwrap_or_default();
    Signature::heard(Wire::Anthropic, proof).by != Wire::Anthropic
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_foreign_goes() {
        for (messages, wanted) in [
            (r#"[{"role":"user","content":"gemini~ is no proof here"}]"#, None),
            (
                r#"[{"role":"assistant","content":[{"type":"thinking","thinking":"h","signature":"Eq"}]}]"#,
                None,
            ),
            ("5", None),
            ("[5, \"gemini~\"]", None),
            (
                r#"[{"role":"assistant","content":[{"type":"thinking","thinking":"h","signature":"gemini~x"},{"type":"text","text":"a"}]},{"role":"user","content":"b"}]"#,
                Some(
                    r#"[{"role":"assistant","content":[{"type":"text","text":"a"}]},{"role":"user","content":"b"}]"#,
                ),
            ),
            (
                r#"[{"role":"assistant","content":[{"type":"redacted_thinking","data":"bedrock~x"}]},{"role":"user","content":"b"}]"#,
                Some(r#"[{"role":"user","content":"b"}]"#),
            ),
        ] {
            let got = without(messages.as_bytes())
                .map(|messages| serde_json::from_slice::<Value>(&messages).unwrap());
            let wanted = wanted.map(|wanted| serde_json::from_str::<Value>(wanted).unwrap());
            assert_eq!(got, wanted, "{messages}");
        }
    }
}
