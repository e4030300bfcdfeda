//! What is asked of the process around the API, and of the log as it is.

use axum::body::Body;
use control::audit::verify;
use http::{Response, StatusCode};

use crate::ask::Ask;
use crate::caller::Where;
use crate::entities::MAX_PAGE;
use crate::node::Search;
use crate::problem::Problem;
use crate::{Admin, json};

/// Why a call would go where it goes.
pub(crate) async fn explain(admin: &Admin, ask: &Ask) -> Result<Response<Body>, Problem> {
    let within = match &ask.reach {
        Where::Everywhere => None,
        Where::Projects(own) => Some(own),
    };
    Ok(json(StatusCode::OK, &admin.node.explain(&ask.head.uri, within).await?))
}

/// Who did what, newest first.
pub(crate) async fn search(admin: &Admin, ask: &Ask) -> Result<Response<Body>, Problem> {
    let search: Search = ask.query()?;
    if search.limit.is_some_and(|limit| !(1..=MAX_PAGE).contains(&limit)) {
        return Err(Problem::invalid("limit", format!("1 to {MAX_PAGE} is wanted")));
    }
    Ok(json(StatusCode::OK, &admin.node.trail(&search).await?))
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
    Ok(json(StatusCode::OK, &told))
}
