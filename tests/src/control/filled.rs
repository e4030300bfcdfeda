//! A hub with keys, providers and models, made through its API, and a long history in its log.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use runtime::clock::Clock;
use runtime::log::local::{LocalLog, Options};
use runtime::log::{Log as _, NewRecord, Outgoing, Span};
use schemas::event::Control;
use schemas::topics::Topic;
use schemas::wire::Codec;
use serde_json::{Map, Value, json};

use super::admin;
use crate::hub::Hub;

/// Partitions of a hub's log unless it is told otherwise.
const PARTITIONS: u32 = 4;
/// Keys made at a time.
const AT_ONCE: usize = 32;
/// Entities that one document brings.
const PART: usize = 250;
/// Events appended at a time.
const BATCH: usize = 5_000;

/// How much there is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Keys, in a hundred projects.
    pub keys: usize,
    /// Providers, each with a credential and a model of its own that falls back to the next.
    pub providers: usize,
    /// Control events in all.
    pub events: usize,
}

/// What was made.
#[derive(Clone, Debug)]
pub struct Filled {
    /// A key that may call.
    pub key: String,
    /// A model that an upstream at work serves.
    pub model: String,
}

/// Fills a running hub.
///
/// # Errors
/// The API refuses something.
pub fn fill(hub: &Hub, token: &str, upstream: SocketAddr, size: Size) -> anyhow::Result<Filled> {
    let projects: Map<String, Value> =
        (0..100).map(|n| (format!("project-{n}"), json!({"title": "of many"}))).collect();
    apply(hub, token, json!({"projects": projects}))?;
    for from in (0..size.providers).step_by(PART) {
        let part = from..(from + PART).min(size.providers);
        let (mut providers, mut credentials) = (Map::new(), Map::new());
        for n in part {
            let id = format!("provider-{n}");
            // a third has the whole price list of a vendor
            let vendor = if n.is_multiple_of(3) { "openai" } else { "vllm" };
            let spec = json!({"vendor": vendor, "base_url": format!("http://{upstream}/v1"), "models": [format!("own-{n}")], "allow_private": true});
            providers.insert(id.clone(), spec);
            let secret = format!("secret-of-{id}-0123456789");
            credentials.insert(
                format!("{id}.main"),
                json!({"provider": id, "name": "main", "secret": secret}),
            );
        }
        apply(hub, token, json!({"providers": providers, "credentials": credentials}))?;
    }
    for from in (0..size.providers).step_by(PART) {
        let part = from..(from + PART).min(size.providers);
        let models: Map<String, Value> = part
            .map(|n| {
                let next = format!("provider-{}", (n + 1) % size.providers);
                let targets = json!([{"provider": format!("provider-{n}")}, {"provider": next, "priority": 1}]);
                (format!("model-{n}"), json!({"targets": targets}))
            })
            .collect();
        apply(hub, token, json!({"models": models}))?;
    }
    let next = AtomicUsize::new(0);
    let made: anyhow::Result<Vec<String>> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..AT_ONCE).map(|_| scope.spawn(|| keys(hub, token, &next, size.keys))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_| anyhow::anyhow!("a thread died"))?)
            .collect()
    });
    let key = made?.into_iter().find(|key| !key.is_empty()).context("no key was made")?;
    Ok(Filled { key, model: format!("model-{}", size.providers / 2) })
}

fn apply(hub: &Hub, token: &str, config: Value) -> anyhow::Result<()> {
    let body = json!({"config": config});
    admin(hub, token, "POST", "config", &body).map(drop)
}

fn keys(hub: &Hub, token: &str, next: &AtomicUsize, count: usize) -> anyhow::Result<String> {
    let mut last = String::new();
    loop {
        let n = next.fetch_add(1, Ordering::Relaxed);
        if n >= count {
            return Ok(last);
        }
        let spec = json!({"title": "of many", "project": format!("project-{}", n % 100)});
        let made =
            admin(hub, token, "POST", "keys", &json!({"id": format!("key-{n}"), "spec": spec}))?;
        made["secret"].as_str().unwrap_or_default().clone_into(&mut last);
    }
}

/// Lengthens the history of a hub that does not run to so many events: edits of its keys, as if made over years.
///
/// # Errors
/// The log can't be read or written.
pub async fn history(hub: &Hub, events: usize) -> anyhow::Result<usize> {
    let file = hub.data().join("log/hub.sqlite");
    let log: Arc<LocalLog> = LocalLog::open(&file, Options::new(PARTITIONS, Clock::system()))?;
    let (codec, at) = (Codec::fixed(), Topic::Control.at(0));
    let mut newest: BTreeMap<Bytes, Control> = BTreeMap::new();
    let mut span = Span::whole(&*log, at).await?;
    let mut count = 0;
    while let Some(records) = span.page().await? {
        for record in records {
            count += 1;
            let control: Control = codec.decode(record.value.as_deref().unwrap_or_default())?;
            if control.kind == "key" && control.id.starts_with("key-") {
                newest.insert(record.key, control);
            }
        }
    }
    ensure!(!newest.is_empty(), "there are no keys");
    let mut keys = newest.iter().cycle();
    while count < events {
        let batch =
            keys.by_ref().take(BATCH.min(events - count)).enumerate().map(|(n, (key, control))| {
                let edit = Control {
                    command: Some(format!("edit/{}", count + n)),
                    expected_version: None,
                    reason: Some("an edit of long ago".into()),
                    ..control.clone()
                };
                let value = Some(Bytes::from(codec.to_vec(&edit)?));
                let record = NewRecord { key: key.clone(), value, headers: Vec::new() };
                Ok(Outgoing { to: at, record })
            });
        let batch: Vec<Outgoing> = batch.collect::<anyhow::Result<_>>()?;
        count += batch.len();
        log.append(batch).await?;
    }
    Ok(count)
}
