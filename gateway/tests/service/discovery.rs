//! Models that providers list.

use std::sync::Arc;
use std::time::Duration;

use gateway::config::{CredentialSeed, DiscoveryConfig, ProviderSeed, Seed, UpstreamConfig};
use gateway::control::discovery::Discovery;
use gateway::control::{Current, Snapshot, seed};
use gateway::providers::compat;
use runtime::clock::Clock;
use runtime::config::Time;
use runtime::secret::SecretRef;
use runtime::task::Tasks;

use crate::scripted::{Provider, Seen, whole};

/// A snapshot of one provider at the address.
pub(crate) fn snapshot(vendor: &str, base_url: &str) -> Snapshot {
    made(vendor, base_url, "secret", true)
}

/// The same, where it may be at a private address or not.
pub(crate) fn snapshot_within(vendor: &str, base_url: &str, allow_private: bool) -> Snapshot {
    made(vendor, base_url, "secret", allow_private)
}

fn made(vendor: &str, base_url: &str, secret: &str, allow_private: bool) -> Snapshot {
    let provider = ProviderSeed {
        id: vendor.into(),
        vendor: None,
        base_url: Some(base_url.to_owned()),
        credentials: vec![CredentialSeed {
            id: "main".into(),
            secret: SecretRef::Variable("KEY".into()),
            version: 1,
            weight: 1,
        }],
        models: Vec::new(),
        weight: 1,
        region: None,
        allow_private,
    };
    let seed = Seed { providers: vec![provider], ..Seed::default() };
    let prices = schemas::price::shipped().unwrap();
    let vendors = compat::shipped().unwrap();
    let secret = |_: &str| Some(secret.to_owned());
    seed::snapshot(&seed, &vendors, prices, Duration::from_secs(1), &secret).unwrap()
}

/// A list of two pages, then one of which a model is gone, then none at all.
#[tokio::test]
async fn new_models_appear_and_gone_ones_are_marked() {
    let page = |more: bool, ids: &[&str]| {
        let data: Vec<_> = ids.iter().map(|id| serde_json::json!({"id": id})).collect();
        let last = ids.last();
        let body = serde_json::json!({"data": data, "has_more": more, "last_id": last});
        vec![whole("200 OK", "", &body.to_string())]
    };
    let mut provider = Provider::start(vec![
        page(true, &["claude-brand-new", "claude-opus-4-8"]),
        page(false, &["claude-other"]),
        page(false, &["claude-opus-4-8"]),
        vec![whole("500 Internal Server Error", "", "{}")],
    ])
    .await;
    let configured = snapshot("anthropic", &format!("http://{}/v1", provider.address));
    let current = Arc::new(Current::new(configured));
    let snapshot = current.seen();
    let known = snapshot.load_full();
    let listed = |name: &str| snapshot.load().routes.get(&name.into()).map(|route| route.listed);
    let priced = |name: &str| {
        let snapshot = snapshot.load();
        snapshot.is_priced(&snapshot.routes[&name.into()])
    };
    let config = DiscoveryConfig { enabled: true, every: Time(Duration::from_millis(20)) };
    let upstream = UpstreamConfig::default();
    let tasks = Tasks::new();
    Discovery::new(current, &upstream, &config, Clock::system()).unwrap().start(&tasks);

    let mut asked = Vec::new();
    while asked.len() < 3 {
        if let Seen::Request { head, .. } = provider.next().await {
            asked.push(head);
        }
    }
    assert!(asked[0].starts_with("GET /v1/models?limit=1000 HTTP/1.1"), "{}", asked[0]);
    assert!(asked[1].starts_with("GET /v1/models?limit=1000&after_id=claude-opus-4-8 HTTP"));
    for line in ["x-api-key: secret\r\n", "anthropic-version: 2023-06-01\r\n"] {
        assert!(asked[0].contains(line), "{}", asked[0]);
    }
    // the third answer comes after all that the first two said
    assert!(snapshot.load().routes.contains_key(&"claude-other".into()));
    assert!(!priced("claude-brand-new") && priced("claude-opus-4-8"));
    while listed("claude-other").is_some() {
        assert_eq!(listed("claude-opus-4-8"), Some(Some(true)));
        tokio::task::yield_now().await;
    }
    // what only a list said goes with it; what is known otherwise stays, and is marked
    let gone = known.routes.keys().find(|name| name.as_str() != "claude-opus-4-8").unwrap();
    assert_eq!(listed(gone.as_str()), Some(Some(false)));
    // a provider that fails takes nothing away
    provider.next().await;
    assert_eq!(listed("claude-opus-4-8"), Some(Some(true)));
    tasks.stop();
}

/// Amazon has two lists, and each request for one is signed.
#[tokio::test]
async fn amazons_lists_are_asked_for_with_a_signature() {
    let page = |body: &str| vec![whole("200 OK", "", body)];
    let mut provider = Provider::start(vec![
        page(r#"{"modelSummaries":[{"modelId":"stability.brand-new-v1:0"}]}"#),
        page(
            r#"{"inferenceProfileSummaries":[{"inferenceProfileId":"us.amazon.brand-new-v1:0"}]}"#,
        ),
    ])
    .await;
    let base = format!("http://{}", provider.address);
    let configured = made("bedrock", &base, "AKIDEXAMPLE:key:token", true);
    let current = Arc::new(Current::new(configured));
    let snapshot = current.seen();
    let config = DiscoveryConfig { enabled: true, every: Time(Duration::from_secs(600)) };
    let (upstream, tasks) = (UpstreamConfig::default(), Tasks::new());
    Discovery::new(current, &upstream, &config, Clock::system()).unwrap().start(&tasks);
    for path in [
        "/foundation-models?byInferenceType=ON_DEMAND",
        "/inference-profiles?maxResults=1000&type=SYSTEM_DEFINED",
    ] {
        let Seen::Request { head, .. } = provider.next().await else { panic!("{path}") };
        assert!(head.starts_with(&format!("GET {path} HTTP/1.1")), "{head}");
        assert!(head.contains("authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"), "{head}");
        assert!(head.contains("/us-east-1/bedrock/aws4_request, SignedHeaders=host;"), "{head}");
        assert!(head.contains("x-amz-security-token: token"), "{head}");
    }
    for name in ["stability.brand-new-v1:0", "us.amazon.brand-new-v1:0"] {
        while !snapshot.load().routes.contains_key(&name.into()) {
            tokio::task::yield_now().await;
        }
    }
    tasks.stop();
}
