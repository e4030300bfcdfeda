//! Requests that a browser sends with a cookie because another site's page made it to.

use http::HeaderName;
use http::header::ORIGIN;
use http::request::Parts;

use super::cookie::host;
use super::{Session, Signer};
use crate::Admin;
use crate::problem::Problem;

/// Where a page shows that it was told the session's token.
const HEADER: HeaderName = HeaderName::from_static("x-csrf-token");
/// Where a browser says whose page made it send this.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// What the token is signed for.
const PURPOSE: &str = "csrf";

/// The token of a session: told to pages of the hub's own, which alone can read it.
pub(super) fn token(signer: &Signer, session: &Session) -> String {
    signer.sign(PURPOSE, &[session.id.as_bytes()])
}

/// Whether a change that is asked for with a session is asked for by a page of the hub's own.
///
/// # Errors
/// It is not, or does not show it.
pub(crate) fn check(admin: &Admin, head: &Parts, session: &Session) -> Result<(), Problem> {
    if !check_origin(admin, head)? {
        let why = "a change with a session is asked for by a browser, which says for whose page: Origin is wanted";
        return Err(Problem::csrf(why));
    }
    let shown = head.headers.get(HEADER).and_then(|value| value.to_str().ok());
    let id = session.id.as_bytes();
    let own =
        shown.is_some_and(|shown| Signer::of(admin).is_ok_and(|it| it.is(shown, PURPOSE, &[id])));
    let why = "a change with a session wants its token in the header x-csrf-token; whoami tells it";
    if own { Ok(()) } else { Err(Problem::csrf(why)) }
}

/// Whether the request says whose page it is of; `false` where it says nothing, as others than browsers do.
///
/// # Errors
/// It is another site's.
pub(crate) fn check_origin(admin: &Admin, head: &Parts) -> Result<bool, Problem> {
    let site = head.headers.get(FETCH_SITE);
    if site.is_some_and(|site| site != "same-origin") {
        return Err(Problem::csrf("the page that asks is another site's (Sec-Fetch-Site)"));
    }
    let Some(origin) = head.headers.get(ORIGIN) else {
        return Ok(site.is_some());
    };
    let origin = origin.to_str().unwrap_or_default();
    let own = match admin.signin.url() {
        Some(url) => url.origin().ascii_serialization() == origin,
        None => false,
    };
    let here = || {
        let (_, authority) = origin.split_once("://")?;
        Some(host(head)?.as_str().eq_ignore_ascii_case(authority))
    };
    if own || here() == Some(true) {
        return Ok(true);
    }
    let why = "the page that asks is not of the host that was asked (Origin); behind a proxy, signin.url says where people find the hub";
    Err(Problem::csrf(why))
}
