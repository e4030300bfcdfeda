//! The step between plan and upstream call: money, room, and the ticket.

use std::sync::Arc;

use schemas::event::Operation;
use schemas::ids::CallId;
use schemas::money::Nano;

use super::hold::{bounds, hold};
use crate::Gateway;
use crate::call::Call;
use crate::config::AccountKind;
use crate::control::{Key, Snapshot};
use crate::error::{Error, Kind};
use crate::gateway::Limits;
use crate::limits::{Bounds, Refused, Reserved, Shown};
use crate::routing::Plan;
use crate::usage::{Admission, Ticket};

/// Admits the call: it takes what it needs of its limits and budgets, a prepaid account holds the most
/// that it can cost, targets that would cost more than there is are left out of the plan, and the outbox
/// takes the `admitted` record. From here on the call is settled whatever happens. `shown`: what is left
/// of the rates that bound it.
///
/// # Errors
/// No price, a limit or budget without room, no credit, or no room in the outbox; nothing is then held
/// or written.
pub fn admit(
    gateway: &Gateway,
    id: CallId,
    snapshot: &Snapshot,
    key: &Key,
    call: &mut Call,
    plan: &mut Plan,
    shown: &mut Shown,
) -> Result<Ticket, Error> {
    let kind = snapshot.account_kind(&key.account);
    let model = call.model.clone();
    let bounded = (!snapshot.limits.is_empty())
        .then(|| gateway.bounded.bounds(&snapshot.limits, snapshot.caller(key, &model)));
    let bounds_cost = bounded.as_ref().is_some_and(Bounds::bounds_cost);
    let strict = match kind {
        AccountKind::Prepaid => Some("a prepaid account can't pay for what has none"),
        AccountKind::Metered if bounds_cost => {
            Some("what it costs is bounded, which can't be held for what has none")
        }
        AccountKind::Metered => None,
    };
    if strict.is_some() && call.max_output.is_none() {
        call.cap_output(gateway.limits.default_max_output);
    }
    let mut bounds = bounds(call, plan, snapshot, strict)?;
    let reserved = bounded.map(|bounded| {
        let reserved = reserve(&bounded, call, plan, &mut bounds, gateway.limits, shown);
        reserved.map_err(|refused| {
            let (limit, scope) = (refused.measure.as_str(), refused.scope.as_str());
            gateway.metrics.gateway().limited(limit, scope);
            refused.error
        })
    });
    let reserved = reserved.transpose()?;
    let hold = match kind {
        AccountKind::Metered => None,
        AccountKind::Prepaid => {
            let account = gateway.accounts.account(&key.account);
            Some(hold(&account, plan, &bounds).map_err(|short| {
                Error::new(Kind::NoCredit, format!("account {:?}: {short}", key.account.as_str()))
            })?)
        }
    };
    let admission = Admission {
        call: id,
        account: key.account.clone(),
        project: key.project.clone(),
        key: key.id.clone(),
        user: call.user.clone(),
        client: call.client.clone(),
        tags: std::mem::take(&mut call.tags),
        operation: call.operation,
        dialect: call.dialect.as_str(),
        streamed: call.stream,
        model: call.model.clone(),
        price_version: snapshot.price_version.clone(),
        input_estimate: call.estimate(),
    };
    let admitted = gateway.outbox.admit(admission, hold, Arc::clone(&snapshot.prices));
    let mut ticket = admitted.map_err(|full| {
        let mut error = Error::new(Kind::OutboxFull, full.to_string());
        error.retry_after = Some(std::time::Duration::from_secs(1));
        error
    })?;
    if let Some(reserved) = reserved {
        ticket.keep(reserved);
    }
    Ok(ticket)
}

/// Takes of the bounds of a call the most that it can be of: where it names no maximum of output, as
/// much as is usual.
fn reserve(
    bounded: &Bounds<'_>,
    call: &Call,
    plan: &mut Plan,
    costs: &mut Vec<Nano>,
    limits: Limits,
    shown: &mut Shown,
) -> Result<Reserved, Box<Refused>> {
    let narrowed = bounded.narrow(plan, costs);
    bounded.show(shown);
    narrowed?;
    let most = call.most();
    let chat = call.operation == Operation::Chat && call.max_output.is_none();
    let output = if chat { limits.default_max_output } else { most.output };
    let cost = costs.iter().max().copied().unwrap_or(Nano(0));
    let reserved = bounded.reserve(most.input.saturating_add(output), cost);
    bounded.show(shown);
    reserved
}
