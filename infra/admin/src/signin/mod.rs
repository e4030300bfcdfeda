//! How people sign in: by password, by a one-time link, or through an OpenID provider; and out again.
//!
//! ```text
//! password ─┐                   ┌─► recorded ─► session
//! link ─────┼─► bound ─► known? ┤
//! provider ─┘    │              └─► recorded (within a bound), refused in words that tell no secret
//!                └─► 429
//! ```

mod link;
mod oidc;
mod out;
mod page;
mod password;
mod provider;

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use control::audit::Entry;
use control::bound::{Bounds, Rate, source};
use control::entity::{self, Kind, User};
use control::plane::Command;
use control::state::{Entity, Outcome};
use gateway::config::UpstreamConfig;
use http::header::SET_COOKIE;
use http::request::Parts;
use http::{HeaderValue, Response};
use runtime::clock::Clock;
use serde_json::{Value, json};
use url::Url;

pub use page::{escaped, routes};
pub use provider::{Oidc, Unusable};

pub(crate) use link::{LinkUse, by_link, make_link};
pub(crate) use out::{end_sessions, sign_out, sign_out_everywhere};
pub(crate) use password::{NewPassword, Password, by_password, change_password};

use crate::Admin;
use crate::ask::Ask;
use crate::audit::{NOBODY, address};
use crate::caller::Caller;
use crate::problem::Problem;
use crate::session::{Jar, Session};

use provider::Provider;

/// Action of a sign-in.
const OK: &str = "signin.ok";
/// Action of one that failed.
const FAILED: &str = "signin.failed";
/// Action of another password.
const CHANGED: &str = "password.changed";

/// Tries of one source, whoever it says to be.
const BY_SOURCE: Rate = Rate { burst: 10, period: 6_000_000 };
/// Tries to be one user, from wherever.
const BY_USER: Rate = Rate { burst: 20, period: 5_000_000 };
/// The longest time for a password to be checked, however many wait.
const TURN: Duration = Duration::from_secs(10);
/// How often a change of a user is tried again when somebody else changes the same one.
const TRIES: usize = 5;

/// How sign-in is set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where people find the hub, if that is not where it listens.
    pub url: Option<Url>,
    /// A session that is not used for so long is over.
    pub idle: Duration,
    /// The longest that it lasts.
    pub session: Duration,
    /// Who else knows people.
    pub oidc: Option<Oidc>,
}

/// What signing in takes.
#[derive(Debug)]
pub struct SignIn {
    settings: Settings,
    sources: Mutex<Bounds<Option<IpAddr>>>,
    users: Mutex<Bounds<String>>,
    provider: Option<Provider>,
    clock: Clock,
}

impl SignIn {
    /// As it is set; `upstream` says how the provider is reached.
    ///
    /// # Errors
    /// The provider's settings can't be used.
    pub fn new(
        settings: Settings,
        upstream: &UpstreamConfig,
        clock: Clock,
    ) -> Result<Self, Unusable> {
        let provider = settings.oidc.clone().map(|oidc| Provider::new(oidc, upstream));
        let sources = Mutex::new(Bounds::new(BY_SOURCE));
        let users = Mutex::new(Bounds::new(BY_USER));
        Ok(Self { settings, sources, users, provider: provider.transpose()?, clock })
    }

    pub(crate) const fn url(&self) -> Option<&Url> {
        self.settings.url.as_ref()
    }

    pub(crate) fn idle_after(&self, at: i64) -> i64 {
        at.saturating_add(micros(self.settings.idle))
    }

    pub(crate) fn over_after(&self, at: i64) -> i64 {
        at.saturating_add(micros(self.settings.session))
    }

    /// Counts a try of a source, and to be a user.
    ///
    /// # Errors
    /// There were too many.
    fn count(&self, head: &Parts, user: Option<&str>) -> Result<(), Problem> {
        let now = self.clock.now();
        let source = address(head).map(source);
        lock(&self.sources).take(source, now).map_err(Problem::limited)?;
        let Some(user) = user else { return Ok(()) };
        lock(&self.users).take(user.to_owned(), now).map_err(Problem::limited)
    }

    /// A try that went well is not counted.
    fn forgive(&self, head: &Parts, user: Option<&str>) {
        lock(&self.sources).give_back(&address(head).map(source));
        if let Some(user) = user {
            lock(&self.users).give_back(user);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

/// A try to sign in, as it is recorded.
struct Try<'a> {
    head: &'a Parts,
    request: &'a str,
    how: &'static str,
}

impl Try<'_> {
    fn entry(&self, action: &'static str, actor: String, entity: String, more: Value) -> Entry {
        let mut after = json!({"how": self.how});
        if let (Some(after), Some(more)) = (after.as_object_mut(), more.as_object()) {
            after.extend(more.clone());
        }
        Entry {
            action,
            entity,
            actor,
            address: address(self.head),
            request: Some(self.request.to_owned()),
            allowed: action != FAILED,
            before: None,
            after: Some(after),
        }
    }

    /// Records that it failed, and why; to whom it says to be only if there is such a user, for what is
    /// typed may be a secret in the wrong place.
    fn failed(&self, admin: &Admin, user: Option<&str>, why: &str) {
        let known = user.filter(|user| admin.plane.state().known(Kind::User, user).is_some());
        let entity = known.map_or_else(|| "user".into(), |user| format!("user/{user}"));
        admin.trail.refuse(self.entry(FAILED, NOBODY.into(), entity, json!({"why": why})));
    }

    /// Records what must not happen unrecorded.
    async fn record(
        &self,
        admin: &Admin,
        action: &'static str,
        user: &str,
        more: Value,
    ) -> Result<(), Problem> {
        let entry = self.entry(action, format!("user:{user}"), format!("user/{user}"), more);
        admin.trail.record(entry).await.map_err(|error| Problem::unrecorded(&error))
    }

    /// Lets a user in: recorded first. Returns their session, and the cookie that shows it.
    async fn let_in(&self, admin: &Admin, user: &str) -> Result<(Session, HeaderValue), Problem> {
        self.record(admin, OK, user, json!({})).await?;
        let session = Session::begin(admin, user)?;
        let cookie = session.cookie(admin, &Jar::of(admin, self.head))?;
        Ok((session, cookie))
    }
}

/// What a person is told who is signed in now, with the cookie that shows it from now on.
fn welcome(
    admin: &Admin,
    session: Session,
    cookie: HeaderValue,
) -> Result<Response<Body>, Problem> {
    let mut response = Caller::of_session(admin, session).describe(admin)?;
    response.headers_mut().insert(SET_COOKIE, cookie);
    Ok(response)
}

/// A user that is there.
fn user_of(admin: &Admin, id: &str) -> Option<(User, Entity)> {
    let entity = admin.plane.state().get(Kind::User, id)?.clone();
    match &entity.body {
        Some(entity::Body::User(user)) => Some(((**user).clone(), entity)),
        _ => None,
    }
}

/// Changes what only the hub says of a user, told which version that makes; again, when somebody else
/// changed the user meanwhile.
async fn change_user(
    admin: &Admin,
    ask: &Ask,
    id: &str,
    reason: &str,
    change: impl Fn(&mut User, i64),
) -> Result<(), Problem> {
    let mut at = 0;
    for _ in 0..TRIES {
        let gone = || Problem::not_found(format!("there is no user {id:?}"));
        let (mut user, now) = user_of(admin, id).ok_or_else(gone)?;
        change(&mut user, now.version.saturating_add(1));
        match put_user(admin, ask, id, &user, now.version, reason).await? {
            Outcome::Applied(_) => return Ok(()),
            Outcome::Conflict(version) => at = version,
            Outcome::Repeated(_) | Outcome::Reused => return Err(Problem::internal()),
        }
    }
    Err(Problem::conflict(at, format!("the user {id:?} is being changed by others: try again")))
}

async fn put_user(
    admin: &Admin,
    ask: &Ask,
    id: &str,
    user: &User,
    version: i64,
    reason: &str,
) -> Result<Outcome, Problem> {
    let command = Command {
        kind: Kind::User,
        id: id.to_owned(),
        expected: Some(version),
        body: Some(serde_json::to_value(user)?),
        reason: Some(reason.to_owned()),
    };
    let done = admin.plane.submit(vec![command], &ask.plainly()).await?;
    done.first().map(|it| it.outcome).ok_or_else(Problem::internal)
}
