//! `POST /v1/messages/count_tokens` and `POST /v1beta/models/{model}:countTokens`: estimates by the hub itself. They
//! cost nothing and ask no provider.

use std::sync::Arc;

use axum::extract::{Request, State};
use bytes::Bytes;
use http::Response;
use http::request::Parts;
use schemas::ids::ModelId;
use serde_json::Value;

use super::error::response;
use super::models::answer;
use super::{Body, read_body};
use crate::Gateway;
use crate::auth::{authenticate, may_use};
use crate::dialects::{Dialect, Takes, anthropic, gemini};
use crate::error::Error;

/// How a dialect counts: the model asked about, and the answer.
type Count = fn(&Parts, Bytes) -> Result<(ModelId, Value), Error>;

pub(super) async fn tokens(
    State(gateway): State<Arc<Gateway>>,
    request: Request,
) -> Response<Body> {
    told(&gateway, request, Dialect::Anthropic, anthropic::count::count).await
}

pub(super) async fn tokens_gemini(gateway: &Gateway, request: Request) -> Response<Body> {
    told(gateway, request, Dialect::Gemini, gemini::count::count).await
}

async fn told(
    gateway: &Gateway,
    request: Request,
    dialect: Dialect,
    count: Count,
) -> Response<Body> {
    match counted(gateway, request, count).await {
        Ok(count) => answer(&count),
        Err(error) => response(dialect, &error, None),
    }
}

async fn counted(gateway: &Gateway, request: Request, count: Count) -> Result<Value, Error> {
    let (head, body) = request.into_parts();
    let limits = &gateway.limits;
    let key = authenticate(&head, &gateway.snapshot.load_full(), gateway.clock.now())?;
    let bytes = read_body(&head.headers, Takes::Json, body, limits.body, limits.body_time).await?;
    let (model, count) = count(&head, bytes)?;
    may_use(&key, &model)?;
    Ok(count)
}
