//! The configuration as a document: applied twice it changes nothing, and it rebuilds what it came from.

use serde_json::{Value, json};

use crate::rig::{MASTER, Node};

fn document() -> Value {
    json!({
        "accounts": {"acme": {"kind": "prepaid"}},
        "projects": {"team": {"title": "Team", "account": "acme"}},
        "users": {"ada": {"email": "ada@example.com"}},
        "bindings": {"ada-dev": {"user": "ada", "role": "developer", "project": "team"}},
        "providers": {"openai": {}, "local": {"vendor": "vllm", "base_url": "http://127.0.0.1:8000/v1", "allow_private": true}},
        "models": {"fast": {"targets": [{"provider": "openai", "model": "gpt-4o-mini", "weight": 3}, {"provider": "local", "model": "x", "priority": 1}]}},
        "limits": {"team-rate": {"scope": {"kind": "project", "id": "team"}, "requests_per_minute": 60}},
        "budgets": {"team-month": {"scope": {"kind": "project", "id": "team"}, "period": "month", "amount": "100", "thresholds": [80, 100]}},
    })
}

#[tokio::test]
async fn applied_twice_it_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), MASTER).await;
    let apply = json!({"config": document(), "reason": "as in git"});
    let mut dry = apply.clone();
    dry["dry_run"] = json!(true);
    let told = node.post("config", dry).await.is(200);
    assert_eq!(
        (told["applied"].as_bool(), told["changes"].as_array().unwrap().len()),
        (Some(false), 9)
    );
    assert_eq!(node.get("projects/team").await.status, 404, "a dry run changes nothing");
    assert_eq!(node.post("config", apply.clone()).await.is(200)["applied"], true);
    let again = node.post("config", apply.clone()).await.is(200);
    assert_eq!(again, json!({"applied": false, "changes": []}));
    let secrets = json!({"config": {
        "credentials": {"openai.main": {"provider": "openai", "name": "main", "secret": "sk-1"}},
        "webhooks": {"w": {"url": "https://example.com", "secret": "whsec"}},
    }});
    assert_eq!(node.post("config", secrets.clone()).await.is(200)["applied"], true);
    assert_eq!(node.post("config", secrets).await.is(200)["changes"], json!([]));

    let mut less = apply;
    less["config"]["limits"] = json!({});
    less["prune"] = json!(true);
    less["config"].as_object_mut().unwrap().remove("users");
    less["config"].as_object_mut().unwrap().remove("bindings");
    let told = node.post("config", less).await.is(200);
    let changes: Vec<_> = told["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["change"].as_str().unwrap(), it["id"].as_str().unwrap()))
        .collect();
    assert!(changes.contains(&("delete", "team-rate")), "{told}");
    node.get("users/ada").await.is(200);
}

#[tokio::test]
async fn a_wrong_document_changes_nothing_and_is_told_by_field() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), MASTER).await;
    for (config, field) in [
        (json!({"projcts": {}}), "config.projcts"),
        (json!({"projects": {"p": {"titel": "x"}}}), "config.projects.p.titel"),
        (json!({"projects": {"p": {}}, "keys": {"k": {"project": "q"}}}), "project"),
    ] {
        let told = node.post("config", json!({"config": config})).await.is(422);
        assert_eq!(told["field"], field, "{told}");
    }
    assert_eq!(node.get("projects/p").await.status, 404);
}

#[tokio::test]
async fn an_empty_hub_becomes_the_same_by_what_another_exports() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let one = Node::start(folders[0].path(), MASTER).await;
    one.post("config", json!({"config": document()})).await.is(200);
    let exported = one.get("config").await.is(200);
    let other = Node::start(folders[1].path(), MASTER).await;
    other.post("config", exported.clone()).await.is(200);
    assert_eq!(other.get("config").await.is(200), exported);
    let routes = |node: &Node| {
        let snapshot = node.plane.current().seen().load_full();
        let route = &snapshot.routes[&"fast".into()];
        let targets: Vec<_> = route
            .targets
            .iter()
            .map(|it| (it.target.provider.to_string(), it.weight, it.priority))
            .collect();
        (snapshot.routes.len(), targets, snapshot.accounts.len(), snapshot.price_version.clone())
    };
    assert_eq!(routes(&one), routes(&other));
}
