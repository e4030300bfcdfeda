//! One-time links: with one, a person chooses their password and is signed in.

use axum::body::Body;
use control::entity::Kind;
use control::link::{is, mint, user_of as named};
use control::password;
use control::state::Outcome;
use control::validate::check_id;
use http::{Response, StatusCode};
use serde::Deserialize;
use serde_json::json;
use url::Url;
use utoipa::ToSchema;

use super::{CHANGED, Try, put_user, user_of, welcome};
use crate::ask::Ask;
use crate::entities::may_touch;
use crate::problem::Problem;
use crate::session::check_origin;
use crate::{Admin, json};

/// A link, and the password that is chosen with it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LinkUse {
    /// What stands behind `#link=`.
    pub(crate) link: String,
    /// The password that is to be: 12 to 1024 characters.
    pub(crate) password: String,
}

pub(crate) async fn by_link(admin: &Admin, ask: &Ask) -> Result<Response<Body>, Problem> {
    let attempt = Try { head: &ask.head, request: &ask.request, how: "link" };
    check_origin(admin, &ask.head)
        .inspect_err(|_| attempt.failed(admin, None, "another origin"))?;
    let LinkUse { link, password } = ask.read()?;
    let id = named(&link).filter(|id| check_id(Kind::User, id).is_ok());
    let counted = admin.signin.count(&ask.head, None);
    counted.inspect_err(|_| attempt.failed(admin, id, "too many tries"))?;
    let refused = |why: &str| {
        attempt.failed(admin, id, why);
        Problem::unauthenticated(
            "the link is not taken: it was used, is too old, or another one was made since",
        )
    };
    let known = id.and_then(|id| user_of(admin, id).map(|(user, now)| (id, user, now)));
    let Some((id, mut user, now)) = known else {
        return Err(refused("no such user"));
    };
    let (hash, time) = (admin.plane.key_hash(), admin.clock.now());
    if !user.link.as_ref().is_some_and(|known| is(known, &link, &hash, time)) {
        return Err(refused("no such link"));
    }
    if user.disabled {
        return Err(refused("disabled"));
    }
    admin.signin.forgive(&ask.head, None);
    user.password = Some(password::hash(password.into(), "password").await?);
    user.link = None;
    attempt.record(admin, CHANGED, id, json!({})).await?;
    // of two who use it, the expected version lets one through
    match put_user(admin, ask, id, &user, now.version, "chose a password by a sign-in link").await?
    {
        Outcome::Applied(_) => {}
        Outcome::Conflict(_) | Outcome::Repeated(_) | Outcome::Reused => {
            return Err(refused("somebody else was first"));
        }
    }
    let (session, cookie) = attempt.let_in(admin, id).await?;
    welcome(admin, session, cookie)
}

/// A link for a user, in place of the one before.
pub(crate) async fn make_link(admin: &Admin, ask: &Ask) -> Result<Response<Body>, Problem> {
    let now = may_touch(admin, Kind::User, ask)?;
    let id = ask.id()?;
    let (shown, link) = mint(id, &admin.plane.key_hash(), admin.clock.now()).map_err(|error| {
        tracing::error!(%error, "a link could not be made");
        Problem::internal()
    })?;
    let Some((mut user, _)) = user_of(admin, id) else {
        return Err(Problem::internal());
    };
    let until = link.until;
    user.link = Some(link);
    match put_user(admin, ask, id, &user, now.version, "a sign-in link").await? {
        Outcome::Applied(_) => {}
        Outcome::Conflict(version) => {
            let why = format!("user/{id} is at version {version} by now: try again");
            return Err(Problem::conflict(version, why));
        }
        Outcome::Repeated(_) | Outcome::Reused => return Err(Problem::internal()),
    }
    let path = path(shown.expose());
    let url = admin.signin.url().map(|url: &Url| url.join(&path).map(String::from));
    let url = url.and_then(Result::ok).unwrap_or(path);
    Ok(json(StatusCode::CREATED, &json!({"link": url, "until_us": until})))
}

/// Where the page takes a link: behind `#`, so that it is in no server's log.
pub(super) fn path(link: &str) -> String {
    format!("/signin#link={link}")
}
