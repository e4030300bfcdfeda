//! Who asks, and how far they may go.

use std::collections::BTreeSet;

use axum::body::Body;
use control::compile::DEFAULT;
use control::entity::{self, Kind};
use control::role::{Reach, Role, reach};
use http::request::Parts;
use http::{Response, StatusCode};
use serde_json::json;

use crate::problem::Problem;
use crate::table::Op;
use crate::{Admin, json};

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// As audit names them, such as `key:owner`.
    pub(crate) actor: String,
    /// The key that was shown.
    pub(crate) key: String,
    /// Roles, each everywhere or in a project.
    pub(crate) grants: Vec<(Role, Option<String>)>,
}

/// Where somebody may do something.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Where {
    /// Everywhere.
    Everywhere,
    /// In these projects.
    Projects(BTreeSet<String>),
}

impl Where {
    /// Whether an entity of this project is within it; what is of no project is within everywhere
    /// alone.
    pub(crate) fn holds(&self, project: Option<&str>) -> bool {
        match self {
            Self::Everywhere => true,
            Self::Projects(own) => project.is_some_and(|project| own.contains(project)),
        }
    }
}

impl Caller {
    /// The holder of the key that a request shows, if it may call this API.
    pub(crate) fn of(admin: &Admin, head: &Parts) -> Result<Self, Problem> {
        let snapshot = admin.plane.current().seen().load_full();
        let key = gateway::auth::authenticate(head, &snapshot, admin.clock.now())
            .map_err(|error| Problem::unauthenticated(&error.message))?;
        let state = admin.plane.state();
        let body = state.get(Kind::Key, key.id.as_str()).and_then(|entity| entity.body.as_ref());
        let Some(entity::Body::Key(body)) = body else {
            return Err(Problem::unauthenticated("the key is not known any more"));
        };
        let Some(role) = body.scopes.admin else {
            let why = "this key calls models alone: its scopes name no role for the admin API";
            return Err(Problem::forbidden(why.into()));
        };
        let grants = vec![(role, body.project.clone())];
        Ok(Self { actor: format!("key:{}", key.id), key: key.id.to_string(), grants })
    }

    /// How far the caller may do this.
    pub(crate) fn reach(&self, op: Op) -> Result<Where, Problem> {
        let Some(action) = op.action() else {
            return Ok(Where::Everywhere);
        };
        let mut projects = BTreeSet::new();
        for (role, project) in &self.grants {
            match (reach(*role, action), project) {
                (Reach::Nowhere, _) => {}
                (_, None) => return Ok(Where::Everywhere),
                (_, Some(project)) => {
                    projects.insert(project.clone());
                }
            }
        }
        // what is of no project is for those whose role is bound to none
        let per_project = matches!(
            op,
            Op::WhoAmI
                | Op::List(Kind::Key | Kind::Project)
                | Op::Get(Kind::Key | Kind::Project)
                | Op::History(Kind::Key | Kind::Project)
                | Op::Create(Kind::Key)
                | Op::Replace(Kind::Key)
                | Op::Delete(Kind::Key)
                | Op::RotateKey
                | Op::ExplainRoute
        );
        if projects.is_empty() || !per_project {
            let roles: Vec<&str> = self.grants.iter().map(|(role, _)| role.as_str()).collect();
            let bound = if projects.is_empty() { "" } else { " bound to a project" };
            return Err(Problem::forbidden(format!(
                "not for the role {}{bound}",
                roles.join(", ")
            )));
        }
        Ok(Where::Projects(projects))
    }

    /// The mightiest role that is bound to no project.
    pub(crate) fn role(&self) -> Option<Role> {
        let unbound = self.grants.iter().filter(|(_, project)| project.is_none());
        unbound.map(|(role, _)| *role).min()
    }

    pub(crate) fn describe(&self) -> Result<Response<Body>, Problem> {
        let grants: Vec<_> = self
            .grants
            .iter()
            .map(|(role, project)| json!({"role": role, "project": project}))
            .collect();
        let told = json!({"actor": self.actor, "key": self.key, "grants": grants});
        Ok(json(StatusCode::OK, &told))
    }
}

/// The project of an entity, if its kind has one.
pub(crate) fn project_of<'a>(id: &'a str, body: &'a entity::Body) -> Option<&'a str> {
    match body {
        entity::Body::Project(_) => Some(id),
        entity::Body::Key(key) => Some(key.project.as_deref().unwrap_or(DEFAULT)),
        _ => None,
    }
}
