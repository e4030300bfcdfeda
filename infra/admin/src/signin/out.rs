//! Sessions that end before their time.

use axum::body::Body;
use control::entity::{Kind, User};
use http::header::SET_COOKIE;
use http::{Response, StatusCode};

use super::change_user;
use crate::Admin;
use crate::ask::Ask;
use crate::entities::may_touch;
use crate::problem::Problem;
use crate::session::{Jar, Session, end_all};

/// The own session, on every node.
pub(crate) async fn sign_out(admin: &Admin, ask: &Ask) -> Result<Response<Body>, Problem> {
    let session = ask.caller.session.as_ref().ok_or_else(Problem::internal)?;
    let end = |user: &mut User, version: i64| session.end(admin, user, version);
    change_user(admin, ask, &session.user, "signed out", end).await?;
    gone(admin, ask)
}

/// All of one's own.
pub(crate) async fn sign_out_everywhere(
    admin: &Admin,
    ask: &Ask,
) -> Result<Response<Body>, Problem> {
    let session = ask.caller.session.as_ref().ok_or_else(Problem::internal)?;
    change_user(admin, ask, &session.user, "signed out everywhere", end_all).await?;
    gone(admin, ask)
}

/// All of somebody.
pub(crate) async fn end_sessions(admin: &Admin, ask: &Ask) -> Result<Response<Body>, Problem> {
    may_touch(admin, Kind::User, ask)?;
    change_user(admin, ask, ask.id()?, "sessions ended", end_all).await?;
    Ok(empty())
}

fn gone(admin: &Admin, ask: &Ask) -> Result<Response<Body>, Problem> {
    let mut response = empty();
    let cookie = Session::no_cookie(&Jar::of(admin, &ask.head))?;
    response.headers_mut().insert(SET_COOKIE, cookie);
    Ok(response)
}

fn empty() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}
