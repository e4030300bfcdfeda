//! Commands: versions, repeats, what refers to what, and what history tells.

use http::Method;
use serde_json::json;

use crate::rig::{MASTER, Node};

#[tokio::test]
async fn of_two_who_edit_the_same_entity_one_wins_and_the_other_is_told_the_version() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), MASTER).await;
    let made = node.post("projects", json!({"id": "p", "spec": {"title": "a"}})).await.is(201);
    assert_eq!(made["version"], 1);
    let edit = |title: &str| json!({"spec": {"title": title}, "expected_version": 1});
    let (one, other) =
        tokio::join!(node.put("projects/p", edit("b")), node.put("projects/p", edit("c")));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    let late = if one.status == 409 { one } else { other };
    assert_eq!(late.body["version"], 2);
    let stale = node.put("projects/p", edit("d")).await.is(409);
    assert_eq!((stale["code"].as_str(), stale["version"].as_i64()), (Some("conflict"), Some(2)));
}

#[tokio::test]
async fn a_command_with_an_idempotency_key_is_done_once() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), MASTER).await;
    let once = [("idempotency-key", "order-7")];
    let ask = async |path: &str, method: Method, body: &serde_json::Value| {
        node.ask(Some(&node.owner), method, path, Some(body), &once).await
    };
    let project = json!({"id": "p", "spec": {"title": "a"}});
    assert_eq!(ask("projects", Method::POST, &project).await.is(201)["version"], 1);
    assert_eq!(ask("projects", Method::POST, &project).await.is(201)["version"], 1);
    let other = json!({"id": "q", "spec": {}});
    assert_eq!(ask("projects", Method::POST, &other).await.is(422)["field"], "Idempotency-Key");
    assert_eq!(node.get("projects/p").await.is(200)["version"], 1);
}

/// Each request is told what became of its own.
#[tokio::test]
async fn a_command_that_is_sent_by_many_at_once_is_done_once_and_all_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), MASTER).await;
    for round in 0..20 {
        let id = format!("once-{round}");
        let headers = [("idempotency-key", id.as_str())];
        let send = async |title: &str| {
            let body = json!({"id": format!("p{round}"), "spec": {"title": title}});
            node.ask(Some(&node.owner), Method::POST, "projects", Some(&body), &headers).await
        };
        let (a, b, c, d) = tokio::join!(send("a"), send("a"), send("b"), send("a"));
        let told = [a, b, c, d].map(|answer| answer.status);
        let first = node.get(&format!("projects/p{round}")).await.is(200);
        assert_eq!(first["version"], 1);
        let wanted = match first["spec"]["title"] == "a" {
            true => [201, 201, 422, 201],
            false => [422, 422, 201, 422],
        };
        // who comes once it is there, and is not the same, is told so
        assert_eq!(told.map(|status| if status == 409 { 422 } else { status }), wanted);
    }
}

/// What is random in what the hub makes of it is not what the caller sent.
#[tokio::test]
async fn a_new_secret_is_made_once_however_often_the_command_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), MASTER).await;
    let ask = async |id: &str, path: &str, body: serde_json::Value| {
        let once = [("idempotency-key", id)];
        node.ask(Some(&node.owner), Method::POST, path, Some(&body), &once).await
    };
    let app = json!({"id": "app", "spec": {"title": "a"}});
    let made = ask("1", "keys", app.clone()).await.is(201);
    let secret = made["secret"].as_str().unwrap().to_owned();
    let again = ask("1", "keys", app.clone()).await.is(201);
    assert_eq!((&again["version"], &again["secret"]), (&json!(1), &json!(null)));
    assert!(node.knows(&secret));
    let other = json!({"id": "app", "spec": {"title": "b"}});
    assert_eq!(ask("1", "keys", other).await.is(422)["field"], "Idempotency-Key");
    // another command does not go over what is there
    assert_eq!(ask("2", "keys", app.clone()).await.is(409)["code"], "conflict");

    let rotated = ask("1", "keys/app/rotate", json!({})).await.is(200);
    let new = rotated["secret"].as_str().unwrap().to_owned();
    let again = ask("1", "keys/app/rotate", json!({})).await.is(200);
    assert_eq!((&again["version"], &again["secret"]), (&json!(2), &json!(null)));
    assert_eq!(again["old_secret_until_us"], rotated["old_secret_until_us"]);
    assert!(node.knows(&new) && node.knows(&secret));
    // it is not what that command made any more
    assert_eq!(ask("1", "keys", app).await.is(422)["field"], "Idempotency-Key");

    node.post("providers", json!({"id": "openai", "spec": {}})).await.is(201);
    let of = json!({"provider": "openai", "name": "main", "secret": "sk-of-a-test"});
    let main = json!({"id": "openai.main", "spec": of});
    for _ in 0..2 {
        assert_eq!(ask("3", "credentials", main.clone()).await.is(201)["version"], 1);
    }
}

#[tokio::test]
async fn what_others_refer_to_stays_and_what_refers_to_nothing_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), MASTER).await;
    for (path, id, spec, field) in [
        ("keys", "k", json!({"project": "none"}), "spec.project"),
        ("bindings", "b", json!({"user": "none", "role": "viewer"}), "spec.user"),
        ("models", "m", json!({"targets": [{"provider": "none"}]}), "spec.targets[0].provider"),
        ("models", "m", json!({"targets": []}), "spec.targets"),
        ("providers", "p", json!({"vendor": "none"}), "spec.vendor"),
        ("providers", "openai", json!({"base_url": "ftp://x"}), "spec.base_url"),
        (
            "credentials",
            "x.y",
            json!({"provider": "x", "name": "y", "secret": "s"}),
            "spec.provider",
        ),
        ("providers", "openai", json!({"base_url": "http://169.254.169.254/v1"}), "spec.base_url"),
        ("providers", "openai", json!({"base_url": "http://localhost:1234"}), "spec.base_url"),
        ("keys", "k", json!({"addresses": ["10.0.0.0/99"]}), "spec.addresses[0]"),
        (
            "providers",
            "openai",
            json!({"base_url": "http://169.254.169.254/v1", "allow_private": true}),
            "spec.base_url",
        ),
        ("providers", "openai", json!({"wieght": 1}), "spec.wieght"),
        ("providers", "openai", json!([]), "spec"),
        ("limits", "l", json!({"scope": {"kind": "organisation"}}), "spec.requests_per_minute"),
        (
            "limits",
            "l",
            json!({"scope": {"kind": "key", "id": "nobody"}, "concurrent": 1}),
            "spec.scope.id",
        ),
        (
            "limits",
            "l",
            json!({"scope": {"kind": "key"}, "tokens_per_minute": 0}),
            "spec.tokens_per_minute",
        ),
        (
            "limits",
            "l",
            json!({"scope": {"kind": "model", "id": "m"}, "max_cost_per_call": "0"}),
            "spec.max_cost_per_call",
        ),
        (
            "budgets",
            "b",
            json!({"scope": {"kind": "organisation"}, "period": "day", "amount": "-1"}),
            "spec.amount",
        ),
        (
            "budgets",
            "b",
            json!({"scope": {"kind": "key"}, "period": "day", "amount": "1", "thresholds": [80, 80]}),
            "spec.thresholds",
        ),
        (
            "budgets",
            "b",
            json!({"scope": {"kind": "key"}, "period": "day", "amount": "1", "thresholds": [80], "webhooks": ["w"]}),
            "spec.webhooks[0]",
        ),
        ("webhooks", "w", json!({"url": "file:///etc/passwd"}), "spec.url"),
        ("webhooks", "w", json!({"url": "http://169.254.169.254/"}), "spec.url"),
        ("users", "u", json!({"password": "short"}), "spec.password"),
        ("keys", "no spaces", json!({}), "id"),
    ] {
        let told = node.post(path, json!({"id": id, "spec": spec})).await.is(422);
        assert_eq!(told["field"], field, "{path}: {told}");
    }
    node.post("projects", json!({"id": "team", "spec": {}})).await.is(201);
    node.post("keys", json!({"id": "app", "spec": {"project": "team"}})).await.is(201);
    let told = node.delete("projects/team").await.is(409);
    assert!(told["detail"].as_str().unwrap().contains("key/app"), "{told}");
    assert_eq!(node.delete("bindings/owner").await.is(409)["code"], "last_owner");
    node.delete("keys/app").await.is(204);
    node.delete("projects/team").await.is(204);
    assert_eq!(node.get("projects/team").await.status, 404);
}

#[tokio::test]
async fn history_tells_who_when_and_why() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), MASTER).await;
    node.post("projects", json!({"id": "p", "spec": {"title": "a"}, "reason": "begun"}))
        .await
        .is(201);
    node.put("projects/p", json!({"spec": {"title": "b"}, "reason": "renamed"})).await.is(200);
    node.delete("projects/p").await.is(204);
    let told = node.get("projects/p/history").await.is(200);
    let items = told["items"].as_array().unwrap();
    let said: Vec<_> = items
        .iter()
        .map(|it| (it["by"].as_str().unwrap(), it["reason"].as_str(), it["spec"]["title"].as_str()))
        .collect();
    let owner = "key:owner";
    assert_eq!(
        said,
        [
            (owner, Some("begun"), Some("a")),
            (owner, Some("renamed"), Some("b")),
            (owner, None, None)
        ]
    );
    assert_eq!(items[2]["deleted"], true);
}

#[tokio::test]
async fn lists_come_in_pages_and_are_searched() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), MASTER).await;
    for id in ["a1", "a2", "b1"] {
        node.post("projects", json!({"id": id, "spec": {"title": format!("of {id}")}}))
            .await
            .is(201);
    }
    let ids = |page: &serde_json::Value| -> Vec<String> {
        let items = page["items"].as_array().unwrap();
        items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
    };
    let first = node.get("projects?limit=2").await.is(200);
    assert_eq!((ids(&first), first["next"].as_str()), (vec!["a1".into(), "a2".into()], Some("a2")));
    let second = node.get("projects?limit=2&after=a2").await.is(200);
    assert_eq!(
        (ids(&second), second["next"].as_str()),
        (vec!["b1".into(), "default".into()], None)
    );
    assert_eq!(ids(&node.get("projects?q=of%20b").await.is(200)), ["b1"]);
    assert_eq!(node.get("projects?limit=0").await.is(422)["field"], "limit");
    assert_eq!(node.get("projects?lmit=1").await.is(422)["field"], "query");
}

#[tokio::test]
async fn a_price_holds_for_calls_from_then_on_and_is_the_only_one_of_its_model() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), MASTER).await;
    node.plane.serve().await;
    node.post("providers", json!({"id": "eu", "spec": {"vendor": "openai"}})).await.is(201);
    let price = |input: &str| {
        let high = json!({"above_input": 1000, "rates": {"input": "5"}});
        json!({"provider": "eu", "model": "m", "tiers": [{"rates": {"input": input, "image": "0.5"}}, high]})
    };
    let seen = || {
        let snapshot = node.plane.current().seen().load_full();
        let tiers = snapshot.prices.find(&"eu".into(), &"m".into()).map(<[_]>::to_vec);
        (snapshot.price_version.clone(), tiers)
    };
    let (first, none) = seen();
    assert_eq!(none, None);
    node.post("prices", json!({"id": "m", "spec": price("1")})).await.is(201);
    let (second, tiers) = seen();
    assert_ne!(first, second);
    let rates = |tiers: Option<Vec<schemas::price::Prices>>| -> Vec<i64> {
        tiers.unwrap().iter().flat_map(|tier| tier.rates.values().map(|rate| rate.0)).collect()
    };
    assert_eq!(rates(tiers), [1_000_000_000, 500_000_000_000_000, 5_000_000_000]);
    node.put("prices/m", json!({"spec": price("2")})).await.is(200);
    let (third, tiers) = seen();
    assert_eq!(rates(tiers)[0], 2_000_000_000);
    // the log was told of each book before a call could name it
    for version in [second, third] {
        node.get(&format!("price-books/{version}")).await.is(200);
    }
    for (id, spec, field) in [
        ("other", price("1"), "model"),
        ("x", json!({"provider": "none", "model": "m", "tiers": []}), "provider"),
        ("x", json!({"provider": "eu", "model": "n", "tiers": []}), "tiers"),
        (
            "x",
            json!({"provider": "eu", "model": "n", "tiers": [{"rates": {"water": "1"}}]}),
            "tiers[0].rates.water",
        ),
        (
            "x",
            json!({"provider": "eu", "model": "n", "tiers": [{"rates": {"input": "-1"}}]}),
            "tiers[0].rates.input",
        ),
        (
            "x",
            json!({"provider": "eu", "model": "n", "tiers": [{"hours": [[4, 1]], "rates": {"input": "1"}}]}),
            "tiers[0].hours",
        ),
    ] {
        let told = node.post("prices", json!({"id": id, "spec": spec})).await.is(422);
        assert!(told["field"].as_str().unwrap().ends_with(field), "{told}");
    }
    node.delete("providers/eu").await.is(409);
    node.delete("prices/m").await.is(204);
    assert_eq!(seen().1, None);
}
