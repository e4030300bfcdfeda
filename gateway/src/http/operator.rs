//! Whether the process is alive and ready.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::Value;

use crate::Gateway;

/// The process answers.
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether calls are taken, and what is missing or lagging.
pub(super) async fn readyz(State(gateway): State<Arc<Gateway>>) -> Response<Body> {
    let (ready, report) = gateway.readiness();
    readiness(ready, &report)
}

/// The answer of `/readyz`.
pub fn readiness(ready: bool, report: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("{report:#}\n")));
    if !ready {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}
