//! The step between plan and upstream call: money, room, and the ticket.

use std::sync::Arc;

use schemas::ids::CallId;

use super::hold::{bounds, hold};
use crate::Gateway;
use crate::call::Call;
use crate::config::AccountKind;
use crate::control::{Key, Snapshot};
use crate::error::{Error, Kind};
use crate::routing::Plan;
use crate::usage::{Admission, Ticket};

/// Admits the call: a prepaid account holds the most that it can cost at the targets that it can pay
/// for, the others are left out of the plan, and the outbox takes the
/// `admitted` record. From here on the call is settled whatever happens.
///
/// # Errors
/// No price, no credit, or no room in the outbox; nothing is then held or written.
pub fn admit(
    gateway: &Gateway,
    id: CallId,
    snapshot: &Snapshot,
    key: &Key,
    call: &mut Call,
    plan: &mut Plan,
) -> Result<Ticket, Error> {
    let kind = snapshot.account_kind(&key.account);
    if kind == AccountKind::Prepaid && call.max_output.is_none() {
        call.cap_output(gateway.limits.default_max_output);
    }
    let bounds = bounds(call, plan, snapshot, kind)?;
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
    gateway.outbox.admit(admission, hold, Arc::clone(&snapshot.prices)).map_err(|full| {
        let mut error = Error::new(Kind::OutboxFull, full.to_string());
        error.retry_after = Some(std::time::Duration::from_secs(1));
        error
    })
}
