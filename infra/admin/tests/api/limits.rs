//! Limits, budgets and webhooks: who is referred to stays, and what is used is told.

use gateway::limits::Caller;
use schemas::money::Nano;
use serde_json::json;

use crate::rig::{MASTER, Node};

#[tokio::test]
async fn what_is_used_is_told_and_what_is_referred_to_stays() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), MASTER).await;
    node.post("projects", json!({"id": "team", "spec": {}})).await.is(201);
    node.post("webhooks", json!({"id": "ops", "spec": {"url": "https://example.com/"}}))
        .await
        .is(201);
    let scope = json!({"kind": "project", "id": "team"});
    let rate = json!({"scope": scope, "requests_per_minute": 60, "concurrent": 2, "max_cost_per_call": "0.5"});
    node.post("limits", json!({"id": "same", "spec": rate})).await.is(201);
    let month = json!({"scope": scope, "period": "month", "amount": "2.50", "hard": true, "thresholds": [80], "webhooks": ["ops"]});
    node.post("budgets", json!({"id": "same", "spec": month})).await.is(201);
    for (path, by) in [("projects/team", "limit/same"), ("webhooks/ops", "budget/same")] {
        let refused = node.delete(path).await.is(409);
        assert!(refused["detail"].as_str().unwrap().contains(by), "{refused}");
    }

    let rules = node.plane.current().configured().limits.clone();
    let caller = Caller { project: "team", account: "a", user: None, key: "k", model: "m" };
    let reserved = node.bounded.bounds(&rules, caller).reserve(10, Nano(700_000_000)).unwrap();
    let told = node.get("limits/same/usage").await.is(200);
    let mut lines: Vec<_> = told["items"].as_array().unwrap().clone();
    lines.sort_by_key(|line| line["measure"].to_string());
    let line = |at: usize, field: &str| lines[at][field].clone();
    assert_eq!(lines.len(), 2, "{told}");
    assert_eq!((line(0, "measure"), line(0, "used")), (json!("concurrent"), json!(1)));
    assert_eq!((line(1, "used"), line(1, "remaining")), (json!(1), json!(59)));
    assert_eq!(line(1, "whose"), "project/team");
    reserved.settle(10, Some(Nano(600_000_000)));
    let told = node.get("budgets/same/usage").await.is(200)["items"][0].clone();
    assert_eq!((&told["used"], &told["held"]), (&json!("0.60"), &json!("0.00")));
    assert_eq!((&told["limit"], &told["remaining"]), (&json!("2.50"), &json!("1.90")));
    assert!(told["resets_at"].as_str().unwrap().ends_with("-01T00:00:00Z"), "{told}");
    node.get("limits/none/usage").await.is(404);

    node.delete("budgets/same").await.is(204);
    node.delete("webhooks/ops").await.is(204);
    node.delete("limits/same").await.is(204);
    node.delete("projects/team").await.is(204);
    assert!(node.plane.current().configured().limits.is_empty());
}
