//! Signing in through an OpenID provider: the way out and the way back, both in a browser.

use axum::body::Body;
use axum::extract::Query;
use control::entity::{self, Kind};
use control::validate::check_id;
use http::header::{LOCATION, SET_COOKIE};
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode};
use runtime::secret::Secret;
use serde::Deserialize;
use url::Url;

use super::Try;
use super::page;
use super::provider::{Person, Provider, Ties};
use crate::Admin;
use crate::problem::Problem;
use crate::session::{Jar, SameSite, Signer, host};

/// Where people come back to, for the provider's list of such addresses.
pub(super) const BACK: &str = "/signin/callback";
/// The cookie that shows that who comes back is who was sent.
const COOKIE: &str = "hub-signin";
/// What its signature is for.
const PURPOSE: &str = "oidc";
/// How long somebody may take, seconds.
const LIFE: i64 = 10 * 60;

/// What the provider sends people back with.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answer {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
}

/// Why somebody was not let in: for the page, and for the record.
struct Refusal {
    status: StatusCode,
    told: String,
    why: String,
    user: Option<String>,
}

impl Refusal {
    fn new(told: impl Into<String>, why: impl Into<String>) -> Self {
        let (status, user) = (StatusCode::FORBIDDEN, None);
        Self { status, told: told.into(), why: why.into(), user }
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        let status = StatusCode::from_u16(problem.status).unwrap_or_default();
        Self { status, ..Self::new(problem.detail, problem.code) }
    }
}

impl From<super::provider::Error> for Refusal {
    fn from(error: super::provider::Error) -> Self {
        use super::provider::Error;
        let (status, told) = match &error {
            Error::Away { .. } => (
                StatusCode::BAD_GATEWAY,
                "Your organisation's sign-in can't be reached at the moment. Try again later.",
            ),
            Error::Answer(_) => (
                StatusCode::FORBIDDEN,
                "Your organisation's sign-in did not confirm who you are. Try again.",
            ),
        };
        tracing::warn!(%error, "a sign-in came to nothing");
        Self { status, ..Self::new(told, error.to_string()) }
    }
}

/// Sends somebody to the provider.
pub(super) async fn begin(admin: &Admin, head: &Parts, request: &str) -> Response<Body> {
    let attempt = Try { head, request, how: "oidc" };
    match sent(admin, head).await {
        Ok(response) => response,
        Err(refusal) => refused(admin, &attempt, refusal),
    }
}

async fn sent(admin: &Admin, head: &Parts) -> Result<Response<Body>, Refusal> {
    let provider = provider(admin)?;
    let signer = Signer::of(admin)?;
    let state = Secret::random(32).map_err(|error| {
        tracing::error!(%error, "no state for a sign-in");
        Problem::internal()
    })?;
    let ties = ties(admin, head, &signer, state.expose())?;
    let url = provider.begin(&ties).await?;
    let until = admin.clock.now().0 / 1_000_000 + LIFE;
    let signature = signer.sign(PURPOSE, &[state.expose().as_bytes(), &until.to_be_bytes()]);
    let value = format!("{until}.{signature}");
    // the way back begins at another site
    let cookie = Jar::of(admin, head).set(COOKIE, &value, LIFE, SameSite::Lax)?;
    Ok(to(url.as_str(), [cookie])?)
}

/// Lets in who comes back from the provider.
pub(super) async fn end(admin: &Admin, head: &Parts, request: &str) -> Response<Body> {
    let attempt = Try { head, request, how: "oidc" };
    match came(admin, head, &attempt).await {
        Ok(response) => response,
        Err(refusal) => refused(admin, &attempt, refusal),
    }
}

async fn came(admin: &Admin, head: &Parts, attempt: &Try<'_>) -> Result<Response<Body>, Refusal> {
    let provider = provider(admin)?;
    admin.signin.count(head, None)?;
    let query = Query::<Answer>::try_from_uri(&head.uri);
    let Answer { code, state, error } = query.map(|it| it.0).unwrap_or_default();
    let signer = Signer::of(admin)?;
    let jar = Jar::of(admin, head);
    let state = state.unwrap_or_default();
    let known = jar.read(head, COOKIE).is_some_and(|shown| is_of(admin, &signer, &shown, &state));
    if !known {
        let told = "This sign-in was not begun in this browser, or too long ago. Try again.";
        return Err(Refusal::new(told, "another state"));
    }
    if let Some(error) = error {
        // a code of OAuth's, and nothing that somebody wrote into the address
        let plain = |c: &char| c.is_ascii_lowercase() || *c == '_';
        let why: String = error.chars().take(40).take_while(plain).collect();
        let told = "Your organisation's sign-in did not confirm who you are.";
        return Err(Refusal::new(told, format!("the provider says: {why}")));
    }
    let ties = ties(admin, head, &signer, &state)?;
    let person = provider.finish(code.unwrap_or_default(), &ties).await?;
    let user = known_as(admin, &person)?;
    let (_, cookie) = attempt.let_in(admin, &user).await?;
    admin.signin.forgive(head, None);
    let done = jar.set(COOKIE, "", 0, SameSite::Lax)?;
    Ok(to("/signin", [cookie, done])?)
}

/// Whether the cookie shows that somebody was sent with this state, and not too long ago.
fn is_of(admin: &Admin, signer: &Signer, shown: &str, state: &str) -> bool {
    let Some((until, signature)) = shown.split_once('.') else {
        return false;
    };
    let Ok(until) = until.parse::<i64>() else {
        return false;
    };
    signer.is(signature, PURPOSE, &[state.as_bytes(), &until.to_be_bytes()])
        && admin.clock.now().0 / 1_000_000 < until
}

/// What follows from a state, so that a cookie needs to hold nothing else.
fn ties(admin: &Admin, head: &Parts, signer: &Signer, state: &str) -> Result<Ties, Refusal> {
    let scheme = if Jar::of(admin, head).is_secure() { "https" } else { "http" };
    let redirect = match (admin.signin.url(), host(head)) {
        (Some(url), _) => url.join(BACK),
        (None, Some(host)) => Url::parse(&format!("{scheme}://{host}{BACK}")),
        (None, None) => Err(url::ParseError::EmptyHost),
    };
    let told = "The hub does not know by which address you came: set signin.url.";
    let redirect = redirect.map_err(|error| Refusal::new(told, error.to_string()))?;
    Ok(Ties {
        state: state.to_owned(),
        nonce: signer.sign("oidc nonce", &[state.as_bytes()]),
        verifier: signer.sign("oidc verifier", &[state.as_bytes()]),
        redirect,
    })
}

/// The user with a person's verified address.
fn known_as(admin: &Admin, person: &Person) -> Result<String, Refusal> {
    let Some(email) = person.email.as_deref() else {
        let told = "Your organisation's sign-in does not tell your e-mail address, by which the hub would know you.";
        return Err(Refusal::new(told, "no email"));
    };
    if !person.verified {
        let told = "Your organisation's sign-in has not verified your e-mail address.";
        return Err(Refusal::new(told, "email not verified"));
    }
    let state = admin.plane.state();
    let mut known = state.bodies(Kind::User).filter_map(|(id, body)| match body {
        entity::Body::User(user) => {
            let same = user.email.as_deref().is_some_and(|it| it.eq_ignore_ascii_case(email));
            same.then_some((id, user))
        }
        _ => None,
    });
    let stranger =
        "Nobody with your e-mail address is known to this hub. An owner or admin can add you.";
    let (id, user) = known.next().ok_or_else(|| Refusal::new(stranger, "no such user"))?;
    let user_id = check_id(Kind::User, id).is_ok().then(|| id.to_string());
    if known.next().is_some() {
        let told = "Several users have your e-mail address. An owner or admin can tell them apart.";
        return Err(Refusal { user: user_id, ..Refusal::new(told, "several users") });
    }
    if user.disabled {
        let told = "You may not sign in to this hub any more. Ask an owner or admin.";
        return Err(Refusal { user: user_id, ..Refusal::new(told, "disabled") });
    }
    Ok(id.to_string())
}

fn provider(admin: &Admin) -> Result<&Provider, Refusal> {
    let status = StatusCode::NOT_FOUND;
    let none = || Refusal { status, ..Refusal::new("No identity provider is set.", "not set") };
    admin.signin.provider.as_ref().ok_or_else(none)
}

fn refused(admin: &Admin, attempt: &Try<'_>, refusal: Refusal) -> Response<Body> {
    let Refusal { status, told, why, user } = refusal;
    attempt.failed(admin, user.as_deref(), &why);
    page::told(admin, status, &told)
}

/// Sends a browser on.
fn to<const N: usize>(url: &str, cookies: [HeaderValue; N]) -> Result<Response<Body>, Problem> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let location = HeaderValue::from_str(url).map_err(|error| {
        tracing::error!(%error, "a browser could not be sent on");
        Problem::internal()
    })?;
    response.headers_mut().insert(LOCATION, location);
    for cookie in cookies {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}
