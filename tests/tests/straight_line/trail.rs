//! Who did what, as the admin API tells it: from the log over ClickHouse to an answer.

use serde_json::{Value, json};

use crate::rig::eventually;
use crate::rig::http::{Answer, exchange, request};
use crate::{PATIENCE, fake, hub, output, serve};

#[tokio::test(flavor = "multi_thread")]
async fn the_trail_is_searched_and_verified_over_the_api() {
    let fake = fake("").await;
    let folder = tempfile::tempdir().unwrap();
    let hub = hub(folder.path(), &[("fake", &fake)], "");
    tokio::task::block_in_place(|| {
        let process = serve(&hub);
        let owner = std::fs::read_to_string(hub.data().join("secrets/owner-token")).unwrap();
        let get = |path: &str, key: &str| -> Answer {
            let bearer = format!("Bearer {}", key.trim());
            let headers = [("authorization", bearer.as_str())];
            exchange(hub.admin, &request("GET", &format!("/admin/v1/{path}"), &headers, b""))
        };
        for title in ["one", "two", "three"] {
            let arguments = ["projects", "create", title, &format!("title={title}")];
            assert!(output(&hub, &arguments).status.success());
        }
        assert_eq!(get("route/explain?model=fake/m", &owner).status, 200);
        // a key of callers has no role; the refusal is recorded, for this route as for all
        let refused = get("route/explain?model=fake/m", &hub.key);
        assert_eq!((refused.status, &refused.json()["code"]), (403, &json!("forbidden")));
        assert_eq!(get("route/explain?model=nobody/none", &owner).status, 404);
        let wrong = get("route/explain?modle=x", &owner);
        assert_eq!((wrong.status, &wrong.json()["field"]), (422, &json!("query")));

        let search = |query: &str| -> Option<Value> {
            let answer = get(&format!("audit?{query}"), &owner);
            // before the tables are made
            let away = answer.status == 503;
            assert!(away || answer.status == 200, "{}", answer.text());
            (!away).then(|| answer.json())
        };
        let items = |told: &Value| told["items"].as_array().unwrap().clone();
        let made = eventually("the changes are there", PATIENCE, || {
            let told = search("entity=project&action=created")?;
            (items(&told).len() >= 3).then(|| items(&told))
        });
        let names: Vec<&Value> = made.iter().map(|one| &one["entity"]).take(3).collect();
        assert_eq!(names, ["project/three", "project/two", "project/one"]);
        assert_eq!(made[0]["after"]["title"], "three");
        assert_eq!((&made[0]["actor"], &made[0]["allowed"]), (&json!("key:owner"), &json!(true)));
        // page by page, the same
        let mut paged = Vec::new();
        let mut query = "entity=project&action=created&limit=2".to_owned();
        while let Some(told) = search(&query) {
            paged.extend(items(&told));
            let Some(next) = told["next"].as_str() else { break };
            query = format!("entity=project&action=created&limit=2&after={next}");
        }
        assert_eq!(paged, made);
        let until = made[0]["at_us"].as_i64().unwrap();
        let before = search(&format!("entity=project/one&until_us={until}")).unwrap();
        assert_eq!(items(&before).len(), 1);
        assert_eq!(items(&search("actor=key:nobody").unwrap()), [json!(null); 0]);

        let told = eventually("the refusal is there", PATIENCE, || {
            items(&search("action=admin.refused")?).first().cloned()
        });
        assert_eq!(told["entity"], "route");
        assert_eq!(told["after"]["call"], "GET /admin/v1/route/explain");
        assert_eq!((&told["allowed"], &told["address"]), (&json!(false), &json!("127.0.0.1")));
        assert_eq!(get("audit?after=x", &owner).status, 422);
        assert_eq!(get("audit", &hub.key).status, 403);

        let report = get("audit/verify", &owner).json();
        assert_eq!((&report["sound"], &report["wrong"]), (&json!(true), &json!(0)));
        assert!(report["records"].as_u64().unwrap() > 0 && report["changes"].as_u64().unwrap() > 3);
        assert!(process.stop().unwrap().success());
    });
}
