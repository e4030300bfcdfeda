//! The audit trail: what leaves no control event is recorded, before it is done, and holds no
//! secret.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use control::audit::verify;
use http::Method;
use runtime::log::{
    Ends, Error, Latest, Log, LogId, Offset, Outgoing, Reader, Result, Span, Writer, WriterId,
};
use runtime::secret::leak::Leaks;
use schemas::event::Audit;
use schemas::topics::{Topic, TopicPartition};
use schemas::wire::Codec;
use serde_json::{Value, json};

use crate::rig::{MASTER, Node, log};
use crate::secrets::PLANTED;

/// What the trail holds, once what waits is sent: an export is recorded behind it.
async fn entries(node: &Node) -> Vec<Audit> {
    node.get("config").await.is(200);
    let mut span = Span::whole(&*node.log, Topic::Audit.at(0)).await.unwrap();
    let mut all = Vec::new();
    while let Some(records) = span.page().await.unwrap() {
        let values = records.into_iter().filter_map(|record| record.value);
        all.extend(values.map(|value| Codec::fixed().decode::<Audit>(&value).unwrap()));
    }
    // what the hub tells by itself, whenever it comes to it
    all.retain(|audit| audit.action != "control.seen");
    all
}

fn after(audit: &Audit) -> Value {
    audit.after.as_deref().map_or(Value::Null, |after| serde_json::from_slice(after).unwrap())
}

#[tokio::test]
async fn what_leaves_no_event_is_recorded_with_who_when_and_from_where() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), MASTER).await;
    let viewer = node.key("viewer", json!({"scopes": {"admin": "viewer"}})).await;
    node.post("keys/viewer/rotate", json!({})).await.is(200);
    node.post("providers", json!({"id": "openai", "spec": {}})).await.is(201);
    node.post("providers/openai/check", json!({})).await.is(200);
    node.post("master-key/rewrap", json!({})).await.is(200);
    node.ask(None, Method::GET, "keys", None, &[]).await.is(401);
    node.ask(Some("hk_owner_guessed"), Method::GET, "keys/viewer", None, &[]).await.is(401);
    node.ask(Some(&viewer), Method::DELETE, "keys/viewer", None, &[]).await.is(403);
    node.ask(Some(&viewer), Method::GET, "config", None, &[]).await.is(403);

    let all = entries(&node).await;
    let told: Vec<_> = all
        .iter()
        .map(|it| (it.action.as_str(), it.entity.as_str(), it.actor.as_str(), it.allowed))
        .collect();
    assert_eq!(
        told,
        [
            ("key.secret_shown", "key/viewer", "key:owner", true),
            ("key.secret_shown", "key/viewer", "key:owner", true),
            ("credential.used", "provider/openai", "key:owner", true),
            ("master_key.used", "master_key", "key:owner", true),
            ("admin.refused", "key", "nobody", false),
            ("admin.refused", "key/viewer", "nobody", false),
            ("admin.refused", "key/viewer", "key:viewer", false),
            ("admin.refused", "config", "key:viewer", false),
            ("config.exported", "config", "key:owner", true),
        ]
    );
    let call = "DELETE /admin/v1/keys/{id}";
    assert_eq!(after(&all[6]), json!({"status": 403, "code": "forbidden", "call": call}));
    for audit in &all {
        assert_eq!(audit.address.as_deref(), Some("198.51.100.7"));
        assert!(audit.request.is_some() && audit.at > 0, "{audit:?}");
    }
    let report = verify(&*node.log, &Codec::fixed()).await.unwrap();
    assert!(report.is_sound() && report.changes > 3, "{report:?}");
}

#[tokio::test]
async fn a_change_and_its_record_name_the_same_request() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), MASTER).await;
    node.key("app", json!({})).await;
    let audit = entries(&node).await.swap_remove(0);
    let history = node.get("keys/app/history").await.is(200);
    assert_eq!(history["items"][0]["request"].as_str(), audit.request.as_deref());
    assert_eq!(history["items"][0]["address"], "198.51.100.7");
}

#[tokio::test]
async fn a_flood_of_refusals_leaves_few_records_and_their_number() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), MASTER).await;
    for _ in 0..200 {
        node.ask(None, Method::GET, "keys", None, &[]).await.is(401);
    }
    let all = entries(&node).await;
    let refused = all.iter().filter(|it| it.action == "admin.refused").count();
    assert_eq!(refused, 10);
    let left_out = all.iter().filter(|it| it.action == "audit.left_out");
    assert_eq!(left_out.filter_map(|it| after(it)["refusals"].as_u64()).sum::<u64>(), 190);
}

#[tokio::test]
async fn no_planted_secret_is_in_any_record() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), MASTER).await;
    let [credential, signing, webhook, password] = PLANTED;
    node.post("providers", json!({"id": "openai", "spec": {}})).await.is(201);
    let of = json!({"provider": "openai", "name": "main", "secret": credential});
    node.post("credentials", json!({"id": "openai.main", "spec": of})).await.is(201);
    let aws = json!({"aws": {"access_key_id": "HUBKEY", "secret": signing}});
    let made = node.post("keys", json!({"id": "app", "spec": aws})).await.is(201);
    let minted = made["secret"].as_str().unwrap().to_owned();
    // put where it does not belong
    let viewer = node.key("viewer", json!({"scopes": {"admin": "viewer"}})).await;
    node.ask(Some(webhook), Method::GET, &format!("keys/{password}"), None, &[]).await.is(401);
    node.ask(Some(&viewer), Method::GET, &format!("keys/{minted}?q={password}"), None, &[]).await;
    node.ask(Some(&viewer), Method::DELETE, &format!("keys/{minted}"), None, &[]).await.is(403);
    node.post("keys", json!({"id": minted, "spec": {"nonsense": 1}})).await.is(422);
    node.post(&format!("keys/{minted}/rotate"), json!({"reason": password})).await.is(404);
    node.post("providers/openai/check", json!({})).await.is(200);

    let made_here = [&*minted, &*viewer, &*node.owner];
    let leaks = Leaks::of(PLANTED.into_iter().chain(made_here).map(|secret| ("planted", secret)));
    let all = entries(&node).await;
    assert!(all.len() > 6);
    for audit in &all {
        let parts = [audit.before.as_deref(), audit.after.as_deref()];
        let parts =
            parts.map(|part| String::from_utf8_lossy(part.unwrap_or_default()).into_owned());
        assert_eq!(leaks.within(format!("{audit:?} {parts:?}")), [""; 0], "{audit:?}");
    }
}

/// A log whose audit topic can be taken away.
#[derive(Debug)]
struct Mute {
    log: Arc<dyn Log>,
    muted: AtomicBool,
}

#[async_trait]
impl Log for Mute {
    fn partitions(&self, topic: Topic) -> u32 {
        self.log.partitions(topic)
    }

    fn id(&self, topic: Topic) -> LogId {
        self.log.id(topic)
    }

    async fn append(&self, records: Vec<Outgoing>) -> Result<Vec<Offset>> {
        let audit = records.iter().any(|record| record.to.topic == Topic::Audit);
        if audit && self.muted.load(Ordering::SeqCst) {
            return Err(Error::Unavailable("taken away".into()));
        }
        self.log.append(records).await
    }

    async fn ends(&self, at: TopicPartition) -> Result<Ends> {
        self.log.ends(at).await
    }

    async fn reader(&self, at: TopicPartition, from: Offset) -> Result<Box<dyn Reader>> {
        self.log.reader(at, from).await
    }

    async fn latest(&self, at: TopicPartition) -> Result<Latest> {
        self.log.latest(at).await
    }

    async fn writer(&self, id: WriterId) -> Result<Box<dyn Writer>> {
        self.log.writer(id).await
    }
}

#[tokio::test]
async fn what_can_not_be_recorded_is_not_done() {
    let folder = tempfile::tempdir().unwrap();
    let mute = Arc::new(Mute { log: log(folder.path()), muted: false.into() });
    let node = Node::on(Arc::clone(&mute) as Arc<dyn Log>, folder.path(), MASTER).await;
    node.key("app", json!({})).await;
    mute.muted.store(true, Ordering::SeqCst);
    let version = |told: &Value| told["version"].clone();
    let before = version(&node.get("keys/app").await.is(200));
    for (method, path, body) in [
        (Method::GET, "config", None),
        (Method::POST, "keys", Some(json!({"id": "other", "spec": {}}))),
        (Method::POST, "keys/app/rotate", Some(json!({}))),
        (Method::POST, "master-key/rewrap", Some(json!({}))),
    ] {
        let told = node.ask(Some(&node.owner), method, path, body.as_ref(), &[]).await.is(503);
        assert_eq!(told["code"], "audit_unavailable", "{path}: {told}");
        assert!(told.get("secret").is_none() && told.get("config").is_none(), "{told}");
    }
    assert_eq!(version(&node.get("keys/app").await.is(200)), before);
    node.get("keys/other").await.is(404);
    // refusals and what needs no record go on
    node.ask(None, Method::GET, "keys", None, &[]).await.is(401);
    node.post("projects", json!({"id": "p", "spec": {}})).await.is(201);
    mute.muted.store(false, Ordering::SeqCst);
    let tried = entries(&node).await;
    let count = tried.iter().filter(|it| it.action != "audit.closed").count();
    assert_eq!(count, 7, "what was tried meanwhile is recorded now: {tried:?}");
    assert!(verify(&*node.log, &Codec::fixed()).await.unwrap().is_sound());
}
