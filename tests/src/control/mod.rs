//! What a large control plane costs: a history of a million events over 10,000 keys and 1,000 providers,
//! and how soon a change on one gateway is so on another.

mod filled;
mod report;
mod spread;

use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::hub::{Hub, ask};

pub use filled::{Filled, Size, fill, history};
pub use report::{Measured, Starts, markdown};
pub use spread::{Spread, spread};

/// Durations in order.
#[derive(Clone, Debug, Default)]
pub struct Times(Vec<Duration>);

impl Times {
    /// Of these.
    pub fn of(mut all: Vec<Duration>) -> Self {
        all.sort_unstable();
        Self(all)
    }

    /// The one that so many percent are not above.
    pub fn percentile(&self, percent: usize) -> Duration {
        let at = (self.0.len() * percent).div_ceil(100).saturating_sub(1);
        self.0.get(at).copied().unwrap_or_default()
    }
}

/// The owner's token of a hub.
///
/// # Errors
/// It has none.
pub fn owner(hub: &Hub) -> anyhow::Result<String> {
    let path = hub.data().join("secrets/owner-token");
    let token = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    Ok(token.trim().to_owned())
}

/// Asks the admin API of a hub for what must work.
///
/// # Errors
/// It does not.
pub fn admin(
    hub: &Hub,
    key: &str,
    method: &str,
    path: &str,
    body: &Value,
) -> anyhow::Result<Value> {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let (status, answer) = ask(hub.admin, method, &format!("/admin/v1/{path}"), Some(key), &body)?;
    ensure!((200..300).contains(&status), "{method} {path}: {status} {answer}");
    Ok(serde_json::from_str(&answer).unwrap_or_default())
}
