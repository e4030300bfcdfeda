//! A provider that fails is passed over, and then left alone.

use e2e::hub::Hub;
use serde_json::{Value, json};

use crate::rig::eventually;
use crate::rig::http::chat;
use crate::{PATIENCE, all_is_sound, fake, hub, output, rows, say, serve};

/// An ejection that lasts, so that it is seen.
const ROUTE: &str = r#"
health = { eject = "5m", eject_most = "5m" }
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
        // the gateway itself has seen enough before the log has said so
        eventually("the log says so", PATIENCE, || {
            (rows(&hub, 1, health)[0]["state"] == "ejected").then_some(())
        });
        explained(&hub);
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

/// What operators are told of a call for the model, now and by the health of a time.
fn explained(hub: &Hub) {
    let told = |more: &[&str]| -> Value {
        let arguments = [&["route", "explain", "m", "--json"], more].concat();
        let told = output(hub, &arguments);
        assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
        serde_json::from_slice(&told.stdout).unwrap()
    };
    let places = |told: &Value| {
        let all = told["candidates"].as_array().unwrap();
        let place = |one: &Value| (one["provider"].clone(), one["place"].clone());
        all.iter().map(place).collect::<Vec<_>>()
    };
    eventually("the gateway knows", PATIENCE, || {
        let now = told(&[]);
        let bad = &now["candidates"][1];
        let known = bad["health"]["state"] == "ejected" && bad["local"]["reason"] == "server";
        known.then(|| {
            assert_eq!(
                places(&now),
                [(json!("good"), json!(1)), (json!("bad"), json!(2))],
                "{now}"
            );
            assert_eq!(now["why"], "failover");
            assert!(bad["verdict"].as_str().unwrap().starts_with("ejected"), "{bad}");
        })
    });
    // rows of health are as good as the map; what a process sees is not kept
    let then = told(&["--at", "2100-01-01 00:00:00"]);
    assert_eq!(
        places(&then),
        [(json!("bad"), json!(1)), (json!("good"), json!(2))],
        "forgotten: {then}"
    );
    let at =
        &rows(hub, 1, "SELECT toString(max(logged_at)) AS at FROM health WHERE state = 'ejected'")
            [0];
    let then = told(&["--at", at["at"].as_str().unwrap()]);
    assert_eq!(places(&then), [(json!("good"), json!(1)), (json!("bad"), json!(2))], "{then}");
    assert_eq!(then["candidates"][1]["health"]["state"], "ejected");
    assert_eq!(then["candidates"][1]["local"], Value::Null);
    let lines = String::from_utf8(output(hub, &["route", "explain", "m"]).stdout).unwrap();
    assert!(lines.starts_with("m: planned (failover)\n  1  good/"), "{lines}");
    let refused = output(hub, &["route", "explain", "m", "--needs", "wings"]);
    let refused = String::from_utf8(refused.stderr).unwrap();
    assert!(refused.contains("\"wings\" is not known; known are images"), "{refused}");
}
