//! The straight line: the way of one call, from bytes in to bytes out.

use std::sync::Arc;

use http::Response;
use schemas::ids::CallId;

use crate::call::Call;
use crate::dialects::Dialect;
use crate::error::Error;
use crate::http::{Body, Request, error::response, read_body};
use crate::limits::Shown;
use crate::routing::{Plan, Wanted};
use crate::trace::Trace;
use crate::usage::Ticket;
use crate::{Gateway, admission, auth, routing, streaming, upstream};

/// Serves one call. Whatever happens after `admit`, exactly one usage event is settled: by the
/// attempt loop when no target answers, by the relayed body when it ends or is dropped.
pub async fn serve(gateway: &Arc<Gateway>, dialect: Dialect, request: Request) -> Response<Body> {
    let id = gateway.new_call();
    let mut shown = Shown::default();
    let mut answer = match straight_line(gateway, id, dialect, request, &mut shown).await {
        Ok(response) => response,
        Err(error) => response(dialect, &error, Some(id)),
    };
    shown.tell(dialect, answer.headers_mut());
    answer
}

async fn straight_line(
    gateway: &Arc<Gateway>,
    id: CallId,
    dialect: Dialect,
    request: Request,
    shown: &mut Shown,
) -> Result<Response<Body>, Error> {
    let admitted = admitted(gateway, id, dialect, request, shown).await;
    let refused = |error: &Error| gateway.metrics.gateway().refused(error.kind.code());
    let (call, plan, ticket) = admitted.inspect_err(refused)?;
    let exchange = upstream::attempt(&gateway.upstream, call, plan, ticket).await?;
    Ok(streaming::relay(exchange))
}

async fn admitted(
    gateway: &Arc<Gateway>,
    id: CallId,
    dialect: Dialect,
    request: Request,
    shown: &mut Shown,
) -> Result<(Call, Plan, Ticket), Error> {
    gateway.check_ready()?;
    let (head, body) = request.into_parts();
    let limits = &gateway.limits;

    let snapshot = gateway.snapshot.load_full();
    let claim = auth::claim(&head, &snapshot, gateway.clock.now())?;
    let takes = dialect.speech().takes();
    let bytes = read_body(&head.headers, takes, body, limits.body, limits.body_time).await?;
    let key = claim.prove(&bytes)?;
    let mut call = dialect.speech().parse(&head, bytes)?;
    call.id = id;
    call.trace = Trace::begin(&gateway.traces, id, &call, &head.headers);
    auth::authorize(&key, &call)?;
    let health = gateway.health.load();
    let (seen, now) = (gateway.local.view(), gateway.clock.now());
    let wanted = Wanted::of(&call, &key);
    let mut plan = routing::plan(&wanted, &snapshot, &health, &seen, now, id.seed())?;
    auth::narrow(&key, &mut plan)?;
    let ticket = admission::admit(gateway, id, &snapshot, &key, &mut call, &mut plan, shown)?;
    Ok((call, plan, ticket))
}
