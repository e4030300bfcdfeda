//! A provider that fails is passed over, and then left alone.

use serde_json::json;

use crate::rig::eventually;
use crate::rig::http::chat;
use crate::{PATIENCE, all_is_sound, fake, hub, rows, say, serve};

const ROUTE: &str = r#"
[[models]]
name = "m"
targets = [{ provider = "bad" }, { provider = "good", priority = 1 }]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_fails_is_passed_over_and_ejected() {
    let (bad, good) = (fake("500,latency_ms=300").await, fake("").await);
    let folder = tempfile::tempdir().unwrap();
    let hub = hub(folder.path(), &[("bad", &bad), ("good", &good)], ROUTE);
    let process = tokio::task::block_in_place(|| serve(&hub));
    let ask = |stream: bool| {
        let mut body = say("m", "hi");
        body["stream"] = stream.into();
        let answer = tokio::task::block_in_place(|| chat(hub.listen, &hub.key, &body));
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("x-hub-target"), "good/m");
        let end = if stream { "data: [DONE]\n\n" } else { "}" };
        assert!(answer.text().trim_end_matches(' ').ends_with(end), "{}", answer.text());
        answer.header("x-hub-attempts").to_owned()
    };
    // a stream fails over as well, before its first content
    assert_eq!([ask(false), ask(true)], ["2", "2"]);
    // eight at once: on a busy machine the last of them may know of the failures of the first
    tokio::task::block_in_place(|| {
        std::thread::scope(|scope| (0..8).for_each(|_| drop(scope.spawn(|| ask(false)))));
    });
    // the way of the verdict: attempt, outbox, log, health, log, snapshot
    let mut calls = 10u64;
    eventually("the provider is left alone", PATIENCE, || {
        calls += 1;
        (ask(false) == "1").then_some(())
    });
    let tried = bad.record().counts().0;
    // four failures in a row are evidence enough, and less is not
    assert!(tried >= 4, "{tried} calls of ten were tried there");
    for _ in 0..5 {
        ask(false);
    }
    calls += 5;
    let now = bad.record().counts().0;
    // a trial now and then
    assert!(now <= tried + 3, "an ejected provider was asked {} more times", now - tried);
    assert_eq!(good.record().counts().0, calls);

    tokio::task::block_in_place(|| {
        let health = "SELECT kind, state, reason FROM health_now WHERE subject LIKE '%bad%' AND kind = 'target'";
        let health = rows(&hub, 1, health);
        let out = ["ejected", "probing"].contains(&health[0]["state"].as_str().unwrap_or(""));
        assert!(out, "{health:?}");
        let well = "SELECT DISTINCT state FROM health_now WHERE subject LIKE '%good%'";
        assert_eq!(rows(&hub, 1, well), [json!({"state": "healthy"})]);
        assert_eq!(all_is_sound(&hub), calls);
        let attempts = "SELECT provider, error, status, toString(count()) AS number FROM attempts GROUP BY ALL ORDER BY provider";
        let expected = [
            json!({"provider": "bad", "error": "server", "status": 500, "number": now.to_string()}),
            json!({"provider": "good", "error": "none", "status": 200, "number": calls.to_string()}),
        ];
        eventually("the attempts are there", PATIENCE, || {
            (rows(&hub, 2, attempts) == expected).then_some(())
        });
        // what failed is not paid for
        let paid = "SELECT DISTINCT provider FROM charges";
        assert_eq!(rows(&hub, 1, paid), [json!({"provider": "good"})]);
        assert!(process.stop().unwrap().success());
    });
}
