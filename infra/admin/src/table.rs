//! The one table of routes: which there are, what each does, and which action that is.

use control::entity::Kind;
use control::role::Action;
use http::Method;

/// Kinds that people see, with the name of their collection.
pub const COLLECTIONS: [(Kind, &str); 14] = [
    (Kind::Organisation, "organisations"),
    (Kind::Project, "projects"),
    (Kind::Account, "accounts"),
    (Kind::User, "users"),
    (Kind::Binding, "bindings"),
    (Kind::Key, "keys"),
    (Kind::Provider, "providers"),
    (Kind::Credential, "credentials"),
    (Kind::Model, "models"),
    (Kind::Price, "prices"),
    (Kind::Limit, "limits"),
    (Kind::Budget, "budgets"),
    (Kind::Webhook, "webhooks"),
    (Kind::PriceBook, "price-books"),
];

/// What a route does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Op {
    /// The description of the API.
    OpenApi,
    /// Who asks.
    WhoAmI,
    /// Entities of a kind, by id.
    List(Kind),
    /// An entity.
    Get(Kind),
    /// Its changes.
    History(Kind),
    /// What is used of a limit or budget.
    Usage(Kind),
    /// A new entity.
    Create(Kind),
    /// An entity as it is to be.
    Replace(Kind),
    /// An entity less.
    Delete(Kind),
    /// A new secret for a key.
    RotateKey,
    /// Whether a provider's credentials work.
    CheckProvider,
    /// What is configured and can't be used.
    Problems,
    /// The whole configuration, secrets aside.
    Export,
    /// A whole configuration.
    Apply,
    /// All secrets wrapped by the current master key.
    Rewrap,
    /// A session, for a password.
    SignIn,
    /// A session and a password of one's own, for a sign-in link.
    UseLink,
    /// The own session less.
    SignOut,
    /// All own sessions less.
    SignOutEverywhere,
    /// Another password of one's own.
    ChangePassword,
    /// A sign-in link for a user.
    MakeLink,
    /// All sessions of a user less.
    EndSessions,
    /// Why a call would go where it goes.
    ExplainRoute,
    /// Who did what.
    SearchAudit,
    /// Whether the trail is as it was written.
    VerifyAudit,
}

impl Op {
    /// What a role must be allowed for it; `None` for what asks for no credential.
    pub const fn action(self) -> Option<Action> {
        Some(match self {
            Self::OpenApi | Self::SignIn | Self::UseLink => return None,
            Self::WhoAmI => Action::WhoAmI,
            Self::List(kind) | Self::Get(kind) | Self::History(kind) | Self::Usage(kind) => {
                Action::Read(kind)
            }
            Self::Create(kind) | Self::Replace(kind) | Self::Delete(kind) => Action::Write(kind),
            Self::RotateKey => Action::Write(Kind::Key),
            Self::CheckProvider => Action::CheckCredential,
            Self::Problems => Action::Read(Kind::Provider),
            Self::Export => Action::Export,
            Self::Apply => Action::Apply,
            Self::Rewrap => Action::RotateMaster,
            Self::SignOut | Self::SignOutEverywhere | Self::ChangePassword => Action::OwnAccount,
            Self::MakeLink | Self::EndSessions => Action::Write(Kind::User),
            Self::ExplainRoute => Action::ExplainRoute,
            Self::SearchAudit | Self::VerifyAudit => Action::ReadAudit,
        })
    }

    /// As what it is recorded in the audit trail before it is done: what shows or uses a secret, ends
    /// sessions, or takes the configuration out.
    pub const fn audited(self) -> Option<&'static str> {
        Some(match self {
            Self::Create(Kind::Key) | Self::RotateKey => "key.secret_shown",
            Self::CheckProvider => "credential.used",
            Self::Export => "config.exported",
            Self::Rewrap => "master_key.used",
            Self::MakeLink => "link.made",
            Self::SignOut | Self::SignOutEverywhere | Self::EndSessions => "signout",
            _ => return None,
        })
    }
}

/// A route.
#[derive(Clone, Debug)]
pub struct Route {
    /// Its method.
    pub method: Method,
    /// Its path; `{id}` stands for one segment.
    pub path: String,
    /// What it does.
    pub op: Op,
}

/// All routes.
pub fn routes() -> Vec<Route> {
    let route =
        |method: Method, path: &str, op| Route { method, path: format!("/admin/v1/{path}"), op };
    let mut all = vec![
        route(Method::GET, "openapi.json", Op::OpenApi),
        route(Method::GET, "whoami", Op::WhoAmI),
        route(Method::GET, "problems", Op::Problems),
        route(Method::GET, "config", Op::Export),
        route(Method::POST, "config", Op::Apply),
        route(Method::POST, "master-key/rewrap", Op::Rewrap),
        route(Method::POST, "session", Op::SignIn),
        route(Method::DELETE, "session", Op::SignOut),
        route(Method::POST, "session/link", Op::UseLink),
        route(Method::DELETE, "sessions", Op::SignOutEverywhere),
        route(Method::PUT, "password", Op::ChangePassword),
        route(Method::POST, "users/{id}/link", Op::MakeLink),
        route(Method::DELETE, "users/{id}/sessions", Op::EndSessions),
        route(Method::GET, "route/explain", Op::ExplainRoute),
        route(Method::GET, "audit", Op::SearchAudit),
        route(Method::GET, "audit/verify", Op::VerifyAudit),
        route(Method::POST, "keys/{id}/rotate", Op::RotateKey),
        route(Method::POST, "providers/{id}/check", Op::CheckProvider),
        route(Method::GET, "limits/{id}/usage", Op::Usage(Kind::Limit)),
        route(Method::GET, "budgets/{id}/usage", Op::Usage(Kind::Budget)),
    ];
    for (kind, name) in COLLECTIONS {
        all.push(route(Method::GET, name, Op::List(kind)));
        all.push(route(Method::GET, &format!("{name}/{{id}}"), Op::Get(kind)));
        all.push(route(Method::GET, &format!("{name}/{{id}}/history"), Op::History(kind)));
        if kind == Kind::PriceBook {
            continue;
        }
        all.push(route(Method::POST, name, Op::Create(kind)));
        all.push(route(Method::PUT, &format!("{name}/{{id}}"), Op::Replace(kind)));
        all.push(route(Method::DELETE, &format!("{name}/{{id}}"), Op::Delete(kind)));
    }
    all
}
