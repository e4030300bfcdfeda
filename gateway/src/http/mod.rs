//! The only axum in the gateway: routes, bounds and the shape of answers.

mod aigne;
mod body;
mod cors;
mod count;
pub mod error;
mod models;
mod operator;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
pub use axum::body::Body;
pub use axum::extract::Request;
use axum::extract::State;
use axum::routing::{MethodRouter, get, post};
use http::Response;

pub use crate::dialects::Takes;
pub use body::read as read_body;
pub use operator::{healthz, readiness};

use crate::Gateway;
use crate::dialects::Dialect;
use crate::error::{Error, Kind};
use crate::serve::serve;

/// Who is at the other end of a request's connection: an extension of the request, put there by the listener.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// What callers see. With `scripts`, pages of the origins that keys name may call; without it, nothing of that is
/// looked at.
#[rustfmt::skip]
pub fn routes(gateway: Arc<Gateway>, scripts: bool) -> Router {
    let routes = Router::new()
        .route("/v1/chat/completions",    calls(Dialect::OpenAiChat))
        .route("/v1/embeddings",          calls(Dialect::OpenAiEmbeddings))
        .route("/v1/images/generations",  calls(Dialect::OpenAiImages))
        .route("/v1/images/edits",        calls(Dialect::OpenAiImageEdits))
        .route("/v1/moderations",         calls(Dialect::OpenAiModerations))
        .route("/v1/audio/speech",        calls(Dialect::OpenAiSpeech))
        .route("/v1/audio/transcriptions", calls(Dialect::OpenAiTranscriptions))
        .route("/v1/audio/translations",  calls(Dialect::OpenAiTranslations))
        .route("/v1/responses",           calls(Dialect::Responses))
        .route("/v1/messages",            calls(Dialect::Anthropic))
        .route("/v1/messages/count_tokens", post(count::tokens))
        .route("/v1/models",              get(models::list))
        .route("/v1/models/{*model}",     get(models::one).post(gemini))
        .route("/v1beta/models",          get(models::list_gemini))
        .route("/v1beta/models/{*model}", get(models::one_gemini).post(gemini))
        .route("/model/{model}/{call}",   calls(Dialect::Bedrock))
        .route("/api/v2/chat",            calls(Dialect::Aigne))
        .route("/api/v2/embeddings",      calls(Dialect::AigneEmbeddings))
        .route("/api/v2/image",           calls(Dialect::AigneImage))
        .route("/api/v2/video",           post(aigne::video))
        .route("/api/v2/status",          get(aigne::status))
        .route("/api/ai/models",          get(aigne::models))
        .route("/api/user/info",          get(aigne::user))
        .route("/__blocklet__.js",        get(aigne::blocklet))
        .route("/healthz",                get(operator::healthz))
        .route("/readyz",                 get(operator::readyz))
        .fallback(unknown)
        .method_not_allowed_fallback(method)
        .with_state(Arc::clone(&gateway));
    if scripts { routes.layer(cors::layer(gateway)) } else { routes }
}

/// Calls in a dialect.
fn calls(dialect: Dialect) -> MethodRouter<Arc<Gateway>> {
    post(async move |State(gateway): State<Arc<Gateway>>, request: Request| {
        serve(&gateway, dialect, request).await
    })
}

/// The method stands behind the model, so the routes can't tell them apart.
async fn gemini(State(gateway): State<Arc<Gateway>>, request: Request) -> Response<Body> {
    let method = request.uri().path().rsplit(':').next().unwrap_or_default();
    let dialect = match method {
        "countTokens" => return count::tokens_gemini(&gateway, request).await,
        "embedContent" | "batchEmbedContents" => Dialect::GeminiEmbed,
        _ => Dialect::Gemini,
    };
    serve(&gateway, dialect, request).await
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
