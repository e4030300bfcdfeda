//! Who may do what.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Held;
use crate::role::Role;

/// Who runs the hub.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Organisation {
    /// For people.
    #[serde(default)]
    pub title: String,
}

/// What keys belong to; its members see its calls.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Project {
    /// For people.
    #[serde(default)]
    pub title: String,
    /// Who pays for its calls, where a key says nothing else; `default` when not given.
    #[serde(default)]
    pub account: Option<String>,
    /// Its keys are refused.
    #[serde(default)]
    pub disabled: bool,
}

/// A person. The id is what they sign in with.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct User {
    /// For people.
    #[serde(default)]
    pub title: String,
    /// Their address, by which a sign-in with an identity provider finds them.
    #[serde(default)]
    pub email: Option<String>,
    /// Argon2id, in PHC's string format. Given as a password, kept and told as a hash only.
    #[serde(default)]
    pub password: Option<String>,
    /// Sessions that began at an earlier version of the user are over: of two nodes with different
    /// clocks, the log says what came first.
    #[serde(default)]
    pub sessions_from: i64,
    /// Sessions that were ended, as long as they could still be shown.
    #[serde(default)]
    pub ended: Vec<Ended>,
    /// A sign-in link that was given out and is not used.
    #[serde(default)]
    pub link: Option<Link>,
    /// May not sign in.
    #[serde(default)]
    pub disabled: bool,
}

/// A session that is over before its time.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Ended {
    /// Its id.
    pub session: String,
    /// When it would be over anyway; microseconds since the epoch.
    pub until: i64,
}

/// What lets a person choose a password, once.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Link {
    /// The keyed hash of the link's secret, 64 hex digits.
    pub hash: String,
    /// Not taken from then on; microseconds since the epoch.
    pub until: i64,
}

/// A role of a person, everywhere or in one project.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Binding {
    /// Whose.
    pub user: String,
    /// Which.
    pub role: Role,
    /// Only in this project.
    #[serde(default)]
    pub project: Option<String>,
}

/// An API key. Its secret is known to its owner alone.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Key {
    /// For people.
    #[serde(default)]
    pub title: String,
    /// The keyed hash of the key, 64 hex digits.
    #[serde(default)]
    pub hash: String,
    /// Hashes that a rotation left behind.
    #[serde(default)]
    pub previous: Vec<Previous>,
    /// What it belongs to; `default` when not given.
    #[serde(default)]
    pub project: Option<String>,
    /// Who pays; the project's account when not given.
    #[serde(default)]
    pub account: Option<String>,
    /// On whose behalf it acts: it is not taken where they are disabled, and in the admin API does
    /// no more than they may.
    #[serde(default)]
    pub user: Option<String>,
    /// What it may be used for.
    #[serde(default)]
    pub scopes: Scopes,
    /// Not taken from then on; microseconds since the epoch.
    #[serde(default)]
    pub expires_at: Option<i64>,
    /// Networks that it is taken from, such as `10.0.0.0/8`; all when empty.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// Regions of providers that its calls must not leave; any when empty.
    #[serde(default)]
    pub regions: Vec<String>,
    /// Origins of pages whose scripts may call with it, such as `https://app.example.com`, or `*`.
    #[serde(default)]
    pub origins: Vec<String>,
    /// Lets Bedrock's clients sign requests.
    #[serde(default)]
    pub aws: Option<Aws>,
    /// Not taken.
    #[serde(default)]
    pub disabled: bool,
}

/// What a rotation left behind.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Previous {
    /// The keyed hash of the key before.
    pub hash: String,
    /// Taken until then; microseconds since the epoch.
    pub until: i64,
}

/// What a key may be used for; an empty list stands for all. A trailing `*` stands for any ending.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Scopes {
    /// Dialects, such as `openai.chat` or `openai.*`.
    #[serde(default)]
    pub dialects: Vec<String>,
    /// Models, as callers name them.
    #[serde(default)]
    pub models: Vec<String>,
    /// Providers.
    #[serde(default)]
    pub providers: Vec<String>,
    /// May call the admin API in this role; never when not given.
    #[serde(default)]
    pub admin: Option<Role>,
}

/// What signs requests (SigV4).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Aws {
    /// Its public name: letters and digits.
    pub access_key_id: String,
    /// What signs.
    pub secret: Held,
}
