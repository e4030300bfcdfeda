//! `POST /v1/messages/count_tokens`: an estimate by the hub itself. It costs nothing and asks no provider.

use std::sync::Arc;

use axum::extract::{Request, State};
use http::Response;
use serde_json::Value;

use super::error::response;
use super::models::answer;
use super::{Body, read_body};
use crate::Gateway;
use crate::auth::{authenticate, may_use};
use crate::dialects::{Dialect, Takes, anthropic};
use crate::error::Error;

pub(super) async fn tokens(
    State(gateway): State<Arc<Gateway>>,
    request: Request,
) -> Response<Body> {
    match counted(&gateway, request).await {
        Ok(count) => answer(&count),
        Err(error) => response(Dialect::Anthropic, &error, None),
    }
}

async fn counted(gateway: &Gateway, request: Request) -> Result<Value, Error> {
    let (head, body) = request.into_parts();
    let limits = &gateway.limits;
    let key = authenticate(&head, &gateway.snapshot.load_full())?;
    let bytes = read_body(&head.headers, Takes::Json, body, limits.body, limits.body_time).await?;
    let (model, count) = anthropic::count::count(&head, bytes)?;
    may_use(&key, &model)?;
    Ok(count)
}
