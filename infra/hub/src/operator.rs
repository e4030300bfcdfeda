//! What operators see of every process, on a listener of its own.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use gateway::http::{Body, Request, healthz, method, nothing_at, readiness};
use http::{HeaderValue, Response, header};
use runtime::task::Tasks;
use runtime::telemetry::metrics::CONTENT_TYPE;

use crate::status::Status;
use crate::uptime::{self, Audience, Uptime};

/// Everything that the listener serves, once the admin API is there.
pub(crate) type Behind = Arc<OnceLock<Router>>;

/// Its routes.
#[rustfmt::skip]
pub(crate) fn routes(status: Status, uptime: Option<Uptime>, tasks: &Tasks) -> Router {
    let shown = uptime.map(|uptime| uptime::routes(uptime, Audience::Operators, tasks.token()));
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz",  get(readyz))
        .route("/metrics", get(metrics))
        .fallback(unknown)
        .method_not_allowed_fallback(method)
        .with_state(status)
        .merge(shown.unwrap_or_default())
}

/// Whether this process does what it is there for, and what is missing or lagging.
async fn readyz(State(status): State<Status>) -> Response<Body> {
    let (ready, report) = status.readiness();
    readiness(ready, &report)
}

/// Prometheus' text format.
async fn metrics(State(status): State<Status>) -> Response<Body> {
    let mut response = Response::new(Body::from(status.metrics()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    response
}

async fn unknown(request: Request) -> Response<Body> {
    nothing_at(
        &request,
        "/healthz, /readyz, /metrics, or a gateway's /signin, /status and /admin/v1/openapi.json; calls go to its other listener",
    )
}
