//! What is used of limits and budgets now, by all gateways as far as this one knows.

use axum::body::Body;
use control::entity::Kind;
use gateway::limits::{Line, Measure, rfc3339};
use http::{Response, StatusCode};
use schemas::money::Nano;
use serde_json::{Value, json};

use crate::ask::Ask;
use crate::entities::find;
use crate::problem::Problem;
use crate::{Admin, json};

/// The most lines of an answer; a limit of every key has one per key.
const MOST: usize = 1000;

pub(crate) fn usage(admin: &Admin, kind: Kind, ask: &Ask) -> Result<Response<Body>, Problem> {
    find(admin, kind, ask)?;
    let snapshot = admin.plane.current().configured();
    let mut lines = admin.bounded.usage(&snapshot.limits, ask.id()?);
    // a limit and a budget may share an id
    lines.retain(|line| matches!(line.measure, Measure::Spend(_)) == (kind == Kind::Budget));
    let more = lines.len() > MOST;
    lines.truncate(MOST);
    let items: Vec<Value> = lines.iter().map(show).collect();
    Ok(json(StatusCode::OK, &json!({"items": items, "more": more})))
}

fn show(line: &Line) -> Value {
    let Line { whose, measure, most, used } = line;
    let amount = |amount: i64| match measure {
        Measure::Spend(_) | Measure::CallCost => json!(Nano(amount).to_string()),
        Measure::Requests | Measure::Tokens | Measure::Concurrent => json!(amount),
    };
    json!({
        "whose": whose,
        "measure": measure.as_str(),
        "limit": amount(*most),
        "used": amount(used.used),
        "held": amount(used.held),
        "remaining": amount(most.saturating_sub(used.used).max(0)),
        "resets_at": used.resets_at.map(rfc3339),
    })
}
