//! How people come in: by password, by a one-time link; how often they may try; and what is told of it.

use std::time::Duration;

use control::audit::verify;
use http::{Method, Request};
use runtime::log::Span;
use runtime::secret::leak::Leaks;
use schemas::event::{Audit, Control};
use schemas::topics::Topic;
use schemas::wire::Codec;
use serde_json::{Value, json};

use crate::browser::{Browser, COOKIE, HOST, set};
use crate::rig::{MASTER, Node};

const PASSWORD: &str = "correct horse battery staple";

async fn node(folder: &std::path::Path) -> Node {
    let node = Node::start(folder, MASTER).await;
    let spec = json!({"id": "ada", "spec": {"password": PASSWORD}});
    node.post("users", spec).await.is(201);
    node
}

/// A try from an address.
async fn tried(node: &Node, address: &str, user: &str, password: &str) -> crate::rig::Answer {
    let mut browser = Browser { peer: format!("{address}:1"), ..Browser::default() };
    browser.sign_in(node, user, password).await
}

#[tokio::test]
async fn who_is_not_let_in_is_not_told_why() {
    let folder = tempfile::tempdir().unwrap();
    let node = node(folder.path()).await;
    node.post("users", json!({"id": "oidc-alone", "spec": {}})).await.is(201);
    let off = json!({"password": PASSWORD, "disabled": true});
    node.post("users", json!({"id": "off", "spec": off})).await.is(201);
    let mut told = Vec::new();
    for (user, password) in [
        ("ada", "another password"),
        ("ada", ""),
        ("bob", PASSWORD),
        ("no such / id", PASSWORD),
        ("", ""),
        ("oidc-alone", ""),
        ("oidc-alone", PASSWORD),
        ("off", PASSWORD),
        ("owner", PASSWORD),
    ] {
        let mut browser = Browser::default();
        let answer = browser.sign_in(&node, user, password).await;
        node.clock.advance(Duration::from_secs(60));
        assert_eq!((answer.status, browser.cookie), (401, None), "{user}");
        told.push(answer.text);
    }
    told.dedup();
    assert_eq!(told.len(), 1, "{told:?}");
    let long = "x".repeat(20_000);
    Browser::default().sign_in(&node, "ada", &long).await.is(413);
    Browser::of(&node, "ada", PASSWORD).await;
}

#[tokio::test]
async fn tries_are_few_for_a_source_and_for_a_user() {
    let folder = tempfile::tempdir().unwrap();
    let node = node(folder.path()).await;
    node.post("users", json!({"id": "bob", "spec": {"password": PASSWORD}})).await.is(201);
    for _ in 0..10 {
        tried(&node, "192.0.2.1", "nobody-here", "a guess").await.is(401);
    }
    let answer = tried(&node, "192.0.2.1", "bob", PASSWORD).await;
    assert_eq!(answer.headers["retry-after"], "7");
    assert_eq!(answer.is(429)["code"], "too_many_tries");
    // another source may, and what went well is not counted
    for _ in 0..30 {
        tried(&node, "192.0.2.2", "bob", PASSWORD).await.is(200);
    }
    node.clock.advance(Duration::from_secs(6));
    tried(&node, "192.0.2.1", "bob", PASSWORD).await.is(200);

    // from many sources at one user
    for at in 0..20 {
        tried(&node, &format!("198.51.100.{at}"), "ada", "a guess").await.is(401);
    }
    tried(&node, "203.0.113.1", "ada", PASSWORD).await.is(429);
    tried(&node, "203.0.113.1", "bob", PASSWORD).await.is(200);
    node.clock.advance(Duration::from_secs(5));
    tried(&node, "203.0.113.1", "ada", PASSWORD).await.is(200);
}

#[tokio::test]
async fn a_person_changes_their_password_and_their_other_sessions_are_over() {
    let folder = tempfile::tempdir().unwrap();
    let node = node(folder.path()).await;
    let mut ada = Browser::of(&node, "ada", PASSWORD).await;
    let mut elsewhere = Browser::of(&node, "ada", PASSWORD).await;
    let put = async |browser: &mut Browser, old: &str, new: &str| {
        let body = json!({"old": old, "new": new});
        browser.ask(&node, Method::PUT, "password", Some(body)).await
    };
    assert_eq!(put(&mut ada, "a guess", "a new password").await.is(422)["field"], "old");
    assert_eq!(put(&mut ada, PASSWORD, "short").await.is(422)["field"], "new");
    elsewhere.get(&node, "whoami").await.is(200);
    put(&mut ada, PASSWORD, "a new password").await.is(200);
    ada.get(&node, "whoami").await.is(200);
    elsewhere.get(&node, "whoami").await.is(401);
    Browser::default().sign_in(&node, "ada", PASSWORD).await.is(401);
    Browser::of(&node, "ada", "a new password").await;
    // a session that somebody took is no way to try passwords
    for _ in 0..10 {
        put(&mut ada, "a guess", "another new password").await;
    }
    put(&mut ada, "a new password", "another new password").await.is(429);
    // a key has no password
    let body = json!({"old": "x", "new": "another new password"});
    node.ask(Some(&node.owner), Method::PUT, "password", Some(&body), &[]).await.is(403);
}

async fn used(node: &Node, browser: &mut Browser, link: &str, password: &str) -> u16 {
    let body = json!({"link": link, "password": password});
    browser.ask(node, Method::POST, "session/link", Some(body)).await.status
}

/// What stands behind `#link=` of a link that the API made.
fn shown(made: &Value) -> String {
    let (page, link) = made["link"].as_str().unwrap().split_once("#link=").unwrap();
    assert_eq!(page, "/signin");
    link.to_owned()
}

#[tokio::test]
async fn the_owners_first_link_lets_the_owner_in_once() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), MASTER).await;
    let link = node.link.clone().unwrap();
    assert!(link.starts_with("owner."));
    let mut owner = Browser::default();
    assert_eq!(used(&node, &mut owner, &link, "short").await, 422, "and the link is not used up");
    assert_eq!(used(&node, &mut owner, &link, PASSWORD).await, 200);
    let told = owner.get(&node, "whoami").await.is(200);
    assert_eq!(told["grants"], json!([{"role": "owner", "project": null}]));
    assert_eq!(used(&node, &mut Browser::default(), &link, PASSWORD).await, 401);
    Browser::of(&node, "owner", PASSWORD).await;
    // a later start makes none
    drop(node);
    let node = Node::start(folder.path(), MASTER).await;
    assert_eq!(node.link, None);
    Browser::of(&node, "owner", PASSWORD).await;
    // and who has the data at hand makes another, also for an owner who was put out
    let token = folder.path().join("owner-token");
    let boss = json!({"id": "boss", "spec": {}});
    node.post("users", boss).await.is(201);
    let bind = json!({"id": "boss", "spec": {"user": "boss", "role": "owner"}});
    node.post("bindings", bind).await.is(201);
    let off = json!({"spec": {"password": "set", "disabled": true}});
    node.put("users/owner", off).await.is(200);
    node.get("whoami").await.is(401);
    let now = node.clock.now();
    let link = control::bootstrap::restore_owner(&node.plane, &token, now).await.unwrap();
    assert_eq!(used(&node, &mut Browser::default(), link.expose(), PASSWORD).await, 200);
    let owner = std::fs::read_to_string(token).unwrap();
    node.ask(Some(owner.trim()), Method::GET, "keys", None, &[]).await.is(200);
    node.ask(Some(&node.owner), Method::GET, "keys", None, &[]).await.is(401);
}

#[tokio::test]
async fn a_link_is_taken_once_for_an_hour_and_of_two_who_use_it_one_is_let_in() {
    let folder = tempfile::tempdir().unwrap();
    let node = node(folder.path()).await;
    let made = async || shown(&node.post("users/ada/link", Value::Null).await.is(201));
    let mut old = Browser::of(&node, "ada", PASSWORD).await;
    let (first, second) = (made().await, made().await);
    assert_eq!(used(&node, &mut Browser::default(), &first, PASSWORD).await, 401, "replaced");
    for wrong in ["", "ada.", "ada.x", "bob.x", second.split_at(1).1, &format!("{second}x")] {
        assert_eq!(used(&node, &mut Browser::default(), wrong, PASSWORD).await, 401, "{wrong}");
    }
    node.clock.advance(Duration::from_secs(60));
    let body = |password: &str| Some(json!({"link": second, "password": password}));
    let (mut one, mut other) = (Browser::default(), Browser::default());
    let (one, other) = futures::join!(
        one.ask(&node, Method::POST, "session/link", body("the first password")),
        other.ask(&node, Method::POST, "session/link", body("the other password")),
    );
    let mut both = [one.status, other.status];
    both.sort_unstable();
    assert_eq!(both, [200, 401]);
    old.get(&node, "whoami").await.is(401);
    let right = if one.status == 200 { "the first password" } else { "the other password" };
    Browser::of(&node, "ada", right).await;

    let late = made().await;
    node.clock.advance(Duration::from_secs(60 * 60));
    assert_eq!(used(&node, &mut Browser::default(), &late, PASSWORD).await, 401);
    let off = made().await;
    node.put("users/ada", json!({"spec": {"password": "set", "disabled": true}})).await.is(200);
    assert_eq!(used(&node, &mut Browser::default(), &off, PASSWORD).await, 401);
}

#[tokio::test]
async fn a_mightier_user_is_not_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let node = node(folder.path()).await;
    let bind = json!({"id": "ada", "spec": {"user": "ada", "role": "admin"}});
    node.post("bindings", bind).await.is(201);
    let mut ada = Browser::of(&node, "ada", PASSWORD).await;
    let own = json!({"user": "ada", "role": "owner"});
    let take = json!({"password": "a taken password"});
    let email = json!({"password": "set", "email": "ada@example.com"});
    for (method, path, body) in [
        (Method::PUT, "users/owner", json!({"spec": take})),
        (Method::PUT, "users/owner", json!({"spec": email})),
        (Method::POST, "users/owner/link", Value::Null),
        (Method::DELETE, "users/owner/sessions", Value::Null),
        (Method::DELETE, "bindings/owner", Value::Null),
        (Method::POST, "bindings", json!({"id": "x", "spec": own})),
        (Method::POST, "config", json!({"config": {"bindings": {"x": own}}})),
        (Method::POST, "config", json!({"config": {"bindings": {"owner": own}}})),
        (Method::POST, "config", json!({"config": {"users": {"owner": take}}})),
        (Method::POST, "config", json!({"config": {"users": {"ada": {}}}, "prune": true})),
        (
            Method::POST,
            "config",
            json!({"config": {"keys": {"k": {"scopes": {"admin": "owner"}}}}}),
        ),
    ] {
        let answer = ada.ask(&node, method.clone(), path, Some(body.clone())).await;
        assert_eq!(answer.status, 403, "{method} {path} {body}: {}", answer.body);
    }
    // what is hers to give, she gives, by whatever way
    let viewer = json!({"user": "ada", "role": "viewer"});
    let document = json!({"config": {"bindings": {"x": viewer}}});
    ada.ask(&node, Method::POST, "config", Some(document)).await.is(200);
}

#[tokio::test]
async fn a_key_does_no_more_than_the_user_for_whom_it_acts() {
    let folder = tempfile::tempdir().unwrap();
    let node = node(folder.path()).await;
    node.post("projects", json!({"id": "team", "spec": {}})).await.is(201);
    let key = node.key("adas", json!({"user": "ada", "scopes": {"admin": "admin"}})).await;
    let status = async |path: &str| node.ask(Some(&key), Method::GET, path, None, &[]).await.status;
    assert_eq!((status("whoami").await, status("keys").await), (200, 403));
    let bind =
        |role: &str, project: Value| json!({"user": "ada", "role": role, "project": project});
    let bound = json!({"id": "ada", "spec": bind("developer", json!("team"))});
    node.post("bindings", bound).await.is(201);
    assert_eq!((status("keys").await, status("keys/owner").await), (200, 404));
    node.put("bindings/ada", json!({"spec": bind("viewer", Value::Null)})).await.is(200);
    assert_eq!((status("keys/owner").await, status("users").await), (200, 403));
    let body = json!({"id": "p", "spec": {}});
    assert_eq!(node.ask(Some(&key), Method::POST, "projects", Some(&body), &[]).await.status, 403);
    node.put("bindings/ada", json!({"spec": bind("owner", Value::Null)})).await.is(200);
    assert_eq!(status("users").await, 200);
    // nor gives more than both have
    let body = json!({"id": "k", "spec": {"scopes": {"admin": "owner"}}});
    assert_eq!(node.ask(Some(&key), Method::POST, "keys", Some(&body), &[]).await.status, 403);
    node.put("users/ada", json!({"spec": {"password": "set", "disabled": true}})).await.is(200);
    assert_eq!(status("whoami").await, 401);
}

#[tokio::test]
async fn addresses_of_people_are_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let node = node(folder.path()).await;
    let with = |email: &str| json!({"id": "bob", "spec": {"email": email}});
    for wrong in ["", "bob", "@example.com", "bob@", "bob @example.com", "bob@example.com\n"] {
        let told = node.post("users", with(wrong)).await.is(422);
        assert_eq!(told["field"], "spec.email", "{told}");
    }
    node.post("users", with("Bob@Example.com")).await.is(201);
    let taken = json!({"spec": {"email": "bob@example.COM", "password": "set"}});
    node.put("users/ada", taken).await.is(422);
}

#[tokio::test]
async fn every_sign_in_is_recorded_and_no_secret_is() {
    let folder = tempfile::tempdir().unwrap();
    let node = node(folder.path()).await;
    let link = shown(&node.post("users/ada/link", Value::Null).await.is(201));
    tried(&node, "192.0.2.9", "ada", "a guessed password").await.is(401);
    tried(&node, "192.0.2.9", "typed-secret-as-user", "x").await.is(401);
    let mut ada = Browser::default();
    assert_eq!(used(&node, &mut ada, &link, "a chosen password").await, 200);
    let body = json!({"old": "a chosen password", "new": "a changed password"});
    ada.ask(&node, Method::PUT, "password", Some(body)).await.is(200);
    let cookie = ada.cookie.clone().unwrap();
    ada.sign_out(&node).await.is(204);
    let mut ada = Browser::of(&node, "ada", "a changed password").await;
    let csrf = ada.csrf.replace("x".into()).unwrap();
    ada.sign_out(&node).await.is(403);
    node.get("config").await.is(200);

    let mut told = Vec::new();
    let mut text = String::new();
    let mut span = Span::whole(&*node.log, Topic::Audit.at(0)).await.unwrap();
    while let Some(records) = span.page().await.unwrap() {
        for record in records {
            let audit: Audit = Codec::fixed().decode(&record.value.unwrap()).unwrap();
            let after = String::from_utf8_lossy(audit.after.as_deref().unwrap_or_default());
            text.push_str(&format!("{audit:?} {after}\n"));
            if audit.action != "control.seen" {
                assert!(audit.address.is_some() && audit.request.is_some(), "{audit:?}");
                told.push((audit.action, audit.entity, audit.actor, audit.allowed));
            }
        }
    }
    let told: Vec<_> = told
        .iter()
        .map(|(a, b, c, allowed)| (a.as_str(), b.as_str(), c.as_str(), *allowed))
        .collect();
    assert_eq!(
        told,
        [
            ("link.made", "user/ada", "key:owner", true),
            ("signin.failed", "user/ada", "nobody", false),
            ("signin.failed", "user", "nobody", false),
            ("password.changed", "user/ada", "user:ada", true),
            ("signin.ok", "user/ada", "user:ada", true),
            ("password.changed", "user/ada", "user:ada", true),
            ("signout", "user/ada", "user:ada", true),
            ("signin.ok", "user/ada", "user:ada", true),
            ("admin.refused", "user", "user:ada", false),
            ("config.exported", "config", "key:owner", true),
        ]
    );
    let mut span = Span::whole(&*node.log, Topic::Control.at(0)).await.unwrap();
    while let Some(records) = span.page().await.unwrap() {
        for record in records {
            let event: Control = Codec::fixed().decode(&record.value.unwrap()).unwrap();
            text.push_str(&format!("{event:?} {}\n", String::from_utf8_lossy(&event.body)));
        }
    }
    let secrets = [
        ("what was guessed", "a guessed password"),
        ("what was chosen", "a chosen password"),
        ("what it was changed to", "a changed password"),
        ("what was typed as a user", "typed-secret-as-user"),
        ("the link", &link),
        ("the cookie", &cookie),
        ("its signature", cookie.split_once('.').unwrap().1),
        ("the token of pages", &csrf),
    ];
    assert_eq!(Leaks::of(secrets).within(&text), [""; 0]);
    assert!(text.contains("signin.ok") && text.contains("user:ada"));
    assert!(verify(&*node.log, &Codec::fixed()).await.unwrap().is_sound());
}

#[tokio::test]
async fn failed_sign_ins_are_recorded_within_their_bound() {
    let folder = tempfile::tempdir().unwrap();
    let node = node(folder.path()).await;
    for _ in 0..100 {
        tried(&node, "192.0.2.1", "ada", "a guess").await;
    }
    node.get("config").await.is(200);
    let mut span = Span::whole(&*node.log, Topic::Audit.at(0)).await.unwrap();
    let mut failed = 0;
    while let Some(records) = span.page().await.unwrap() {
        for record in records {
            let audit: Audit = Codec::fixed().decode(&record.value.unwrap()).unwrap();
            failed += usize::from(audit.action == "signin.failed");
        }
    }
    assert_eq!(failed, 10);
}

#[tokio::test]
async fn the_page_is_whole_and_bound_to_its_own_script() {
    let folder = tempfile::tempdir().unwrap();
    let node = node(folder.path()).await;
    let get = |path: &str| Request::builder().uri(path).header("host", HOST);
    let page = node.send("192.0.2.1:1", get("/signin"), axum::body::Body::empty()).await;
    assert_eq!(page.status, 200);
    assert!(page.text.starts_with("<!doctype html>") && !page.text.contains("/signin/oidc"));
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("script-src 'sha256-") && !policy.contains("unsafe"), "{policy}");
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    assert_eq!(page.headers["cache-control"], "no-store");
    assert_eq!(page.headers["referrer-policy"], "no-referrer");
    // where no provider is set there is none to go to
    for path in ["/signin/oidc", "/signin/callback?code=x&state=y"] {
        let told = node.send("192.0.2.1:1", get(path), axum::body::Body::empty()).await;
        assert_eq!((told.status, set(&told, COOKIE)), (404, None), "{path}");
        assert!(told.text.contains("No identity provider is set."));
    }
}
