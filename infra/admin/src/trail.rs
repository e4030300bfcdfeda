//! What is asked of the process around the API, and of the log as it is.

use axum::body::Body;
use control::audit::verify;
use http::{Response, StatusCode};
use serde_json::{Value, json};

use crate::ask::Ask;
use crate::caller::Where;
use crate::entities::MAX_PAGE;
use crate::node::Search;
use crate::problem::Problem;
use crate::table::Op;
use crate::{Admin, json as answered};

/// Why a call would go where it goes.
pub(crate) async fn explain(admin: &Admin, ask: &Ask) -> Result<Response<Body>, Problem> {
    let within = match &ask.reach {
        Where::Everywhere => None,
        Where::Projects(own) => Some(own),
    };
    Ok(answered(StatusCode::OK, &admin.node.explain(&ask.head.uri, within).await?))
}

/// Who did what, newest first.
pub(crate) async fn search(admin: &Admin, ask: &Ask) -> Result<Response<Body>, Problem> {
    let search: Search = ask.query()?;
    if search.limit.is_some_and(|limit| !(1..=MAX_PAGE).contains(&limit)) {
        return Err(Problem::invalid("limit", format!("1 to {MAX_PAGE} is wanted")));
    }
    Ok(answered(StatusCode::OK, &admin.node.trail(&search).await?))
}

/// Whether audit trail and control events are as they were written: read whole, from the log itself.
pub(crate) async fn verified(admin: &Admin) -> Result<Response<Body>, Problem> {
    let (log, codec) = admin.plane.log();
    let report = verify(log, codec).await.map_err(control::plane::Error::from)?;
    let sound = report.is_sound();
    let mut told = serde_json::to_value(&report)?;
    if let Some(told) = told.as_object_mut() {
        told.insert("sound".into(), sound.into());
    }
    Ok(answered(StatusCode::OK, &told))
}

/// The parameters of what is asked: name, whether it is wanted, schema, and what it is.
pub(crate) fn parameters(op: Op) -> Vec<(&'static str, bool, Value, &'static str)> {
    let text = || json!({"type": "string"});
    let number = || json!({"type": "integer", "format": "int64"});
    let few = || json!({"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": 100});
    let place = || json!({"type": "string", "pattern": "^[0-9]{1,18}-[0-9]{1,18}-.*$"});
    match op {
        Op::ExplainRoute => vec![
            ("model", true, text(), "The model, as a caller names it."),
            ("project", false, text(), "The project of the key."),
            ("regions", false, text(), "Regions that the key is held to, with commas between."),
            ("tags", false, text(), "Tags of the call, such as tier=gold,team=search."),
            ("needs", false, text(), "What the call needs of a model, such as images,tools."),
            ("input", false, number(), "About how many input tokens."),
            ("max_output", false, number(), "The most output tokens."),
            ("user", false, text(), "The caller's end user."),
            ("prefix", false, unsigned(), "Stands for the beginning of a conversation."),
            (
                "seed",
                false,
                unsigned(),
                "The chance that it is given; another one each time when not.",
            ),
            (
                "at",
                false,
                text(),
                "By what was known at this time, such as 2026-11-26 01:30:00 (UTC).",
            ),
        ],
        Op::SearchAudit => vec![
            ("actor", false, text(), "By whom, such as key:owner."),
            ("action", false, text(), "What, such as created or admin.refused."),
            ("entity", false, text(), "On what: provider/openai, or provider for all of them."),
            ("request", false, text(), "In which request."),
            ("since_us", false, number(), "From this time on, microseconds since the epoch."),
            ("until_us", false, number(), "Before this time."),
            ("limit", false, few(), "The most on a page."),
            ("after", false, place(), "Those behind this place, as next gave it."),
        ],
        _ => Vec::new(),
    }
}

/// An unsigned number of 64 bits.
fn unsigned() -> Value {
    json!({"type": "integer", "minimum": 0, "maximum": u64::MAX})
}

/// An entry of the trail.
pub(crate) fn entry() -> Value {
    let maybe = || json!({"type": ["string", "null"]});
    let part = || json!({"description": "Without secrets."});
    json!({
        "type": "object",
        "required": ["at_us", "topic", "offset", "action", "entity", "actor", "allowed"],
        "properties": {
            "at_us": {"type": "integer", "format": "int64", "description": "Log-append time, microseconds since the epoch."},
            "topic": {"type": "string"},
            "offset": unsigned(),
            "action": {"type": "string"},
            "entity": {"type": "string"},
            "actor": {"type": "string"},
            "address": maybe(),
            "request": maybe(),
            "allowed": {"type": "boolean", "description": "Whether it was let through, or, of a change, whether it counts."},
            "reason": maybe(),
            "before": part(),
            "after": part(),
        },
    })
}

/// What a check of the trail found.
pub(crate) fn report() -> Value {
    let count = || json!({"type": "integer", "minimum": 0});
    json!({
        "type": "object",
        "required": ["sound", "records", "changes", "sealed_changes", "chains", "wrong", "bad"],
        "properties": {
            "sound": {"type": "boolean", "description": "Nothing was altered, removed or put in."},
            "records": count(),
            "changes": count(),
            "sealed_changes": count(),
            "wrong": count(),
            "chains": {"type": "array", "items": {"type": "object"}},
            "bad": {"type": "array", "items": {"type": "object"}},
        },
    })
}
