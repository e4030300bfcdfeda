//! Secrets: sealed on their way in, never told again.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use runtime::clock::Micros;
use runtime::log::Span;
use runtime::secret::leak::Leaks;
use schemas::event::Control;
use schemas::topics::Topic;
use schemas::wire::Codec;
use serde_json::json;

use crate::rig::{MASTER, Node, log, plane};

pub(crate) const PLANTED: [&str; 4] = [
    "planted-credential-0123456789",
    "planted-signing-secret-0123456789",
    "planted-webhook-secret-0123456789",
    "planted-password-0123456789",
];

#[tokio::test]
async fn planted_secrets_are_in_no_event_and_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), MASTER).await;
    let [credential, signing, webhook, password] = PLANTED;
    node.post("providers", json!({"id": "openai", "spec": {}})).await.is(201);
    let of = json!({"provider": "openai", "name": "main", "secret": credential});
    let mut told =
        vec![node.post("credentials", json!({"id": "openai.main", "spec": of})).await.is(201)];
    let aws = json!({"aws": {"access_key_id": "HUBKEY", "secret": signing}});
    let made = node.post("keys", json!({"id": "app", "spec": aws})).await.is(201);
    let minted = made["secret"].as_str().unwrap().to_owned();
    let hook = json!({"url": "https://example.com", "secret": webhook});
    told.push(node.post("webhooks", json!({"id": "w", "spec": hook})).await.is(201));
    told.push(node.post("users", json!({"id": "u", "spec": {"password": password}})).await.is(201));
    for path in [
        "config",
        "credentials",
        "keys",
        "keys/app",
        "webhooks",
        "users",
        "keys/app/history",
        "credentials/openai.main/history",
        "users/u/history",
        "problems",
        "openapi.json",
    ] {
        told.push(node.get(path).await.is(200));
    }
    assert_eq!(told[0]["spec"]["secret"], json!({"tail": "6789"}));

    let planted = PLANTED.map(|secret| ("planted", secret));
    let made_here = [("minted", &*minted), ("owner", &*node.owner)];
    let leaks = Leaks::of(planted.into_iter().chain(made_here));
    for answer in &told {
        assert_eq!(leaks.within(answer.to_string()), [""; 0]);
    }
    // what a panic could print
    let (plane, seen) = (&node.plane, node.plane.current());
    assert_eq!(leaks.within(format!("{plane:?} {:?}", seen.seen().load_full())), [""; 0]);
    let mut span = Span::whole(&*node.log, Topic::Control.at(0)).await.unwrap();
    let mut events = 0;
    while let Some(records) = span.page().await.unwrap() {
        for record in records {
            let event: Control = Codec::fixed().decode(&record.value.unwrap()).unwrap();
            let text = format!("{event:?} {}", String::from_utf8_lossy(&event.body));
            assert_eq!(leaks.within(&text), [""; 0]);
            events += 1;
        }
    }
    assert!(events > 8);
    // the same check finds what is there
    assert_eq!(leaks.within(made.to_string()), ["minted (as it is)"]);
    let encoded = format!("x{}y", STANDARD.encode(credential));
    assert_eq!(leaks.within(encoded), ["planted (base64)"]);

    // and they are used: sealed is not lost
    let snapshot = node.plane.current().seen().load_full();
    assert_eq!(snapshot.signing["HUBKEY"].secret.expose(), signing);
    assert!(node.knows(&minted));
    assert_eq!(snapshot.providers[&"openai".into()].len(), 1);
}

#[tokio::test]
async fn a_reference_to_a_nodes_own_is_not_taken_from_outside() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), MASTER).await;
    node.post("providers", json!({"id": "openai", "spec": {}})).await.is(201);
    for secret in ["env:HUB_MASTER_KEY", "file:/etc/shadow"] {
        let of = json!({"provider": "openai", "name": "main", "secret": secret});
        let told = node.post("credentials", json!({"id": "openai.main", "spec": of})).await.is(422);
        assert_eq!(told["field"], "spec.secret", "{told}");
    }
}

#[tokio::test]
async fn another_master_key_is_told_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let other = STANDARD.encode([7; 32]);
    {
        let node = Node::start(folder.path(), MASTER).await;
        node.post("projects", json!({"id": "p", "spec": {}})).await.is(201);
    }
    let log = log(folder.path());
    let ends = log.ends(Topic::Control.at(0)).await.unwrap();
    let wrong = plane(&log, None, &other).await;
    let token = folder.path().join("owner-token");
    let error =
        control::bootstrap::bootstrap(&wrong, &token, Micros(0)).await.unwrap_err().to_string();
    assert!(
        error.contains("nothing was changed") && error.contains("give this node that key"),
        "{error}"
    );
    assert_eq!(log.ends(Topic::Control.at(0)).await.unwrap(), ends, "nothing was written");
    let node = Node::on(log, folder.path(), MASTER).await;
    node.get("projects/p").await.is(200);
}

#[tokio::test]
async fn a_new_master_key_takes_over_while_keys_and_secrets_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let credential = json!({"provider": "openai", "name": "main", "secret": PLANTED[0]});
    let key = {
        let node = Node::start(folder.path(), MASTER).await;
        node.post("providers", json!({"id": "openai", "spec": {}})).await.is(201);
        node.post("credentials", json!({"id": "openai.main", "spec": credential})).await.is(201);
        node.key("app", json!({})).await
    };
    let new = STANDARD.encode([7; 32]);
    {
        let node = Node::start(folder.path(), &format!("{new}\n{MASTER}")).await;
        assert!(node.knows(&key));
        let done = node.post("master-key/rewrap", json!({})).await.is(200);
        assert_eq!(
            (done["wrapped"].as_i64(), done["failed"].as_array().map(Vec::len)),
            (Some(3), Some(0)),
            "{done}"
        );
        assert!(node.knows(&key));
    }
    // the old one is not needed any more
    let node = Node::start(folder.path(), &new).await;
    assert!(node.knows(&key));
    assert_eq!(node.get("problems").await.is(200)["items"], json!([]));
    assert_eq!(node.plane.current().seen().load().providers[&"openai".into()].len(), 1);
}
