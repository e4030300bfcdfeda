//! Whether the gateway is alive, ready, and how it does.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use http::{HeaderValue, Response, StatusCode, header};
use runtime::telemetry::metrics::CONTENT_TYPE;

use crate::Gateway;

/// The process answers.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether calls are taken, and what is missing or lagging.
pub(super) async fn readyz(State(gateway): State<Arc<Gateway>>) -> Response<Body> {
    let (ready, report) = gateway.readiness();
    let mut response = Response::new(Body::from(format!("{report:#}\n")));
    if !ready {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// Prometheus' text format.
pub(super) async fn metrics(State(gateway): State<Arc<Gateway>>) -> Response<Body> {
    let mut response = Response::new(Body::from(gateway.metrics_text()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    response
}
