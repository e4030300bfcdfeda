//! ClickHouse's HTTP interface, as far as its clients use it.

mod answer;
mod body;
mod codec;
mod format;
mod leave;
mod native_block;
mod request;
mod run;
mod sessions;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request as HttpRequest, State};
use axum::response::{IntoResponse as _, Response};
use http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, StatusCode};
use rand::Rng as _;
use tokio::sync::Semaphore;

use super::engine::Engine;
use super::exception::{Code, Exception};
use super::users::Users;
use super::{Limits, Role};
use answer::{About, Answer};
use leave::Leave;
use request::{Claim, Request};
use run::Job;
use sessions::Sessions;

/// What all requests share.
pub(crate) struct Server {
    pub(crate) engine: Engine,
    pub(crate) users: Users,
    pub(crate) limits: Limits,
    /// Why the read-only user is not served, when the kernel does not confine this process.
    pub(crate) reader_refused: Option<String>,
    sessions: Sessions,
    running: Semaphore,
    waiting: Semaphore,
}

impl Server {
    pub(crate) fn new(
        engine: Engine,
        users: Users,
        limits: Limits,
        reader_refused: Option<String>,
    ) -> Self {
        Self {
            running: Semaphore::new(limits.running),
            waiting: Semaphore::new(limits.running + limits.waiting),
            sessions: Sessions::default(),
            engine,
            users,
            limits,
            reader_refused,
        }
    }

    /// Ends idle sessions until cancelled.
    pub(crate) async fn reap(&self) {
        self.sessions.reap().await;
    }

    /// Ends all sessions.
    pub(crate) fn close(&self) {
        self.sessions.close();
    }
}

/// The routes.
pub(crate) fn router(server: Arc<Server>) -> Router {
    Router::new()
        .route("/ping", axum::routing::get(|| async { "Ok.\n" }))
        .route("/replicas_status", axum::routing::get(|| async { "Ok.\n" }))
        .fallback(any)
        .with_state(server)
}

async fn any(State(server): State<Arc<Server>>, request: HttpRequest) -> Response {
    match serve(&server, request).await {
        Ok(response) => response,
        Err(exception) => refuse(&server, &exception),
    }
}

async fn serve(server: &Arc<Server>, request: HttpRequest) -> Result<Response, Exception> {
    let (parts, body) = request.into_parts();
    let mut pairs: Vec<(String, String)> = parts
        .uri
        .query()
        .map(|query| url::form_urlencoded::parse(query.as_bytes()).into_owned().collect())
        .unwrap_or_default();
    let is_get = parts.method == Method::GET || parts.method == Method::HEAD;
    if !is_get && parts.method != Method::POST && parts.method != Method::PUT {
        return Err(Exception::new(Code::BadArguments, "use GET, HEAD, POST or PUT"));
    }
    if parts.uri.path() != "/" && parts.uri.path() != "/query" {
        return Ok((
            StatusCode::NOT_FOUND,
            "There is no handle for this path; use /, /ping or /replicas_status\n",
        )
            .into_response());
    }
    // As ClickHouse: the bare address answers without a user.
    if is_get && !pairs.iter().any(|(name, _)| name == "query") {
        return Ok("Ok.\n".into_response());
    }
    let claim = Claim::read(&parts.headers, &pairs)
        .ok_or_else(|| Exception::new(Code::RequiredPassword, "a user and a password are required: X-ClickHouse-User and X-ClickHouse-Key, or Basic authentication"))?;
    let role = server.users.check(&claim.user, &claim.password).ok_or_else(|| {
        Exception::new(
            Code::AuthenticationFailed,
            format_args!("{}: Authentication failed: password is incorrect, or there is no user with such name", claim.user),
        )
    })?;
    if let (Role::Reader, Some(reason)) = (role, &server.reader_refused) {
        return Err(Exception::new(Code::AccessDenied, format_args!("{}: {reason}", claim.user)));
    }
    let body = match form_boundary(&parts.headers) {
        Some(boundary) => {
            pairs.extend(form(body, boundary, &server.limits).await?);
            Body::empty()
        }
        None => body,
    };
    let request = Request::read(&parts.method, &parts.headers, pairs)?;
    let query_id = match &request.query_id {
        Some(id) => id.clone(),
        None => uuid::Uuid::now_v7().to_string(),
    };
    let about = About {
        query_id,
        version: server.engine.version.clone(),
        timezone: server.engine.timezone.clone(),
        format: request.format.clone().unwrap_or_else(|| "TabSeparated".to_owned()),
        coding: request.response_coding,
        blocks: request.compress,
        wait_end: request.wait_end,
        send_timeout: server.limits.send_timeout,
    };
    let _place = server.waiting.try_acquire().map_err(|_| busy())?;
    let permit = tokio::time::timeout(server.limits.queue_timeout, server.running.acquire()).await;
    let Ok(Ok(permit)) = permit else {
        return Err(busy());
    };
    // The permit goes with the thread, which outlives this future when the client leaves.
    permit.forget();
    let (pump, reader) = body::pipe(body, server.limits.receive_timeout);
    let (answer, response) = Answer::new(about).map_err(|error| {
        Exception::new(Code::Incorrect, format_args!("cannot compress: {error}"))
    })?;
    let mark = match &request.session {
        Some(ask) => ask.mark(role),
        None => uuid::Uuid::now_v7().to_string(),
    };
    let leave = Leave::new(server, &mark);
    let (worker, ended) = (Arc::clone(server), leave.ended());
    let job = Job { request, role, body: reader, mark };
    tokio::task::spawn_blocking(move || {
        let _release = Release(&worker.running);
        run::run(&worker.engine, &worker.limits, &worker.sessions, job, answer);
        ended.store(true, Ordering::Release);
    });
    let ((), response) = tokio::join!(pump.run(), response);
    let response = response
        .map_err(|_| Exception::new(Code::NetworkError, "the statement ended without an answer"))?;
    let (parts, body) = response.into_parts();
    Ok(Response::from_parts(
        parts,
        Body::from_stream(Box::pin(leave.guard(body.into_data_stream()))),
    ))
}

/// Gives a forgotten permit back, also when the statement's thread panics.
struct Release<'s>(&'s Semaphore);

impl Drop for Release<'_> {
    fn drop(&mut self) {
        self.0.add_permits(1);
    }
}

fn busy() -> Exception {
    Exception::new(
        Code::TooManyQueries,
        "Too many simultaneous queries; try again when some have ended",
    )
}

fn form_boundary(headers: &http::HeaderMap) -> Option<String> {
    multer::parse_boundary(headers.get(CONTENT_TYPE)?.to_str().ok()?).ok()
}

/// Fields of a multipart form: `query`, `param_…` and settings. External tables are not taken.
async fn form(
    body: Body,
    boundary: String,
    limits: &Limits,
) -> Result<Vec<(String, String)>, Exception> {
    let size = multer::SizeLimit::new()
        .whole_stream(4 * limits.text_bytes as u64)
        .per_field(limits.text_bytes as u64);
    let constraints = multer::Constraints::new().size_limit(size);
    let mut form =
        multer::Multipart::with_constraints(body.into_data_stream(), boundary, constraints);
    let bad = |error: &dyn std::fmt::Display| {
        Exception::new(Code::BadArguments, format_args!("the form cannot be read: {error}"))
    };
    let mut fields = Vec::new();
    loop {
        let next = tokio::time::timeout(limits.receive_timeout, form.next_field())
            .await
            .map_err(|_| Exception::new(Code::SocketTimeout, "the form did not arrive in time"))?;
        let Some(field) = next.map_err(|error| bad(&error))? else {
            return Ok(fields);
        };
        let name = field.name().unwrap_or_default().to_owned();
        if field.file_name().is_some() {
            return Err(Exception::new(
                Code::NotImplemented,
                format_args!(
                    "external table '{name}': external data is not supported, insert it first"
                ),
            ));
        }
        let text = field.text().await.map_err(|error| bad(&error))?;
        fields.push((name, text));
    }
}

/// The answer to a request that reached no statement.
fn refuse(server: &Server, exception: &Exception) -> Response {
    let mut response = (exception.status(), exception.body(&server.engine.version)).into_response();
    let headers = response.headers_mut();
    if let Ok(code) = HeaderValue::from_str(&exception.code.to_string()) {
        headers.insert("x-clickhouse-exception-code", code);
    }
    headers.insert("x-clickhouse-server-display-name", HeaderValue::from_static("hub"));
    if exception.status() == StatusCode::UNAUTHORIZED {
        headers.insert(
            WWW_AUTHENTICATE,
            HeaderValue::from_static("Basic realm=\"ClickHouse server HTTP API\""),
        );
    }
    response
}

/// The tag that marks an exception in a running stream: 16 letters that no row can guess.
fn random_tag() -> String {
    let mut random = rand::rng();
    (0..16).map(|_| char::from(random.random_range(b'a'..=b'z'))).collect()
}
