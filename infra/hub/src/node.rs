//! What the admin API asks of the process around it.

use std::collections::BTreeSet;
use std::time::Duration;

use admin::Problem;
use admin::node::{Answer, Node, Place, Search};
use analytics::query::Query;
use clickhouse::Row;
use futures::FutureExt as _;
use http::Uri;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::explain::{self, Known};

/// Entries on a page, where nothing is said.
const PAGE: usize = 100;
/// The latest time that the tables know, microseconds since the epoch: the year 2262.
const LATEST: i64 = 9_000_000_000_000_000;
/// Longest time for ClickHouse's answer.
const TIME: Duration = Duration::from_secs(10);

impl Node for Known {
    fn explain<'a>(&'a self, asked: &'a Uri, within: Option<&'a BTreeSet<String>>) -> Answer<'a> {
        explain::answer(self, asked, within).boxed()
    }

    fn trail<'a>(&'a self, asked: &'a Search) -> Answer<'a> {
        async move {
            let warehouse = self.status.warehouse();
            let warehouse =
                warehouse.ok_or_else(|| Problem::away("this process has no ClickHouse"))?;
            let limit = asked.limit.unwrap_or(PAGE);
            // one more than is told, to know whether there are more
            let client = warehouse.client();
            let rows = entries(&client, asked, limit.saturating_add(1));
            let rows = tokio::time::timeout(TIME, rows).await;
            let late = || Problem::away("ClickHouse did not answer in time");
            let mut rows = rows.map_err(|_| late())?.map_err(|error| {
                tracing::debug!(%error, "no trail");
                Problem::away("the trail can't be had from ClickHouse")
            })?;
            let more = rows.len() > limit;
            rows.truncate(limit);
            let next = rows.last().filter(|_| more).map(|last| last.place().to_string());
            let items: Vec<Value> = rows.iter().map(Entry::told).collect();
            Ok(json!({"items": items, "next": next}))
        }
        .boxed()
    }
}

/// A row of `trail`.
#[derive(Row, Deserialize)]
struct Entry {
    at_us: i64,
    topic: String,
    log_offset: u64,
    action: String,
    entity: String,
    actor: String,
    address: String,
    request: String,
    allowed: bool,
    reason: String,
    before: String,
    after: String,
}

impl Entry {
    fn place(&self) -> Place {
        Place { at_us: self.at_us, topic: self.topic.clone(), offset: self.log_offset }
    }

    fn told(&self) -> Value {
        let some = |text: &String| (!text.is_empty()).then(|| text.clone());
        let part = |text: &String| serde_json::from_str::<Value>(text).unwrap_or(Value::Null);
        json!({
            "at_us": self.at_us,
            "topic": self.topic,
            "offset": self.log_offset,
            "action": self.action,
            "entity": self.entity,
            "actor": self.actor,
            "address": some(&self.address),
            "request": some(&self.request),
            "allowed": self.allowed,
            "reason": some(&self.reason),
            "before": part(&self.before),
            "after": part(&self.after),
        })
    }
}

async fn entries(
    client: &clickhouse::Client,
    asked: &Search,
    limit: usize,
) -> anyhow::Result<Vec<Entry>> {
    let Search { actor, action, entity, request, since_us, until_us, .. } = asked;
    let beyond = Place { at_us: LATEST, topic: String::new(), offset: 0 };
    let after = asked.after.as_ref().unwrap_or(&beyond);
    let since = since_us.unwrap_or(0).clamp(0, LATEST);
    let until = until_us.unwrap_or(LATEST).clamp(0, LATEST);
    let query = client.query_raw(Query::find("trail")?.sql);
    let query = query.param("actor", actor).param("action", action).param("entity", entity);
    let query = query.param("request", request).param("since_us", since).param("until_us", until);
    let query = query.param("after_us", after.at_us).param("after_topic", &after.topic);
    let query = query.param("after_offset", after.offset).param("limit", limit);
    Ok(query.fetch_all::<Entry>().await?)
}
