//! Layered configuration: defaults, then one TOML file, then `HUB_` variables.
//!
//! A setting is a field of a plain struct; nothing else is written down about it. [`load`] walks
//! the type with a probing deserializer ([`Field`] lists what it finds) and so knows every field,
//! also one that is `None` by default, and the variable that sets it:
//!
//! | field | variable |
//! | --- | --- |
//! | `listen` | `HUB_LISTEN` |
//! | `clickhouse.listen` | `HUB_CLICKHOUSE_LISTEN` |
//! | `log.kafka.brokers` (a list) | `HUB_LOG_KAFKA_BROKERS`, separated by commas |
//!
//! Tables and lists of tables can be set in the file only. An empty variable unsets an optional
//! field. What is not known is an error that names the nearest field that is.
//!
//! What the walk can't see through: `#[serde(flatten)]`, and enums that carry data. Their content
//! is left to serde (say `deny_unknown_fields` there) and has no variables.

mod error;
mod layers;
mod probe;
mod shape;
#[cfg(test)]
mod tests;
mod units;

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use error::{Error, Hint, Place};
pub use units::{Bytes, Time, UnitError};

use layers::Layers;
use shape::Node;

/// Every variable that sets a field begins so.
pub const PREFIX: &str = "HUB_";

/// The environment of the process. Read it once, in `main`, and pass it on.
///
/// Bytes that are not UTF-8 become `U+FFFD`.
pub fn environment() -> Vec<(String, String)> {
    let text = |part: std::ffi::OsString| part.to_string_lossy().into_owned();
    #[expect(clippy::disallowed_methods, reason = "the one place that reads it")]
    std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect()
}

/// A setting as the type describes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Field {
    /// Its path, such as `clickhouse.listen`.
    pub path: String,
    /// The variable that sets it; `None` where only the file can.
    pub variable: Option<String>,
    /// What it takes, in words.
    pub expects: String,
}

/// All settings of `T`, in the order of their declaration.
pub fn fields<T: DeserializeOwned>() -> Vec<Field> {
    let root = probe::shape_of::<T>();
    let mut leaves = Vec::new();
    root.leaves("", &mut leaves);
    let field = |(path, node): (String, &Node)| Field {
        variable: node.settable().then(|| layers::variable(&path)),
        expects: node.wanted(),
        path,
    };
    leaves.into_iter().map(field).collect()
}

/// Settings of `T`: its default, overridden by `file`, overridden by the variables in `env`.
///
/// `ignored` names variables with the prefix that are not settings, such as the one that names
/// the file; a `*` at the end stands for any rest (Kubernetes sets `HUB_PORT_8787_TCP` and its
/// like in every pod beside a service named `hub`).
///
/// # Errors
/// All of [`Error`]; several at once as [`Error::Several`].
pub fn load<T: DeserializeOwned + Serialize + Default>(
    file: Option<&Path>,
    env: impl IntoIterator<Item = (String, String)>,
    ignored: &[&str],
) -> Result<T, Error> {
    let text = match file {
        Some(path) => Some((
            path,
            std::fs::read_to_string(path)
                .map_err(|source| Error::Read { path: path.to_path_buf(), source })?,
        )),
        None => None,
    };
    let root = probe::shape_of::<T>();
    let mut layers = Layers::new(&root, &T::default())?;
    if let Some((path, text)) = &text {
        layers.file(path, text)?;
    }
    layers.environment(env, ignored);
    layers.finish()
}
