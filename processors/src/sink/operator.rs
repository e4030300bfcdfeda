//! What operators leave behind, event to row, pure: the audit trail and the changes of the
//! configuration.

use analytics::table::{AuditRow, ChangeRow, Table};
use schemas::event::{Audit, Control};
use schemas::ids::Origin;
use schemas::topics::Topic;
use serde_json::Value;

use super::rows::{From, Kind, unsigned};

/// Records of the audit trail.
#[derive(Debug)]
pub struct Audits;

impl Kind for Audits {
    type Event = Audit;
    type Row = AuditRow<'static>;
    const TOPIC: Topic = Topic::Audit;
    const TABLE: Table = Table::Audit;

    fn row<'a>(audit: &'a Audit, from: From<'a>) -> AuditRow<'a> {
        AuditRow {
            log_id: from.log_id,
            log_partition: from.partition,
            log_offset: from.offset,
            logged_at: from.at,
            origin: audit.origin.into(),
            seq: unsigned(audit.seq),
            done_at: audit.at,
            action: &audit.action,
            entity: &audit.entity,
            actor: &audit.actor,
            address: audit.address.as_deref().unwrap_or_default(),
            request: audit.request.as_deref().unwrap_or_default(),
            allowed: audit.allowed,
            before: text(audit.before.as_deref()),
            after: text(audit.after.as_deref()),
            prev_hash: audit.prev_hash.0,
            hash: audit.hash.0,
        }
    }

    fn identity(audit: &Audit) -> Option<(Origin, i64)> {
        Some((audit.origin, audit.seq))
    }
}

fn text(json: Option<&[u8]>) -> &str {
    json.and_then(|json| str::from_utf8(json).ok()).unwrap_or_default()
}

/// Control events.
#[derive(Debug)]
pub struct Changes;

impl Kind for Changes {
    type Event = Control;
    type Row = ChangeRow<'static>;
    const TOPIC: Topic = Topic::Control;
    const TABLE: Table = Table::Changes;

    fn row<'a>(control: &'a Control, from: From<'a>) -> ChangeRow<'a> {
        ChangeRow {
            log_id: from.log_id,
            log_partition: from.partition,
            log_offset: from.offset,
            logged_at: from.at,
            kind: &control.kind,
            id: &control.id,
            version: control.version,
            expected_version: control.expected_version,
            deleted: control.deleted,
            actor: &control.actor,
            reason: control.reason.as_deref().unwrap_or_default(),
            command: control.command.as_deref().unwrap_or_default(),
            address: control.address.as_deref().unwrap_or_default(),
            request: control.request.as_deref().unwrap_or_default(),
            after: redacted(control),
        }
    }
}

/// Fields that hold a secret, if only sealed or hashed: they are left out wherever they stand.
const SECRET: [&str; 5] = ["sealed", "wrapped", "hash", "previous", "password"];

/// What an entity says, without secrets. Empty for what is a secret, what is large and for many
/// readers (price books), and what is no JSON.
fn redacted(control: &Control) -> String {
    if control.deleted || matches!(control.kind.as_str(), "secret" | "price_book") {
        return String::new();
    }
    let Ok(mut body) = serde_json::from_slice::<Value>(&control.body) else {
        return String::new();
    };
    redact(&mut body);
    body.to_string()
}

fn redact(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.retain(|name, value| {
                // a secret as text is a reference to a node's own, or should not be there
                let text = value.as_str().filter(|_| name == "secret");
                let reference = text.is_none_or(|text| {
                    ["env:", "file:"].iter().any(|scheme| text.starts_with(scheme))
                });
                reference && !SECRET.contains(&name.as_str())
            });
            object.values_mut().for_each(redact);
        }
        Value::Array(items) => items.iter_mut().for_each(redact),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn control(kind: &str, body: &Value) -> Control {
        Control {
            kind: kind.into(),
            id: "x".into(),
            version: 1,
            expected_version: None,
            deleted: false,
            body: body.to_string().into_bytes(),
            actor: "key:ada".into(),
            reason: None,
            command: None,
            address: None,
            request: None,
        }
    }

    #[test]
    fn no_row_holds_what_is_sealed_or_hashed() {
        let held = json!({"master": "m", "wrapped": "LEAK", "sealed": "LEAK", "tail": "wxyz"});
        let shown = json!({"master": "m", "tail": "wxyz"});
        for (kind, body, wanted) in [
            (
                "credential",
                json!({"provider": "openai", "secret": held}),
                json!({"provider": "openai", "secret": shown}),
            ),
            (
                "key",
                json!({"title": "t", "hash": "LEAK", "previous": [{"hash": "LEAK", "until": 1}], "aws": {"secret": held}}),
                json!({"title": "t", "aws": {"secret": shown}}),
            ),
            ("user", json!({"password": "LEAK", "title": "u"}), json!({"title": "u"})),
            ("credential", json!({"secret": "LEAK"}), json!({})),
            ("credential", json!({"secret": "env:A"}), json!({"secret": "env:A"})),
            ("later_kind", json!([{"deep": [{"password": "LEAK"}]}]), json!([{"deep": [{}]}])),
        ] {
            let row = redacted(&control(kind, &body));
            assert_eq!(serde_json::from_str::<Value>(&row).unwrap(), wanted, "{kind}");
        }
        for kind in ["secret", "price_book"] {
            assert_eq!(redacted(&control(kind, &held)), "");
        }
        assert_eq!(redacted(&Control { body: b"LEAK".to_vec(), ..control("x", &held) }), "");
    }
}
