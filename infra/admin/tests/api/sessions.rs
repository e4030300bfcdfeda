//! Sessions: who is let in by them, until when, and for whose pages.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::browser::{Browser, COOKIE, HOST, ORIGIN};
use crate::nodes::eventually;
use crate::rig::{MASTER, Node, log};

const PASSWORD: &str = "correct horse battery staple";
const MINUTE: Duration = Duration::from_secs(60);

/// A node with Ada, who may look at everything.
async fn node(folder: &std::path::Path) -> Node {
    let node = Node::start(folder, MASTER).await;
    user(&node, "ada", "viewer").await;
    node
}

async fn user(node: &Node, id: &str, role: &str) {
    let spec = json!({"id": id, "spec": {"password": PASSWORD}});
    node.post("users", spec).await.is(201);
    let spec = json!({"id": format!("{id}-{role}"), "spec": {"user": id, "role": role}});
    node.post("bindings", spec).await.is(201);
}

#[tokio::test]
async fn who_signs_in_is_who_they_are_until_they_sign_out() {
    let folder = tempfile::tempdir().unwrap();
    let node = node(folder.path()).await;
    let mut ada = Browser::default();
    ada.get(&node, "whoami").await.is(401);
    let answer = ada.sign_in(&node, "ada", PASSWORD).await;
    let cookie = answer.headers["set-cookie"].to_str().unwrap().to_owned();
    for part in ["__Host-hub-session=", "; Path=/;", "; HttpOnly", "; SameSite=Strict", "; Secure"]
    {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert_eq!(answer.headers["cache-control"], "no-store");
    let told = answer.is(200);
    assert_eq!((&told["actor"], &told["key"]), (&json!("user:ada"), &Value::Null));
    assert_eq!(told["grants"], json!([{"role": "viewer", "project": null}]));
    assert_eq!(ada.get(&node, "whoami").await.is(200), told);
    ada.get(&node, "keys").await.is(200);
    ada.get(&node, "users").await.is(403);

    // a key that is shown counts, and needs no token
    let key = node.key("app", json!({"scopes": {"admin": "admin"}})).await;
    let shown = [("authorization", &*format!("Bearer {key}"))];
    ada.clone().send(&node, Method::DELETE, "keys/nothing", None, &shown).await.is(404);

    let copied = ada.clone();
    ada.sign_out(&node).await.is(204);
    assert_eq!(ada.cookie, None);
    copied.clone().get(&node, "whoami").await.is(401);
    // the same browser may sign in again
    ada.sign_in(&node, "ada", PASSWORD).await.is(200);
    copied.clone().get(&node, "whoami").await.is(401);
    let history = node.get("users/ada/history").await.is(200);
    assert_eq!(history["items"][1]["by"], "user:ada");
    assert_eq!(history["items"][1]["reason"], "signed out");
    assert_eq!(history["items"][1]["spec"], history["items"][0]["spec"]);
}

#[tokio::test]
async fn a_cookie_that_is_not_ours_lets_nobody_in() {
    let folder = tempfile::tempdir().unwrap();
    let node = node(folder.path()).await;
    user(&node, "bob", "owner").await;
    let ada = Browser::of(&node, "ada", PASSWORD).await;
    let bob = Browser::of(&node, "bob", PASSWORD).await;
    let cookie = ada.cookie.clone().unwrap();
    let (said, signature) = cookie.split_once('.').unwrap();
    let (of_bob, _) = bob.cookie.as_deref().unwrap().split_once('.').unwrap();
    for forged in [
        said.to_owned(),
        format!("{said}."),
        format!("{of_bob}.{signature}"),
        format!("{said}.{}", "A".repeat(43)),
        format!("{}.{signature}", said.split_at(1).1),
        format!(".{signature}"),
        "%.%".into(),
        "x".repeat(5000),
    ] {
        let mut browser = Browser { cookie: Some(forged.clone()), ..ada.clone() };
        let answer = browser.get(&node, "whoami").await;
        assert_eq!(answer.status, 401, "{forged}");
    }
    // nor the right one where it was not set
    let told = [("cookie", &*format!("hub-session={cookie}"))];
    node.ask(None, Method::GET, "whoami", None, &told).await.is(401);
    let told = [("cookie", &*format!("{COOKIE}={cookie}")), ("host", HOST)];
    node.ask(None, Method::GET, "whoami", None, &told).await.is(200);
}

#[tokio::test]
async fn a_change_with_a_session_is_taken_from_the_hubs_own_pages_alone() {
    let folder = tempfile::tempdir().unwrap();
    let node = node(folder.path()).await;
    user(&node, "bob", "admin").await;
    let mut bob = Browser::of(&node, "bob", PASSWORD).await;
    let token = bob.csrf.clone().unwrap();
    let token = token.as_str();
    let other = Browser::of(&node, "bob", PASSWORD).await.csrf.unwrap();
    let own = ("origin", ORIGIN);
    let same = ("sec-fetch-site", "same-origin");
    let wrong = format!("{}{token}", token.split_at(1).1);
    let evil = ("origin", "https://evil.example");
    let refused: [&[(&str, &str)]; 12] = [
        &[own, same],
        &[own, same, ("x-csrf-token", "")],
        &[own, same, ("x-csrf-token", "x")],
        &[own, same, ("x-csrf-token", &wrong)],
        &[own, same, ("x-csrf-token", &other)],
        &[("x-csrf-token", token)],
        &[evil, ("x-csrf-token", token)],
        &[evil, same, ("x-csrf-token", token)],
        &[own, ("sec-fetch-site", "cross-site"), ("x-csrf-token", token)],
        &[own, ("sec-fetch-site", "same-site"), ("x-csrf-token", token)],
        &[("origin", "null"), ("x-csrf-token", token)],
        &[("origin", "https://hub.example.com:8443"), ("x-csrf-token", token)],
    ];
    let spec = || Some(json!({"id": "made", "spec": {}}));
    for headers in refused {
        let told = bob.send(&node, Method::POST, "projects", spec(), headers).await.is(403);
        assert_eq!(told["code"], "csrf", "{headers:?}: {told}");
        bob.send(&node, Method::DELETE, "session", None, headers).await.is(403);
    }
    node.get("projects/made").await.is(404);
    // nor is anybody signed in by another site's page
    let body = || Some(json!({"user": "ada", "password": PASSWORD}));
    for headers in [&[evil][..], &[own, ("sec-fetch-site", "cross-site")]] {
        let mut lured = Browser::default();
        lured.send(&node, Method::POST, "session", body(), headers).await.is(403);
        assert_eq!(lured.cookie, None);
    }
    // either of the two says whose page it is; who only looks needs neither
    for headers in [&[own, ("x-csrf-token", token)][..], &[same, ("x-csrf-token", token)]] {
        bob.send(&node, Method::DELETE, "projects/made", None, headers).await.is(404);
    }
    bob.send(&node, Method::GET, "projects", None, &[]).await.is(200);
    bob.ask(&node, Method::POST, "projects", spec()).await.is(201);
}

#[tokio::test]
async fn a_session_lasts_while_it_is_used_and_no_longer_than_it_may() {
    let folder = tempfile::tempdir().unwrap();
    let node = node(folder.path()).await;
    let mut ada = Browser::of(&node, "ada", PASSWORD).await;
    let first = ada.clone();
    node.clock.advance(MINUTE / 2);
    ada.get(&node, "whoami").await.is(200);
    assert_eq!(ada.cookie, first.cookie, "a young one is not renewed");
    let mut minutes = 0;
    while ada.get(&node, "whoami").await.status == 200 {
        assert!(minutes == 0 || ada.cookie != first.cookie, "renewed");
        node.clock.advance(10 * MINUTE);
        minutes += 10;
    }
    assert_eq!(minutes, 12 * 60, "to the end of the session");
    first.clone().get(&node, "whoami").await.is(401);

    let mut idle = Browser::of(&node, "ada", PASSWORD).await;
    node.clock.advance(16 * MINUTE);
    idle.get(&node, "whoami").await.is(401);
}

#[tokio::test]
async fn a_session_is_over_at_once_when_its_user_is_out_by_whatever_way() {
    let folder = tempfile::tempdir().unwrap();
    let node = node(folder.path()).await;
    let disabled = |disabled: bool| json!({"spec": {"password": "set", "disabled": disabled}});
    let mut ada = Browser::of(&node, "ada", PASSWORD).await;
    node.put("users/ada", disabled(true)).await.is(200);
    ada.get(&node, "whoami").await.is(401);
    Browser::default().sign_in(&node, "ada", PASSWORD).await.is(401);
    node.put("users/ada", disabled(false)).await.is(200);

    // by an admin
    let mut ada = Browser::of(&node, "ada", PASSWORD).await;
    node.delete("users/ada/sessions").await.is(204);
    ada.get(&node, "whoami").await.is(401);

    // by themselves, everywhere
    let mut ada = Browser::of(&node, "ada", PASSWORD).await;
    let mut elsewhere = Browser::of(&node, "ada", PASSWORD).await;
    ada.ask(&node, Method::DELETE, "sessions", None).await.is(204);
    ada.get(&node, "whoami").await.is(401);
    elsewhere.get(&node, "whoami").await.is(401);

    // by another password, whoever sets it
    let mut ada = Browser::of(&node, "ada", PASSWORD).await;
    node.put("users/ada", json!({"spec": {"password": "another password"}})).await.is(200);
    ada.get(&node, "whoami").await.is(401);

    // and one who is made again is another
    let mut ada = Browser::of(&node, "ada", "another password").await;
    node.clock.advance(Duration::from_secs(1));
    node.delete("bindings/ada-viewer").await.is(204);
    ada.get(&node, "whoami").await.is(200);
    ada.get(&node, "keys").await.is(403);
    node.delete("users/ada").await.is(204);
    ada.get(&node, "whoami").await.is(401);
}

#[tokio::test]
async fn who_signs_out_on_one_node_is_out_on_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path());
    let one = Node::on(Arc::clone(&log), folder.path(), MASTER).await;
    let other = Node::on(log, folder.path(), MASTER).await;
    user(&one, "ada", "viewer").await;
    let known = || other.plane.state().get(control::entity::Kind::Binding, "ada-viewer").is_some();
    eventually("the other node knows Ada", known).await;
    let mut ada = Browser::of(&one, "ada", PASSWORD).await;
    ada.get(&other, "whoami").await.is(200);
    let left = ada.clone();
    ada.sign_out(&one).await.is(204);
    let wait = async {
        while left.clone().get(&other, "whoami").await.status != 401 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(MINUTE, wait).await.unwrap();
}

#[tokio::test]
async fn of_a_user_with_several_roles_each_reaches_as_far_as_it_is_bound() {
    let folder = tempfile::tempdir().unwrap();
    let node = node(folder.path()).await;
    for project in ["team", "other"] {
        node.post("projects", json!({"id": project, "spec": {}})).await.is(201);
        node.key(&format!("of-{project}"), json!({"project": project})).await;
    }
    let mut ada = Browser::of(&node, "ada", PASSWORD).await;
    let new = |id: &str, project: &str| Some(json!({"id": id, "spec": {"project": project}}));
    ada.ask(&node, Method::POST, "keys", new("a", "team")).await.is(403);
    let bind = json!({"user": "ada", "role": "developer", "project": "team"});
    node.post("bindings", json!({"id": "ada-team", "spec": bind})).await.is(201);
    // the session that is there has it at once
    ada.ask(&node, Method::POST, "keys", new("a", "team")).await.is(201);
    ada.ask(&node, Method::POST, "keys", new("b", "other")).await.is(403);
    ada.ask(&node, Method::POST, "keys/of-other/rotate", Some(json!({}))).await.is(404);
    let listed = ada.get(&node, "keys").await.is(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 4, "a viewer of everything: {listed}");
    // bound to the project alone, there is nothing else
    node.delete("bindings/ada-viewer").await.is(204);
    let listed = ada.get(&node, "keys").await.is(200);
    let ids: Vec<&str> =
        listed["items"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["a", "of-team"]);
    ada.get(&node, "keys/of-other").await.is(404);
    ada.get(&node, "providers").await.is(403);
}
