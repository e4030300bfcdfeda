//! `/status`, `/status.json` and `/status/events`.

use std::convert::Infallible;

use axum::Router;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Json, Response};
use axum::routing::get;
use futures::stream::{Stream, unfold};
use http::{HeaderValue, StatusCode, header};
use runtime::task::CancellationToken;
use serde_json::Value;

use super::{Audience, PACE, Uptime, page};

/// Nothing but the page's own style and script, and only this server.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

type Seen = (Uptime, Audience, CancellationToken);

/// The routes, for this audience. Who listens to events is let go when `stop` is cancelled.
#[rustfmt::skip]
pub(crate) fn routes(uptime: Uptime, audience: Audience, stop: CancellationToken) -> Router {
    Router::new()
        .route("/status",        get(html))
        .route("/status.json",   get(json))
        .route("/status/events", get(events))
        .with_state((uptime, audience, stop))
}

async fn html(State((uptime, audience, _)): State<Seen>) -> Response {
    let page = page::page(&uptime.whole(audience).await);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (headers, page).into_response()
}

async fn json(State((uptime, audience, _)): State<Seen>) -> Json<Value> {
    Json(uptime.whole(audience).await)
}

/// What is live, at once and after each change.
async fn events(State((uptime, audience, stop)): State<Seen>) -> Response {
    let Ok(place) = uptime.0.listeners.clone().try_acquire_owned() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many listen already").into_response();
    };
    let told = told(uptime, audience, stop);
    let held = unfold((Box::pin(told), place), async |(mut told, place)| {
        let event = futures::StreamExt::next(&mut told).await?;
        Some((event, (told, place)))
    });
    Sse::new(held).keep_alive(KeepAlive::default()).into_response()
}

fn told(
    uptime: Uptime,
    audience: Audience,
    stop: CancellationToken,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let mut changes = uptime.0.live.changes();
    changes.mark_changed();
    unfold((uptime, changes, stop, false), move |(uptime, mut changes, stop, waits)| async move {
        let next = async {
            if waits {
                tokio::time::sleep(PACE).await;
            }
            changes.changed().await.is_ok()
        };
        let goes_on = tokio::select! {
            () = stop.cancelled() => false,
            goes_on = next => goes_on,
        };
        let event = Event::default().event("status").data(uptime.live(audience).to_string());
        goes_on.then_some((Ok(event), (uptime, changes, stop, true)))
    })
}
