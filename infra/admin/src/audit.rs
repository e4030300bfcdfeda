//! What of a request goes into the audit trail. Changes are control events, with who made them and
//! in which request; here is what leaves no event: refusals, exports, uses of secrets.

use std::net::IpAddr;

use axum::extract::MatchedPath;
use control::audit::{Entry, REFUSED};
use control::entity::Kind;
use control::validate::check_id;
use http::request::Parts;
use serde::Deserialize;
use serde_json::json;

use crate::Admin;
use crate::problem::Problem;
use crate::table::Op;

/// Who is not known.
pub(crate) const NOBODY: &str = "nobody";

/// A request as the trail names it. It holds nothing that a caller made up: what they send may be
/// a secret, put in the wrong place.
#[derive(Debug)]
pub(crate) struct Request {
    op: Op,
    call: String,
    entity: String,
    address: Option<IpAddr>,
    id: String,
}

impl Request {
    pub(crate) fn of(admin: &Admin, op: Op, id: Option<&str>, request: &str, head: &Parts) -> Self {
        let path = head.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
        Self {
            op,
            call: format!("{} {path}", head.method),
            entity: entity(admin, op, id),
            address: address(head),
            id: request.to_owned(),
        }
    }

    /// Records what must not happen unrecorded, before it is done. Whether a change came of it says
    /// the control event of the same request.
    pub(crate) async fn begin(
        &self,
        admin: &Admin,
        actor: &str,
        body: &[u8],
    ) -> Result<(), Problem> {
        let Some(action) = self.op.audited() else {
            return Ok(());
        };
        let named = match self.op {
            Op::Create(kind) => new_entity(kind, body),
            Op::SignOut | Op::SignOutEverywhere => Some(actor.replacen(':', "/", 1)),
            _ => None,
        };
        let entity = named.unwrap_or_else(|| self.entity.clone());
        let entry = Entry { allowed: true, entity, ..self.entry(action, actor) };
        admin.trail.record(entry).await.map_err(|error| {
            tracing::warn!(%error, "a call was not let through, for it can't be recorded");
            Problem::unrecorded(&error)
        })
    }

    /// Records a refusal, if the problem is one. A sign-in that fails is recorded where it is known why.
    pub(crate) fn refused(&self, admin: &Admin, actor: &str, problem: &Problem) {
        if self.op.action().is_some() && matches!(problem.status, 401 | 403) {
            let after = json!({"status": problem.status, "code": problem.code, "call": self.call});
            admin.trail.refuse(Entry { after: Some(after), ..self.entry(REFUSED, actor) });
        }
    }

    fn entry(&self, action: &'static str, actor: &str) -> Entry {
        Entry {
            action,
            entity: self.entity.clone(),
            actor: actor.to_owned(),
            address: self.address,
            request: Some(self.id.clone()),
            ..Entry::default()
        }
    }
}

/// The network address of who asks.
pub(crate) fn address(head: &Parts) -> Option<IpAddr> {
    Some(head.extensions.get::<gateway::http::Peer>()?.0.ip())
}

/// What a request is about: an entity by name if there is such a one, else its kind.
fn entity(admin: &Admin, op: Op, id: Option<&str>) -> String {
    let kind = match op {
        Op::List(kind)
        | Op::Get(kind)
        | Op::History(kind)
        | Op::Usage(kind)
        | Op::Create(kind)
        | Op::Replace(kind)
        | Op::Delete(kind) => kind,
        Op::RotateKey => Kind::Key,
        Op::CheckProvider => Kind::Provider,
        Op::SignIn
        | Op::UseLink
        | Op::SignOut
        | Op::SignOutEverywhere
        | Op::ChangePassword
        | Op::MakeLink
        | Op::EndSessions => Kind::User,
        Op::OpenApi | Op::WhoAmI => return "admin".into(),
        Op::Problems | Op::Export | Op::Apply => return "config".into(),
        Op::Rewrap => return "master_key".into(),
        Op::ExplainRoute => return "route".into(),
        Op::SearchAudit | Op::VerifyAudit => return "audit".into(),
    };
    match id.filter(|id| admin.plane.state().known(kind, id).is_some()) {
        Some(id) => format!("{kind}/{id}"),
        None => kind.to_string(),
    }
}

/// The entity that a body makes, unless its id may be a key that was put there.
fn new_entity(kind: Kind, body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        id: String,
    }
    let Named { id } = serde_json::from_slice(body).ok()?;
    let fits = check_id(kind, &id).is_ok() && !id.starts_with("hk_");
    fits.then(|| format!("{kind}/{id}"))
}
