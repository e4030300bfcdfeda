//! Against a real registry: `HUB_TEST_REGISTRY` is the address of Confluent's API. Each test has
//! subjects of its own.

use std::collections::BTreeSet;

use super::*;

fn real() -> Hub {
    let environment = runtime::config::environment();
    let mut found = environment.into_iter().filter(|(name, _)| name == "HUB_TEST_REGISTRY");
    let (_, url) = found.next().expect(
        "HUB_TEST_REGISTRY is not set: it is the address of a schema registry's API, such as \
         http://127.0.0.1:8081/apis/ccompat/v7; `make kafka` starts one",
    );
    let mut hub = Hub::of(&url);
    hub.options.prefix = format!("t{}.", uuid::Uuid::now_v7().simple());
    hub
}

/// A request that no hub makes.
async fn ask(
    hub: &Hub,
    method: reqwest::Method,
    path: &str,
    body: serde_json::Value,
) -> serde_json::Value {
    let url = format!("{}{path}", hub.options.url);
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let asked = client.request(method, url).header("content-type", "application/json");
    let answer = asked.body(body.to_string()).send().await.unwrap();
    assert!(answer.status().is_success(), "{answer:?}");
    serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
}

async fn register(hub: &Hub, text: &str) -> u32 {
    let path = format!("/subjects/{}{TICKS}/versions", hub.options.prefix);
    let body = serde_json::json!({"schema": text});
    let answer = ask(hub, reqwest::Method::POST, &path, body).await;
    u32::try_from(answer["id"].as_u64().unwrap()).unwrap()
}

#[tokio::test]
async fn ids_are_of_the_registry_and_stay() {
    let hub = real();
    let first = hub.open().await.unwrap();
    for name in SchemaName::ALL {
        let subject = format!("{}{}-{}", hub.options.prefix, name.topic(), name.record());
        let path = format!("/config/{subject}");
        let mode = ask(&hub, reqwest::Method::GET, &path, serde_json::json!({})).await;
        assert_eq!(mode["compatibilityLevel"], "FULL_TRANSITIVE", "{subject}");
        let path = format!("/subjects/{subject}/versions/latest");
        let latest = ask(&hub, reqwest::Method::GET, &path, serde_json::json!({})).await;
        let id = u32::try_from(latest["id"].as_u64().unwrap()).unwrap();
        assert!(first.knows(id), "{subject}: {id}");
        if name == SchemaName::Tick {
            assert_eq!(id, tick_id(&first));
        }
    }
    let mut other = real();
    other.options.prefix = hub.options.prefix.clone();
    assert_eq!(tick_id(&other.open().await.unwrap()), tick_id(&first));
}

#[tokio::test]
async fn all_who_start_at_once_have_the_same_ids() {
    for _ in 0..5 {
        let first = real();
        let hubs: Vec<Hub> = std::iter::repeat_with(real)
            .take(6)
            .map(|mut hub| {
                hub.options.prefix = first.options.prefix.clone();
                hub
            })
            .collect();
        let opened = futures::future::join_all(hubs.iter().map(Hub::open)).await;
        let ids: BTreeSet<u32> = opened.into_iter().map(|codec| tick_id(&codec.unwrap())).collect();
        assert_eq!(ids.len(), 1, "{ids:?}");
    }
}

#[tokio::test]
async fn a_newer_hubs_schema_is_found_by_its_id() {
    let hub = real();
    let codec = hub.open().await.unwrap();
    let (text, _) = newer_tick(0);
    // this registry gives the same schema the same id, whoever registers it: it must be new
    let text = text.replace("Time between ticks", &hub.options.prefix);
    let (_, value) = newer_tick(register(&hub, &text).await);
    assert_eq!(until_read(&codec, &value).await, Tick { period_us: 2 });
    assert_ne!(tick_id(&codec), id(&value));
}

#[tokio::test]
async fn an_incompatible_schema_is_an_error_that_names_the_subject() {
    let hub = real();
    register(&hub, &TICK.replace("\"period_us\", \"type\"", "\"period\", \"type\"")).await;
    let refused = hub.refused().await;
    let subject = format!("{}{TICKS}", hub.options.prefix);
    assert!(refused.contains(&format!("under the subject {subject}")), "{refused}");
    assert!(refused.contains("409") && refused.contains("period_us"), "{refused}");
    assert!(!hub.options.cache.exists());
}

/// What the hub's own rule allows, the registry allows under the mode that the hub sets.
#[tokio::test]
async fn a_symbol_and_an_option_can_be_added() {
    let hub = real();
    hub.open().await.unwrap();
    for name in SchemaName::ALL {
        let newest = SCHEMAS.iter().rev().find(|(_, of, _)| *of == name);
        let (.., text) = newest.unwrap();
        let added = r#""fields": [{"name": "note", "type": ["null", "string"], "default": null},"#;
        let text = text.replacen(r#""fields": ["#, added, 1);
        let text = text.replace(r#""symbols": ["other","#, r#""symbols": ["other", "newest","#);
        let subject = format!("{}{}-{}", hub.options.prefix, name.topic(), name.record());
        let path = format!("/subjects/{subject}/versions");
        ask(&hub, reqwest::Method::POST, &path, serde_json::json!({"schema": text})).await;
    }
}
