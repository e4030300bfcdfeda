//! The admin API: what an operator, a person in finance or a developer may see and change, as REST
//! under `/admin/v1`.
//!
//! ```text
//! request ─► table: is there such a route, and what does it do? ─► 404
//!         ─► caller: whose key or session, which roles? ───────────► 401
//!         ─► csrf: with a session, by a page of the hub's own? ────► 403
//!         ─► reach: may any of the roles do this, and where? ──────► 403
//!         ─► the operation, on control::Plane ─────────────────────► problem+json
//! ```
//!
//! What is not in the [`table`] does not exist, and every route of it is checked in one place
//! ([`serve`](self)), before its operation is run. There too refusals go into the audit trail, and
//! what must not happen unrecorded ([`table::Op::audited`]) waits until it is recorded.

mod apply;
mod ask;
mod audit;
mod caller;
mod entities;
mod keys;
pub mod node;
mod openapi;
mod problem;
mod session;
pub mod signin;
pub mod table;
mod trail;
mod usage;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request};
use axum::response::IntoResponse as _;
use axum::routing::{MethodFilter, on};
use bytes::Bytes;
use control::audit::Trail;
use control::plane::Plane;
use gateway::config::UpstreamConfig;
use gateway::http::{Takes, read_body};
use gateway::limits::Book;
use http::header::{CACHE_CONTROL, SET_COOKIE};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use runtime::clock::Clock;
use uuid::Uuid;

pub use problem::Problem;

use crate::ask::Ask;
use crate::audit::NOBODY;
use crate::caller::Caller;
use crate::node::Node;
use crate::session::Jar;
use crate::signin::SignIn;
use crate::table::Op;

/// The largest body of a request.
const MAX_BODY: usize = 8 << 20;
/// The same of one that anybody may send.
const MAX_OPEN_BODY: usize = 16 << 10;
/// Longest time for a body to arrive.
const BODY_TIME: Duration = Duration::from_secs(30);
/// The request's id, in every answer.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What the API works on.
#[derive(Debug)]
pub struct Admin {
    /// The control plane.
    pub plane: Arc<Plane>,
    /// The audit trail of this process.
    pub trail: Arc<Trail>,
    /// What is used of limits and budgets.
    pub bounded: Arc<Book>,
    /// The time.
    pub clock: Clock,
    /// How providers are reached, to check their credentials.
    pub upstream: UpstreamConfig,
    /// How people sign in.
    pub signin: SignIn,
    /// The process around it.
    pub node: Arc<dyn Node>,
}

/// The routes of the API, and the page where people sign in.
pub fn routes(admin: &Arc<Admin>) -> Router {
    let mut router = Router::new();
    for route in table::routes() {
        let admin = Arc::clone(admin);
        let filter = MethodFilter::try_from(route.method.clone()).unwrap_or(MethodFilter::GET);
        let (path, op) = (route.path.clone(), route.op);
        let handler = async move |id: Option<Path<String>>, request: Request| {
            serve(&admin, op, id.map(|Path(id)| id), request).await
        };
        router = router.route(&path, on(filter, handler));
    }
    router.merge(signin::routes(admin))
}

/// One request: who asks, whether they may, and what comes of it.
async fn serve(admin: &Admin, op: Op, id: Option<String>, request: Request) -> Response<Body> {
    let request_id = Uuid::now_v7().to_string();
    let answered = answer(admin, op, id, &request_id, request).await;
    let mut response = answered.unwrap_or_else(|problem| problem.into_response());
    if let Ok(id) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    // what is told is for who asked, and now
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn answer(
    admin: &Admin,
    op: Op,
    id: Option<String>,
    request_id: &str,
    request: Request,
) -> Result<Response<Body>, Problem> {
    if op == Op::OpenApi {
        return Ok(json(StatusCode::OK, &openapi::document()));
    }
    let (head, body) = request.into_parts();
    let seen = audit::Request::of(admin, op, id.as_deref(), request_id, &head);
    let refused = |actor: &str, problem: &Problem| seen.refused(admin, actor, problem);
    let caller = match op.action() {
        None => Caller::nobody(),
        Some(_) => Caller::of(admin, &head).inspect_err(|problem| refused(NOBODY, problem))?,
    };
    let actor = caller.actor.clone();
    let writes = head.method != http::Method::GET;
    if let Some(session) = caller.session.as_ref().filter(|_| writes) {
        session::check(admin, &head, session).inspect_err(|problem| refused(&actor, problem))?;
    }
    let reach = caller.reach(op).inspect_err(|problem| refused(&actor, problem))?;
    let body = match head.method {
        http::Method::GET | http::Method::DELETE => Bytes::new(),
        _ if matches!(op, Op::Rewrap | Op::MakeLink) => Bytes::new(),
        _ => {
            let most = if op.action().is_none() { MAX_OPEN_BODY } else { MAX_BODY };
            let read = read_body(&head.headers, Takes::Json, body, most, BODY_TIME).await;
            read.map_err(|error| Problem::of_body(&error))?
        }
    };
    seen.begin(admin, &actor, &body).await?;
    let due = caller.session.as_ref().and_then(|it| it.due(admin, &Jar::of(admin, &head)));
    let ask = Ask { id, caller, reach, head, body, request: request_id.to_owned() };
    let done = operate(admin, op, ask).await.inspect_err(|problem| refused(&actor, problem));
    done.map(|mut response| {
        let set = response.headers().contains_key(SET_COOKIE);
        if let Some(cookie) = due.filter(|_| !set) {
            response.headers_mut().insert(SET_COOKIE, cookie);
        }
        response
    })
}

async fn operate(admin: &Admin, op: Op, ask: Ask) -> Result<Response<Body>, Problem> {
    match op {
        Op::OpenApi => Err(Problem::internal()),
        Op::WhoAmI => ask.caller.describe(admin),
        Op::List(kind) => entities::list(admin, kind, &ask),
        Op::Get(kind) => entities::get(admin, kind, &ask),
        Op::History(kind) => entities::history(admin, kind, &ask).await,
        Op::Usage(kind) => usage::usage(admin, kind, &ask),
        Op::Create(kind) => entities::create(admin, kind, &ask).await,
        Op::Replace(kind) => entities::replace(admin, kind, &ask).await,
        Op::Delete(kind) => entities::delete(admin, kind, &ask).await,
        Op::RotateKey => keys::rotate(admin, &ask).await,
        Op::CheckProvider => entities::check_provider(admin, &ask).await,
        Op::Problems => Ok(entities::problems(admin)),
        Op::Export => apply::export(admin),
        Op::Apply => apply::apply(admin, &ask).await,
        Op::Rewrap => keys::rewrap(admin, &ask).await,
        Op::SignIn => signin::by_password(admin, &ask).await,
        Op::UseLink => signin::by_link(admin, &ask).await,
        Op::SignOut => signin::sign_out(admin, &ask).await,
        Op::SignOutEverywhere => signin::sign_out_everywhere(admin, &ask).await,
        Op::ChangePassword => signin::change_password(admin, &ask).await,
        Op::MakeLink => signin::make_link(admin, &ask).await,
        Op::EndSessions => signin::end_sessions(admin, &ask).await,
        Op::ExplainRoute => trail::explain(admin, &ask).await,
        Op::SearchAudit => trail::search(admin, &ask).await,
        Op::VerifyAudit => trail::verified(admin).await,
    }
}

fn json(status: StatusCode, value: &serde_json::Value) -> Response<Body> {
    let mut response = axum::Json(value).into_response();
    *response.status_mut() = status;
    response
}
