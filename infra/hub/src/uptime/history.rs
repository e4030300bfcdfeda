//! Uptime and latency by hour, from ClickHouse, asked for no more often than it changes.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use analytics::query::Query;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How far back.
pub(super) const HOURS: u32 = 24;
/// So long an answer serves, and so long a failure is not tried again.
const KEPT: Duration = Duration::from_secs(30);
/// A page does not wait longer for its history.
const PATIENCE: Duration = Duration::from_secs(5);

/// One hour of a provider or a model.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Hour {
    /// `provider` or `model`.
    pub(super) kind: String,
    /// Its name.
    pub(super) name: String,
    /// Start, seconds since the epoch.
    pub(super) at: i64,
    /// Attempts that went well.
    pub(super) good: u32,
    /// Attempts that failed through no fault of the caller's or the credential's.
    pub(super) bad: u32,
    /// Time to the first content.
    pub(super) first_p50_ms: u32,
    /// Time to the first content.
    pub(super) first_p95_ms: u32,
}

#[derive(Debug, Default)]
pub(super) struct History {
    client: OnceLock<clickhouse::Client>,
    known: Mutex<Option<(Instant, Known)>>,
}

type Known = Option<Arc<Vec<Hour>>>;

impl History {
    pub(super) fn comes_from(&self, client: clickhouse::Client) {
        drop(self.client.set(client));
    }

    /// `None` where there is no ClickHouse, or it does not answer.
    pub(super) async fn hours(&self) -> Known {
        let client = self.client.get()?;
        let mut known = self.known.lock().await;
        if let Some((_, hours)) = known.as_ref().filter(|(at, _)| at.elapsed() < KEPT) {
            return hours.clone();
        }
        let hours = match tokio::time::timeout(PATIENCE, ask(client)).await {
            Ok(Ok(hours)) => Some(Arc::new(hours)),
            Ok(Err(error)) => {
                tracing::debug!(%error, "no history of uptime");
                None
            }
            Err(_) => None,
        };
        *known = Some((Instant::now(), hours.clone()));
        hours
    }
}

async fn ask(client: &clickhouse::Client) -> anyhow::Result<Vec<Hour>> {
    let parameters = BTreeMap::from([("hours".to_owned(), HOURS.to_string())]);
    let answer = Query::find("uptime")?.run(client, &parameters, "JSONEachRow").await?;
    let rows = answer.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let hours: Result<Vec<Hour>, _> = rows.map(serde_json::from_slice).collect();
    Ok(hours?)
}
