//! Several nodes on one log: each sees what any of them was told, and none forgets.

use std::sync::Arc;
use std::time::Duration;

use control::plane::{Command, Who};
use control::state::Outcome;
use http::Method;
use serde_json::json;

use crate::rig::{MASTER, Node, log, plane};

/// Waits for what another node must come to.
pub(crate) async fn eventually(what: &str, done: impl Fn() -> bool) {
    let wait = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait).await.unwrap_or_else(|_| panic!("{what}"));
}

#[tokio::test]
async fn a_key_that_one_node_makes_and_revokes_is_so_on_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path());
    let one = Node::on(Arc::clone(&log), folder.path(), MASTER).await;
    let other = Node::on(log, folder.path(), MASTER).await;
    let key = one.key("app", json!({})).await;
    assert!(one.knows(&key), "whose node it was told sees it at once");
    eventually("the other node learns the key", || other.knows(&key)).await;
    let rotated = json!({"overlap_seconds": 3600});
    let new = other.post("keys/app/rotate", rotated).await.is(200);
    let new = new["secret"].as_str().unwrap().to_owned();
    eventually("both are taken meanwhile", || one.knows(&new) && one.knows(&key)).await;
    let rotated = other.post("keys/app/rotate", json!({"overlap_seconds": 0})).await.is(200);
    let version = rotated["version"].as_i64().unwrap();
    let known = || one.plane.state().version("key", "app") == version;
    eventually("the first node learns of the rotation", known).await;
    one.delete("keys/app").await.is(204);
    eventually("it is revoked", || !other.knows(&new) && !other.knows(&key)).await;
}

#[tokio::test]
async fn every_acknowledged_command_is_in_the_replay_and_both_nodes_agree() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path());
    let one = Node::on(Arc::clone(&log), folder.path(), MASTER).await;
    let other = Node::on(Arc::clone(&log), folder.path(), MASTER).await;
    let writes = (0..200_usize).map(|at| {
        let node = if at % 2 == 0 { &one } else { &other };
        async move {
            let id = format!("p{}", at % 20);
            let command = Command {
                kind: control::entity::Kind::Project,
                id,
                expected: (at < 100).then_some(0),
                body: Some(json!({"title": at.to_string()})),
                reason: None,
            };
            node.plane.submit(vec![command], &Who::default()).await.unwrap()
        }
    });
    let outcomes = futures::future::join_all(writes).await;
    let applied =
        outcomes.iter().flatten().filter(|it| matches!(it.outcome, Outcome::Applied(_))).count();
    let replayed = plane(&log, None, MASTER).await;
    let versions: i64 =
        (0..20).map(|at| replayed.state().version("project", &format!("p{at}"))).sum();
    assert_eq!(usize::try_from(versions).unwrap(), applied);
    eventually("the nodes agree", || {
        *one.plane.state() == *replayed.state() && *other.plane.state() == *replayed.state()
    })
    .await;
}

#[tokio::test]
async fn a_start_from_a_checkpoint_comes_to_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.checkpoint");
    let log = log(folder.path());
    let node = Node::on(Arc::clone(&log), folder.path(), MASTER).await;
    for at in 0..5 {
        node.post("projects", json!({"id": format!("p{at}"), "spec": {}})).await.is(201);
    }
    let id = log.id(schemas::topics::Topic::Control).0;
    control::checkpoint::save(&path, &node.plane.state(), &id).unwrap();
    node.ask(Some(&node.owner), Method::DELETE, "projects/p0", None, &[]).await.is(204);
    let whole = plane(&log, None, MASTER).await;
    let short = plane(&log, Some(path), MASTER).await;
    assert!(*whole.state() == *short.state());
}
