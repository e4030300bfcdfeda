//! Sessions of people who signed in: a short-lived signed cookie, which is renewed while it is used.
//!
//! What a session may do is looked up at each request, so that it is over at once, on every node,
//! when its user is disabled or deleted, signs out, or has another password.

mod cookie;
mod csrf;
mod signer;

use control::entity::{self, Kind, User};
use http::HeaderValue;
use http::request::Parts;
use runtime::clock::Micros;
use runtime::secret::Secret;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub(crate) use cookie::{Jar, SameSite, host};
pub(crate) use csrf::{check, check_origin};
pub(crate) use signer::Signer;

use crate::Admin;
use crate::problem::Problem;

/// The cookie's name, without what its place adds.
const COOKIE: &str = "hub-session";
/// What the signature is for.
const PURPOSE: &str = "session";
/// Random bytes in a session's id.
const ID: usize = 16;
/// The longest cookie that is looked at.
const MAX: usize = 2048;
/// A cookie that is younger is not renewed, microseconds.
const YOUNG: i64 = 60 * 1_000_000;
/// Sessions of one user that are remembered as ended by themselves.
const ENDED: usize = 64;

/// Somebody who signed in. Times are microseconds since the epoch.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) user: String,
    pub(crate) id: String,
    /// The version of the user that they signed in as.
    pub(crate) version: i64,
    /// When they signed in.
    pub(crate) began: i64,
    /// When the cookie was made.
    pub(crate) made: i64,
    /// When the cookie is not taken any more.
    pub(crate) expires: i64,
}

impl Session {
    /// A new one, beginning now.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub(crate) fn begin(admin: &Admin, user: &str) -> Result<Self, Problem> {
        let random = Secret::random(ID).map_err(|error| {
            tracing::error!(%error, "a session could not begin");
            Problem::internal()
        })?;
        let version = admin.plane.state().version(Kind::User.as_str(), user);
        let (user, id, now) = (user.to_owned(), random.expose().to_owned(), admin.clock.now().0);
        Ok(Self { user, id, version, began: now, made: now, expires: now }.renewed(admin))
    }

    /// The same, for another while.
    pub(crate) fn renewed(&self, admin: &Admin) -> Self {
        let now = admin.clock.now().0;
        let expires = admin.signin.idle_after(now).min(self.ends(admin));
        Self { made: now, expires, ..self.clone() }
    }

    /// When it is over, however much it is used.
    pub(crate) fn ends(&self, admin: &Admin) -> i64 {
        admin.signin.over_after(self.began)
    }

    /// The session that a request shows; `None` where it shows none.
    ///
    /// # Errors
    /// It is not one of ours, or over.
    pub(crate) fn of(admin: &Admin, head: &Parts) -> Result<Option<Self>, Problem> {
        let Some(shown) = Jar::of(admin, head).read(head, COOKIE) else {
            return Ok(None);
        };
        let signer = Signer::of(admin)?;
        let over = || Problem::unauthenticated("the session is over: sign in again at /signin");
        let session = Self::known(admin, &signer, &shown).ok_or_else(over)?;
        Ok(Some(session))
    }

    fn known(admin: &Admin, signer: &Signer, shown: &str) -> Option<Self> {
        if shown.len() > MAX {
            return None;
        }
        let (said, signature) = shown.split_once('.')?;
        let said = signer::decode(said)?;
        let session: Self = serde_json::from_slice(&said).ok()?;
        let state = admin.plane.state();
        let entity = state.get(Kind::User, &session.user)?;
        let Some(entity::Body::User(user)) = &entity.body else { return None };
        let signed = signer.is(signature, PURPOSE, &[&said, password(user)]);
        let lives = admin.clock.now().0 < session.expires
            && session.version >= user.sessions_from
            && !user.disabled
            && !user.ended.iter().any(|ended| ended.session == session.id);
        (signed && lives).then_some(session)
    }

    /// As the cookie that shows it.
    ///
    /// # Errors
    /// The user is gone, or there is nothing to sign with.
    pub(crate) fn cookie(&self, admin: &Admin, jar: &Jar) -> Result<HeaderValue, Problem> {
        let signer = Signer::of(admin)?;
        let said = serde_json::to_vec(self)?;
        let signature = {
            let state = admin.plane.state();
            let body = state.get(Kind::User, &self.user).and_then(|it| it.body.as_ref());
            let Some(entity::Body::User(user)) = body else {
                return Err(Problem::unauthenticated("the user is gone"));
            };
            signer.sign(PURPOSE, &[&said, password(user)])
        };
        let value = format!("{}.{signature}", signer::encode(&said));
        let age = self.expires.saturating_sub(admin.clock.now().0) / 1_000_000;
        jar.set(COOKIE, &value, age, SameSite::Strict)
    }

    /// The cookie that takes it away.
    pub(crate) fn no_cookie(jar: &Jar) -> Result<HeaderValue, Problem> {
        jar.set(COOKIE, "", 0, SameSite::Strict)
    }

    /// A cookie for another while, where that is due.
    pub(crate) fn due(&self, admin: &Admin, jar: &Jar) -> Option<HeaderValue> {
        let age = admin.clock.now().0.saturating_sub(self.made);
        (age >= YOUNG).then(|| self.renewed(admin).cookie(admin, jar).ok()).flatten()
    }

    /// What a page that belongs to it is told.
    ///
    /// # Errors
    /// There is nothing to sign with.
    pub(crate) fn describe(&self, admin: &Admin) -> Result<Value, Problem> {
        Ok(json!({
            "began_at_us": self.began,
            "ends_at_us": self.ends(admin),
            "csrf": csrf::token(&Signer::of(admin)?, self),
        }))
    }

    /// Notes in its user that it is over; `version` is that which the note makes.
    pub(crate) fn end(&self, admin: &Admin, user: &mut User, version: i64) {
        let ended = entity::Ended { session: self.id.clone(), until: self.ends(admin) };
        remember(user, ended, admin.clock.now(), version);
    }
}

fn remember(user: &mut User, ended: entity::Ended, now: Micros, version: i64) {
    user.ended.retain(|known| known.until > now.0 && known.session != ended.session);
    if user.ended.len() < ENDED {
        user.ended.push(ended);
    } else {
        // no room: rather end all
        end_all(user, version);
    }
}

/// Ends all sessions of a user; `version` is that which the change makes.
pub(crate) fn end_all(user: &mut User, version: i64) {
    user.sessions_from = version;
    user.ended.clear();
}

/// Another password makes the signatures of all sessions wrong.
fn password(user: &User) -> &[u8] {
    user.password.as_deref().unwrap_or_default().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ended_is_remembered_while_it_could_be_shown_and_when_there_is_no_room_all_end() {
        let ended = |id: &str, until| entity::Ended { session: id.into(), until };
        let mut user = User::default();
        remember(&mut user, ended("old", 20), Micros(10), 2);
        remember(&mut user, ended("new", 40), Micros(30), 3);
        let known: Vec<_> = user.ended.iter().map(|ended| ended.session.as_str()).collect();
        assert_eq!(known, ["new"], "the old one is over by itself");
        for at in 0..ENDED {
            remember(&mut user, ended(&at.to_string(), 41), Micros(31), 4);
        }
        assert_eq!((user.ended.len(), user.sessions_from), (0, 4));
    }
}
