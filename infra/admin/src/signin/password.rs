//! Signing in by password, and changing one's own.

use axum::body::Body;
use control::entity::{Kind, User};
use control::password;
use control::state::Outcome;
use control::validate::check_id;
use http::Response;
use runtime::secret::Secret;
use serde::Deserialize;
use serde_json::json;
use tokio::time::timeout;
use utoipa::ToSchema;

use super::{CHANGED, TURN, Try, put_user, user_of, welcome};
use crate::Admin;
use crate::ask::Ask;
use crate::problem::Problem;
use crate::session::{Jar, check_origin};

/// Who somebody says to be, and how they show it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Password {
    /// The user's id.
    pub(crate) user: String,
    /// Their password.
    pub(crate) password: String,
}

/// Another password of one's own.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPassword {
    /// The one that is in force.
    pub(crate) old: String,
    /// The one that is to be: 12 to 1024 characters.
    pub(crate) new: String,
}

pub(crate) async fn by_password(admin: &Admin, ask: &Ask) -> Result<Response<Body>, Problem> {
    let attempt = Try { head: &ask.head, request: &ask.request, how: "password" };
    check_origin(admin, &ask.head)
        .inspect_err(|_| attempt.failed(admin, None, "another origin"))?;
    let Password { user: id, password } = ask.read()?;
    let password = Secret::from(password);
    // what can be no user's id is nobody's in particular
    let name = if check_id(Kind::User, &id).is_ok() { id.as_str() } else { "" };
    let counted = admin.signin.count(&ask.head, Some(name));
    counted.inspect_err(|_| attempt.failed(admin, Some(name), "too many tries"))?;
    let user = user_of(admin, name).map(|(user, _)| user);
    let hash = user.as_ref().and_then(|user| user.password.clone());
    // as long for who is not known, so that the time tells nothing
    let right = is(password, hash).await?;
    let why = match &user {
        None => Some("no such user"),
        Some(User { password: None, .. }) => Some("has no password"),
        Some(_) if !right => Some("another password"),
        Some(user) if user.disabled => Some("disabled"),
        Some(_) => None,
    };
    if let Some(why) = why {
        attempt.failed(admin, Some(name), why);
        return Err(Problem::unauthenticated("user and password do not go together"));
    }
    let (session, cookie) = attempt.let_in(admin, name).await?;
    admin.signin.forgive(&ask.head, Some(name));
    welcome(admin, session, cookie)
}

pub(crate) async fn change_password(admin: &Admin, ask: &Ask) -> Result<Response<Body>, Problem> {
    let session = ask.caller.session.as_ref().ok_or_else(Problem::internal)?;
    let id = session.user.as_str();
    let attempt = Try { head: &ask.head, request: &ask.request, how: "password change" };
    let NewPassword { old, new } = ask.read()?;
    let counted = admin.signin.count(&ask.head, Some(id));
    counted.inspect_err(|_| attempt.failed(admin, Some(id), "too many tries"))?;
    let gone = || Problem::unauthenticated("the user is gone");
    let (mut user, now) = user_of(admin, id).ok_or_else(gone)?;
    if user.password.is_none() {
        admin.signin.forgive(&ask.head, Some(id));
        let why = "you have none: an owner or admin can give you a sign-in link, with which you choose one";
        return Err(Problem::invalid("old", why));
    }
    if !is(old.into(), user.password.clone()).await? {
        attempt.failed(admin, Some(id), "another password");
        return Err(Problem::invalid("old", "is not your password"));
    }
    admin.signin.forgive(&ask.head, Some(id));
    user.password = Some(password::hash(new.into(), "new").await?);
    // a link that is still about would undo the change
    user.link = None;
    attempt.record(admin, CHANGED, id, json!({})).await?;
    match put_user(admin, ask, id, &user, now.version, "another password of their own").await? {
        Outcome::Applied(_) => {}
        Outcome::Conflict(version) => {
            let why = format!("the user {id:?} was changed meanwhile: try again");
            return Err(Problem::conflict(version, why));
        }
        Outcome::Repeated(_) | Outcome::Reused => return Err(Problem::internal()),
    }
    // the other sessions are over, for they were signed with the old one
    let session = session.renewed(admin);
    let cookie = session.cookie(admin, &Jar::of(admin, &ask.head))?;
    welcome(admin, session, cookie)
}

async fn is(shown: Secret, known: Option<String>) -> Result<bool, Problem> {
    timeout(TURN, password::is(shown, known)).await.map_err(|_| Problem::busy())
}
