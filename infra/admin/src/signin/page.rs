//! The page where people sign in: one file, its own style and script, and nothing from elsewhere.

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::oidc;
use crate::Admin;

const FRAME: &str = include_str!("page.html");
/// Where the button of a provider goes in the frame.
const PROVIDER: &str = "<!-- provider -->";
/// Where it is told why somebody was not let in.
const TOLD: &str = "<!-- told -->";

/// Nothing but the page's own style and script, by their hashes, and only this server.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let (style, script) = (hash_of("style"), hash_of("script"));
    let policy = format!(
        "default-src 'none'; style-src {style}; script-src {script}; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

/// The hash of the text of the frame's one element of this name, as a policy names it.
fn hash_of(element: &str) -> String {
    let text = FRAME.split_once(&format!("<{element}>")).map_or("", |(_, rest)| rest);
    let text = text.split_once(&format!("</{element}>")).map_or("", |(text, _)| text);
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)))
}

/// The page, and the two addresses by which a provider is gone to and come back from. They ask for no
/// credential, and are no part of the API.
#[rustfmt::skip]
pub fn routes(admin: &Arc<Admin>) -> Router {
    let (shown, begin, end) = (Arc::clone(admin), Arc::clone(admin), Arc::clone(admin));
    let page = async move || page(&shown, StatusCode::OK, None);
    let begin = async move |request: Request| {
        oidc::begin(&begin, &request.into_parts().0, &Uuid::now_v7().to_string()).await
    };
    let end = async move |request: Request| {
        oidc::end(&end, &request.into_parts().0, &Uuid::now_v7().to_string()).await
    };
    Router::new()
        .route("/signin",      get(page))
        .route("/signin/oidc", get(begin))
        .route(oidc::BACK,     get(end))
}

/// The page with why somebody was not let in.
pub(super) fn told(admin: &Admin, status: StatusCode, why: &str) -> Response<Body> {
    page(admin, status, Some(why))
}

fn page(admin: &Admin, status: StatusCode, why: Option<&str>) -> Response<Body> {
    let button = admin.signin.provider.as_ref().map(|provider| {
        let name = escaped(provider.name());
        format!("<p><a class=\"button\" href=\"/signin/oidc\">Sign in with {name}</a></p>")
    });
    let why = why.map(|why| format!("<p role=\"alert\" class=\"bad\">{}</p>", escaped(why)));
    let text = FRAME.replacen(PROVIDER, &button.unwrap_or_default(), 1);
    let text = text.replacen(TOLD, &why.unwrap_or_default(), 1);
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let fixed: [(HeaderName, &'static str); 4] = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    let headers = response.headers_mut();
    headers.extend(fixed.map(|(name, value)| (name, HeaderValue::from_static(value))));
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY.clone());
    response
}

/// A text as HTML shows it, in an element or in an attribute.
pub fn escaped(raw: &str) -> String {
    let mut safe = String::with_capacity(raw.len());
    for letter in raw.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frame_takes_nothing_from_elsewhere_and_its_policy_names_what_it_has() {
        for place in [PROVIDER, TOLD, "<style>", "<script>"] {
            assert_eq!(FRAME.matches(place).count(), 1, "{place}");
        }
        for foreign in
            ["http://", "https://", "src=", "<link", "@import", "url(", " style=", " onclick="]
        {
            assert!(!FRAME.contains(foreign), "{foreign}");
        }
        let policy = POLICY.to_str().unwrap();
        assert!(policy.contains(&hash_of("script")) && !policy.contains("unsafe"), "{policy}");
        assert_ne!(hash_of("script"), hash_of("nothing"));
        assert_eq!(escaped("<b>'\"&"), "&lt;b&gt;&#39;&quot;&amp;");
    }
}
