//! Who asks, and how far they may go.

use std::collections::BTreeSet;

use axum::body::Body;
use control::compile::DEFAULT;
use control::entity::{self, Kind};
use control::role::{Action, Reach, Role, reach};
use control::state::State;
use gateway::error::Kind::MissingKey;
use http::request::Parts;
use http::{Response, StatusCode};
use serde_json::{Value, json};

use crate::audit::NOBODY;
use crate::problem::Problem;
use crate::session::Session;
use crate::table::Op;
use crate::{Admin, json};

/// A role, everywhere or in a project.
type Grant = (Role, Option<String>);

/// Who asks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Caller {
    /// As audit names them, such as `key:owner` or `user:ada`.
    pub(crate) actor: String,
    /// The key that was shown.
    pub(crate) key: Option<String>,
    /// Who signed in, or on whose behalf the key acts.
    pub(crate) user: Option<String>,
    /// How they signed in, if they did.
    pub(crate) session: Option<Session>,
    grants: Vec<Grant>,
    /// What the user may for whom a key acts: the key may no more.
    bound: Option<Vec<Grant>>,
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
    /// Where these grants let somebody do this; in no project where they do not.
    fn of(grants: &[Grant], action: Action) -> Self {
        let mut projects = BTreeSet::new();
        for (role, project) in grants {
            match (reach(*role, action), project) {
                (Reach::Nowhere, _) => {}
                (_, None) => return Self::Everywhere,
                (_, Some(project)) => {
                    projects.insert(project.clone());
                }
            }
        }
        Self::Projects(projects)
    }

    /// Where both are.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Everywhere, one) | (one, Self::Everywhere) => one,
            (Self::Projects(one), Self::Projects(other)) => Self::Projects(&one & &other),
        }
    }

    fn is_nowhere(&self) -> bool {
        matches!(self, Self::Projects(projects) if projects.is_empty())
    }

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
    /// Who is not known, and may do what anybody may.
    pub(crate) fn nobody() -> Self {
        Self { actor: NOBODY.into(), ..Self::default() }
    }

    /// The holder of the key that a request shows, if it may call this API; where it shows none, who
    /// signed in.
    pub(crate) fn of(admin: &Admin, head: &Parts) -> Result<Self, Problem> {
        let snapshot = admin.plane.current().seen().load_full();
        match gateway::auth::authenticate(head, &snapshot, admin.clock.now()) {
            Ok(key) => Self::of_key(admin, key.id.as_str()),
            Err(error) if error.kind == MissingKey => match Session::of(admin, head)? {
                Some(session) => Ok(Self::of_session(admin, session)),
                None => Err(Problem::unauthenticated(&error.message)),
            },
            Err(error) => Err(Problem::unauthenticated(&error.message)),
        }
    }

    fn of_key(admin: &Admin, id: &str) -> Result<Self, Problem> {
        let state = admin.plane.state();
        let body = state.get(Kind::Key, id).and_then(|entity| entity.body.as_ref());
        let Some(entity::Body::Key(body)) = body else {
            return Err(Problem::unauthenticated("the key is not known any more"));
        };
        let Some(role) = body.scopes.admin else {
            let why = "this key calls models alone: its scopes name no role for the admin API";
            return Err(Problem::forbidden(why.into()));
        };
        Ok(Self {
            actor: format!("key:{id}"),
            key: Some(id.to_owned()),
            user: body.user.clone(),
            session: None,
            grants: vec![(role, body.project.clone())],
            bound: body.user.as_deref().map(|user| grants(&state, user)),
        })
    }

    pub(crate) fn of_session(admin: &Admin, session: Session) -> Self {
        let user = session.user.clone();
        let grants = grants(&admin.plane.state(), &user);
        let (actor, user) = (format!("user:{user}"), Some(user));
        Self { actor, user, session: Some(session), grants, ..Self::default() }
    }

    fn span(&self, action: Action) -> Where {
        let own = Where::of(&self.grants, action);
        match &self.bound {
            Some(bound) => own.and(Where::of(bound, action)),
            None => own,
        }
    }

    /// How far the caller may do this.
    pub(crate) fn reach(&self, op: Op) -> Result<Where, Problem> {
        let Some(action) = op.action() else {
            return Ok(Where::Everywhere);
        };
        match (action, &self.session) {
            // also for who has no role yet
            (Action::WhoAmI, _) | (Action::OwnAccount, Some(_)) => return Ok(Where::Everywhere),
            (Action::OwnAccount, None) => {
                let why =
                    "this is about the session and the password of who signed in: a key has none";
                return Err(Problem::forbidden(why.into()));
            }
            _ => {}
        }
        let span = self.span(action);
        // what is of no project is for those whose role is bound to none
        let per_project = matches!(
            op,
            Op::List(Kind::Key | Kind::Project | Kind::Limit | Kind::Budget)
                | Op::Get(Kind::Key | Kind::Project | Kind::Limit | Kind::Budget)
                | Op::History(Kind::Key | Kind::Project | Kind::Limit | Kind::Budget)
                | Op::Usage(_)
                | Op::Create(Kind::Key)
                | Op::Replace(Kind::Key)
                | Op::Delete(Kind::Key)
                | Op::RotateKey
                | Op::ExplainRoute
        );
        if span == Where::Everywhere || per_project && !span.is_nowhere() {
            return Ok(span);
        }
        if self.grants.is_empty() {
            let why = "no role is bound to this user: an owner or admin can bind one";
            return Err(Problem::forbidden(why.into()));
        }
        let roles: Vec<&str> = self.grants.iter().map(|(role, _)| role.as_str()).collect();
        let bound = if span.is_nowhere() { "" } else { " bound to a project" };
        let mut why = format!("not for the role {}{bound}", roles.join(", "));
        if self.bound.is_some() {
            why.push_str(", with what the key's user may");
        }
        Err(Problem::forbidden(why))
    }

    /// The mightiest role that is bound to no project.
    pub(crate) fn role(&self) -> Option<Role> {
        let mightiest = |grants: &[Grant]| {
            let unbound = grants.iter().filter(|(_, project)| project.is_none());
            unbound.map(|(role, _)| *role).min()
        };
        let own = mightiest(&self.grants)?;
        match &self.bound {
            Some(bound) => Some(mightiest(bound)?.max(own)),
            None => Some(own),
        }
    }

    pub(crate) fn describe(&self, admin: &Admin) -> Result<Response<Body>, Problem> {
        let session = self.session.as_ref().map(|it| it.describe(admin)).transpose()?;
        let told = json!({
            "actor": self.actor,
            "key": self.key,
            "user": self.user,
            "grants": shown(&self.grants),
            "session": session,
        });
        Ok(json(StatusCode::OK, &told))
    }
}

fn shown(grants: &[Grant]) -> Vec<Value> {
    grants.iter().map(|(role, project)| json!({"role": role, "project": project})).collect()
}

/// What a user may.
fn grants(state: &State, user: &str) -> Vec<Grant> {
    let own = state.bodies(Kind::Binding).filter_map(|(_, body)| match body {
        entity::Body::Binding(it) if it.user == user => Some((it.role, it.project.clone())),
        _ => None,
    });
    own.collect()
}

/// The mightiest role that a user has, wherever.
pub(crate) fn might(state: &State, user: &str) -> Option<Role> {
    grants(state, user).into_iter().map(|(role, _)| role).min()
}

/// The project of an entity, if its kind has one.
pub(crate) fn project_of<'a>(id: &'a str, body: &'a entity::Body) -> Option<&'a str> {
    match body {
        entity::Body::Project(_) => Some(id),
        entity::Body::Key(key) => Some(key.project.as_deref().unwrap_or(DEFAULT)),
        entity::Body::Limit(limit) => of_scope(&limit.scope),
        entity::Body::Budget(budget) => of_scope(&budget.scope),
        _ => None,
    }
}

fn of_scope(scope: &entity::Scope) -> Option<&str> {
    scope.id.as_deref().filter(|_| scope.kind == entity::ScopeKind::Project)
}
