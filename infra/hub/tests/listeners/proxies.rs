//! Whom a listener believes for whom they ask: keys are held to addresses.

use hub::config::Config;
use serde_json::json;

use crate::{client, gateway, settings};

/// The status of a call with a key that is held to one address, by who claims to ask for it.
async fn asked(trusted: &[&str], claim: &str) -> u16 {
    let folder = tempfile::tempdir().unwrap();
    let trusted_proxies = trusted.iter().map(|text| (*text).to_owned()).collect();
    let hub = gateway(Config { trusted_proxies, ..settings(folder.path()) }).await.unwrap();
    let owner = std::fs::read_to_string(folder.path().join("data/secrets/owner-token")).unwrap();
    let key = json!({"id": "held", "spec": {"addresses": ["203.0.113.9"]}});
    let url = format!("http://{}/admin/v1/keys", hub.admin_address);
    let made = client(None).post(url).bearer_auth(owner.trim()).json(&key).send().await.unwrap();
    assert_eq!(made.status().as_u16(), 201);
    let made: serde_json::Value = made.json().await.unwrap();
    let secret = made["secret"].as_str().unwrap().to_owned();
    let url = format!("http://{}/v1/models", hub.address.unwrap());
    let call = client(None).get(url).bearer_auth(secret).header("x-forwarded-for", claim);
    let status = call.send().await.unwrap().status().as_u16();
    hub.stop().await;
    status
}

#[tokio::test]
async fn an_address_counts_when_a_proxy_of_ours_says_it() {
    assert_eq!(asked(&["127.0.0.0/8"], "203.0.113.9").await, 200);
    assert_eq!(asked(&["127.0.0.0/8"], "203.0.113.9, 198.51.100.1").await, 403);
    assert_eq!(asked(&["10.0.0.0/8"], "203.0.113.9").await, 403);
    assert_eq!(asked(&[], "203.0.113.9").await, 403);
}
