//! What can be configured: the kinds of entities and their bodies.
//!
//! A body is JSON. It is read strictly where a command brings it, and leniently where the log
//! does: a field that this version does not know is left alone there, so that old and new nodes
//! live side by side.

mod access;
mod limits;
mod money;
mod serving;

use std::fmt;
use std::str::FromStr;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

pub use access::{Aws, Binding, Ended, Key, Link, Organisation, Previous, Project, Scopes, User};
pub use limits::{Budget, Event, Limit, Period, Scope, ScopeKind, Webhook};
pub use money::{Account, AccountKind, Price, Tier};
pub use serving::{Credential, Held, MaxPrice, Model, Provider, Strategy, TargetOf};

use crate::vault::Sealed;

/// A kind of entity.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Who runs the hub.
    Organisation,
    /// What keys belong to.
    Project,
    /// Who pays.
    Account,
    /// A person.
    User,
    /// What a person may do.
    Binding,
    /// An API key.
    Key,
    /// An endpoint of a vendor.
    Provider,
    /// What is shown to a provider.
    Credential,
    /// A name that callers use, and what serves it.
    Model,
    /// What a model costs.
    Price,
    /// Rates that are bounded.
    Limit,
    /// Money that is bounded.
    Budget,
    /// Who is told.
    Webhook,
    /// A version of the price book, named by its content.
    PriceBook,
    /// A secret of the hub's own, sealed.
    Secret,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 15] = [
        Self::Organisation,
        Self::Project,
        Self::Account,
        Self::User,
        Self::Binding,
        Self::Key,
        Self::Provider,
        Self::Credential,
        Self::Model,
        Self::Price,
        Self::Limit,
        Self::Budget,
        Self::Webhook,
        Self::PriceBook,
        Self::Secret,
    ];

    /// As events spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Organisation => "organisation",
            Self::Project => "project",
            Self::Account => "account",
            Self::User => "user",
            Self::Binding => "binding",
            Self::Key => "key",
            Self::Provider => "provider",
            Self::Credential => "credential",
            Self::Model => "model",
            Self::Price => "price",
            Self::Limit => "limit",
            Self::Budget => "budget",
            Self::Webhook => "webhook",
            Self::PriceBook => "price_book",
            Self::Secret => "secret",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(())
    }
}

/// What a body is not.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{field}: {why}")]
pub struct Misfit {
    /// The field, as a path; empty for the body itself.
    pub field: String,
    /// What is wrong with it, and what would be right.
    pub why: String,
}

impl Misfit {
    /// A field is wrong.
    pub fn new(field: impl Into<String>, why: impl Into<String>) -> Self {
        Self { field: field.into(), why: why.into() }
    }
}

macro_rules! bodies {
    ($($kind:ident($body:ty)),* $(,)?) => {
        /// What an entity says.
        #[derive(Clone, PartialEq, Debug)]
        pub enum Body {
            $(#[doc = concat!("Of a ", stringify!($kind), ".")] $kind(Box<$body>),)*
            /// A version of the price book; what it says is read by who prices.
            PriceBook,
            /// What this version of the hub can't read.
            Unknown,
        }

        impl Body {
            /// Reads what the log holds: what can't be read is [`Body::Unknown`].
            pub fn from_log(kind: Kind, bytes: &[u8]) -> Self {
                let read = match kind {
                    $(Kind::$kind => serde_json::from_slice(bytes).map(|body| Self::$kind(Box::new(body))),)*
                    Kind::PriceBook => return Self::PriceBook,
                };
                read.unwrap_or(Self::Unknown)
            }

            /// Reads what a command brings: a field that is not known is refused by name.
            ///
            /// # Errors
            /// Names the field.
            pub fn from_command(kind: Kind, value: &Value) -> Result<Self, Misfit> {
                match kind {
                    $(Kind::$kind => strict::<$body>(value).map(|body| Self::$kind(Box::new(body))),)*
                    Kind::PriceBook => Err(Misfit::new("kind", "price books are made by the hub")),
                }
            }

            /// As JSON, whole.
            ///
            /// # Errors
            /// None for the bodies there are.
            pub fn to_json(&self) -> Result<Value, serde_json::Error> {
                match self {
                    $(Self::$kind(body) => serde_json::to_value(body),)*
                    Self::PriceBook | Self::Unknown => Ok(Value::Null),
                }
            }
        }
    };
}
bodies! {
    Organisation(Organisation),
    Project(Project),
    Account(Account),
    User(User),
    Binding(Binding),
    Key(Key),
    Provider(Provider),
    Credential(Credential),
    Model(Model),
    Price(Price),
    Limit(Limit),
    Budget(Budget),
    Webhook(Webhook),
    Secret(Sealed),
}

/// Reads a body of which every field is known.
fn strict<T: DeserializeOwned + Serialize>(value: &Value) -> Result<T, Misfit> {
    if !value.is_object() {
        return Err(Misfit::new("", "a JSON object is wanted"));
    }
    let body: T = serde_path_to_error::deserialize(value).map_err(|error| {
        let field = error.path().to_string();
        let field = if field == "." { String::new() } else { field };
        Misfit::new(field, error.inner().to_string())
    })?;
    let whole = serde_json::to_value(&body).map_err(|error| Misfit::new("", error.to_string()))?;
    match unknown(value, &whole, "") {
        Some(misfit) => Err(misfit),
        None => Ok(body),
    }
}

/// The first field of `given` that `known`, which has all fields, has not.
fn unknown(given: &Value, known: &Value, at: &str) -> Option<Misfit> {
    match (given, known) {
        (Value::Object(given), Value::Object(known)) => given.iter().find_map(|(name, value)| {
            let path = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
            match known.get(name) {
                Some(inner) => unknown(value, inner, &path),
                None => {
                    let names: Vec<&str> = known.keys().map(String::as_str).collect();
                    Some(Misfit::new(path, format!("is not known; there are {}", names.join(", "))))
                }
            }
        }),
        (Value::Array(given), Value::Array(known)) => {
            let mut pairs = given.iter().zip(known).enumerate();
            pairs.find_map(|(index, (given, known))| {
                unknown(given, known, &format!("{at}[{index}]"))
            })
        }
        _ => None,
    }
}

const fn one() -> u32 {
    1
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_command_names_the_field_that_is_not_known() {
        for (body, field) in [
            (json!({"vendro": "openai"}), "vendro"),
            (json!({"weight": "much"}), "weight"),
            (json!([]), ""),
            (json!({"models": ["a", 1]}), "models[1]"),
        ] {
            let misfit = Body::from_command(Kind::Provider, &body).unwrap_err();
            assert_eq!(misfit.field, field, "{misfit}");
        }
        let key = json!({"scopes": {"modles": []}});
        let misfit = Body::from_command(Kind::Key, &key).unwrap_err();
        assert_eq!(misfit.field, "scopes.modles");
    }

    #[test]
    fn the_log_may_say_what_this_version_does_not_know() {
        let body = Body::from_log(Kind::Provider, br#"{"weight": 3, "of_tomorrow": true}"#);
        assert!(matches!(body, Body::Provider(provider) if provider.weight == 3));
        assert_eq!(Body::from_log(Kind::Provider, b"{"), Body::Unknown);
    }

    #[test]
    fn kinds_are_told_and_read_alike() {
        for kind in Kind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), json!(kind.as_str()));
        }
    }
}
