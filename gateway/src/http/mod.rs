//! The only axum in the gateway: routes, bounds and the shape of answers.

mod body;
pub mod error;
mod models;
mod operator;

use std::sync::Arc;

use axum::Router;
pub use axum::body::Body;
pub use axum::extract::Request;
use axum::extract::State;
use axum::routing::{get, post};
use http::Response;

pub use body::read as read_body;
pub use operator::{healthz, readiness};

use crate::Gateway;
use crate::dialects::Dialect;
use crate::error::{Error, Kind};
use crate::serve::serve;

/// What callers see.
#[rustfmt::skip]
pub fn routes(gateway: Arc<Gateway>) -> Router {
    Router::new()
        .route("/v1/chat/completions", post(chat))
        .route("/v1/embeddings",       post(embeddings))
        .route("/v1/images/generations", post(images))
        .route("/v1/responses",        post(responses))
        .route("/v1/messages",         post(messages))
        .route("/v1beta/models/{*call}", post(gemini))
        .route("/model/{model}/{call}", post(bedrock))
        .route("/api/v2/chat",         post(aigne))
        .route("/v1/models",           get(models::list))
        .route("/v1/models/{*model}",  get(models::one))
        .route("/healthz",             get(operator::healthz))
        .route("/readyz",              get(operator::readyz))
        .fallback(unknown)
        .method_not_allowed_fallback(method)
        .with_state(gateway)
}

async fn chat(State(gateway): State<Arc<Gateway>>, request: Request) -> Response<Body> {
    serve(&gateway, Dialect::OpenAiChat, request).await
}

async fn embeddings(State(gateway): State<Arc<Gateway>>, request: Request) -> Response<Body> {
    serve(&gateway, Dialect::OpenAiEmbeddings, request).await
}

async fn images(State(gateway): State<Arc<Gateway>>, request: Request) -> Response<Body> {
    serve(&gateway, Dialect::OpenAiImages, request).await
}

async fn responses(State(gateway): State<Arc<Gateway>>, request: Request) -> Response<Body> {
    serve(&gateway, Dialect::Responses, request).await
}

async fn messages(State(gateway): State<Arc<Gateway>>, request: Request) -> Response<Body> {
    serve(&gateway, Dialect::Anthropic, request).await
}

async fn gemini(State(gateway): State<Arc<Gateway>>, request: Request) -> Response<Body> {
    let embeds = request.uri().path().to_ascii_lowercase().ends_with("embedcontents")
        || request.uri().path().ends_with(":embedContent");
    serve(&gateway, if embeds { Dialect::GeminiEmbed } else { Dialect::Gemini }, request).await
}

async fn bedrock(State(gateway): State<Arc<Gateway>>, request: Request) -> Response<Body> {
    serve(&gateway, Dialect::Bedrock, request).await
}

async fn aigne(State(gateway): State<Arc<Gateway>>, request: Request) -> Response<Body> {
    serve(&gateway, Dialect::Aigne, request).await
}

async fn unknown(request: Request) -> Response<Body> {
    nothing_at(&request, "/v1/chat/completions, /v1/embeddings or /v1/models")
}

/// Names what there is, as the path is most often a slip.
pub fn nothing_at(request: &Request, routes: &str) -> Response<Body> {
    let path: String = request.uri().path().chars().take(100).collect();
    let message = format!("there is no {path:?} here; try {routes}");
    error::openai_response(&Error::new(Kind::UnknownRoute, message), None)
}

/// Refuses a method that a path does not take.
pub async fn method(request: Request) -> Response<Body> {
    let message = format!("{} is not allowed on {:?}", request.method(), request.uri().path());
    error::openai_response(&Error::new(Kind::Method, message), None)
}
