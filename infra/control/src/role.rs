//! Who may do what: the one table of roles and actions. What is not in it is refused.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::entity::Kind;

/// What a person, or a key of the admin API, is.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything, owners among it.
    Owner,
    /// Everything but owners and the hub's own secrets.
    Admin,
    /// What serves calls.
    Operator,
    /// Money.
    Finance,
    /// Keys of own projects.
    Developer,
    /// Looks.
    Viewer,
}

impl Role {
    /// All roles, the mightiest first.
    pub const ALL: [Self; 6] =
        [Self::Owner, Self::Admin, Self::Operator, Self::Finance, Self::Developer, Self::Viewer];

    /// As events spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Operator => "operator",
            Self::Finance => "finance",
            Self::Developer => "developer",
            Self::Viewer => "viewer",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(())
    }
}

/// What can be done.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Action {
    /// See entities of a kind.
    Read(Kind),
    /// Create, change or delete entities of a kind.
    Write(Kind),
    /// Ask a provider whether a credential works.
    CheckCredential,
    /// See how a call would be routed.
    ExplainRoute,
    /// See who did what.
    ReadAudit,
    /// Take the whole configuration out, secrets aside.
    Export,
    /// Put a whole configuration in.
    Apply,
    /// Wrap secrets by a new master key.
    RotateMaster,
    /// Who am I.
    WhoAmI,
    /// End own sessions, and change the own password.
    OwnAccount,
}

/// Every action there is.
pub fn actions() -> impl Iterator<Item = Action> {
    let kinds = Kind::ALL.into_iter();
    let entities = kinds.flat_map(|kind| [Action::Read(kind), Action::Write(kind)]);
    entities.chain([
        Action::CheckCredential,
        Action::ExplainRoute,
        Action::ReadAudit,
        Action::Export,
        Action::Apply,
        Action::RotateMaster,
        Action::WhoAmI,
        Action::OwnAccount,
    ])
}

/// How far a role may do something.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Reach {
    /// Not at all.
    Nowhere,
    /// In the projects that it is bound to.
    OwnProjects,
    /// Everywhere.
    Everywhere,
}

/// How far `role` may do `action`. A role that is bound to a project alone reaches no further than
/// that project.
pub fn reach(role: Role, action: Action) -> Reach {
    use Action::*;
    use Reach::*;
    use Role::*;
    match (role, action) {
        (_, WhoAmI | OwnAccount) => Everywhere,
        // never by hand
        (_, Write(Kind::PriceBook | Kind::Secret) | Read(Kind::Secret)) => Nowhere,
        (Owner, _) => Everywhere,
        (_, RotateMaster) => Nowhere,
        (Admin, _) => Everywhere,
        (
            Operator,
            Read(_)
            | CheckCredential
            | ExplainRoute
            | Write(Kind::Provider | Kind::Credential | Kind::Model | Kind::Limit | Kind::Webhook),
        ) => Everywhere,
        (
            Finance,
            Read(
                Kind::Organisation
                | Kind::Project
                | Kind::Account
                | Kind::Key
                | Kind::Model
                | Kind::Provider
                | Kind::Price
                | Kind::Limit
                | Kind::Budget
                | Kind::PriceBook
                | Kind::Webhook,
            )
            | Write(Kind::Account | Kind::Price | Kind::Budget)
            | ReadAudit,
        ) => Everywhere,
        (
            Developer,
            Read(Kind::Key | Kind::Project | Kind::Budget | Kind::Limit) | Write(Kind::Key),
        ) => OwnProjects,
        (Developer, Read(Kind::Model | Kind::Price | Kind::PriceBook) | ExplainRoute) => Everywhere,
        (
            Viewer,
            Read(
                Kind::Organisation
                | Kind::Project
                | Kind::Account
                | Kind::Provider
                | Kind::Model
                | Kind::Price
                | Kind::Limit
                | Kind::Budget
                | Kind::PriceBook
                | Kind::Key,
            ),
        ) => Everywhere,
        (Operator | Finance | Developer | Viewer, _) => Nowhere,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_can_do_all_that_any_role_can_and_nobody_reads_the_hubs_secrets() {
        for action in actions() {
            for role in Role::ALL {
                assert!(reach(Role::Owner, action) >= reach(role, action), "{role} {action:?}");
                assert!(
                    role == Role::Owner || reach(Role::Admin, action) >= reach(role, action),
                    "{role} {action:?}"
                );
            }
        }
        assert!(
            Role::ALL.iter().all(|role| reach(*role, Action::Read(Kind::Secret)) == Reach::Nowhere)
        );
    }

    /// What is documented: a row for each thing that can be done.
    fn table() -> String {
        let mut rows = vec![
            "# Roles\n".to_owned(),
            "What each role may do. A role that is bound to a project may do so with the keys of that project, and sees the".into(),
            "project; it sees and changes nothing else. `infra/control/src/role.rs` is this table; a test holds the two".into(),
            "against each other, and prints what is to stand here.\n".into(),
        ];
        let names = Role::ALL.map(Role::as_str).join(" | ");
        rows.push(format!("| | {names} |"));
        rows.push("| --- | --- | --- | --- | --- | --- | --- |".into());
        for action in actions() {
            let what = match action {
                Action::Read(kind) => format!("see `{kind}`"),
                Action::Write(kind) => format!("change `{kind}`"),
                Action::CheckCredential => "ask providers whether credentials work".into(),
                Action::ExplainRoute => "see how a call would be routed".into(),
                Action::ReadAudit => "see who did what".into(),
                Action::Export => "take the whole configuration out".into(),
                Action::Apply => "put a whole configuration in".into(),
                Action::RotateMaster => "wrap secrets by a new master key".into(),
                Action::WhoAmI => "see who they are".into(),
                Action::OwnAccount => "end own sessions, change the own password".into(),
            };
            let cells = Role::ALL.map(|role| match reach(role, action) {
                Reach::Nowhere => " ",
                Reach::OwnProjects | Reach::Everywhere => " ● ",
            });
            rows.push(format!("| {what} |{}|", cells.join("|")));
        }
        rows.join("\n") + "\n"
    }

    #[test]
    fn what_is_documented_is_what_is_checked() {
        let table = table();
        assert!(include_str!("../ROLES.md") == table, "infra/control/ROLES.md is to be:\n{table}");
    }

    #[test]
    fn a_viewer_changes_nothing() {
        let writes = Kind::ALL.map(Action::Write);
        assert!(writes.iter().all(|write| reach(Role::Viewer, *write) == Reach::Nowhere));
    }
}
