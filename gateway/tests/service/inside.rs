//! Addresses that only the hub can reach: a call goes there where the provider may be there.

use std::sync::Arc;

use gateway::config::UpstreamConfig;
use gateway::control::check::check;
use gateway::providers::Endpoint;
use gateway::routing::{Plan, Target};
use runtime::clock::Micros;
use schemas::event::{AttemptError, Outcome};

use crate::discovery::snapshot_within;
use crate::rig::{Rig, deadlines, target_at};
use crate::scripted::{ANSWER, Provider, whole};

const CALL: &str = r#"{"model":"gpt-4o-mini","messages":[{"role":"user","content":"hi"}]}"#;

/// The same provider, as one that must be on the public internet.
fn outside(base: &str) -> Arc<Target> {
    let inside = target_at("openai", base, deadlines());
    let Endpoint { id, vendor, base_url, deadlines, .. } = &*inside.endpoint;
    let endpoint = Endpoint::new(id.clone(), vendor.clone(), base_url.clone(), *deadlines).unwrap();
    let auth = inside.auth.clone();
    Arc::new(Target::new(Arc::new(endpoint), "main".into(), 1, auth, "gpt-4o-mini".into()))
}

#[tokio::test]
async fn a_private_address_is_refused_and_the_caller_told_why() {
    let provider = Provider::start(Vec::new()).await;
    let port = provider.address.port();
    for base in [format!("http://localhost:{port}/v1"), format!("http://127.0.0.1:{port}/v1")] {
        let mut rig = Rig::new();
        let error = rig.start(CALL, Plan::of([outside(&base)])).await.unwrap_err();
        assert!(
            error.message.contains("could not be reached: its address is private"),
            "{error:?}"
        );
        let (outcome, _, _, attempts) = rig.story().await;
        assert_eq!(outcome, Outcome::Failed);
        assert!(!attempts.is_empty());
        assert!(attempts.iter().all(|error| *error == AttemptError::Connect), "{attempts:?}");
    }
    let metadata = target_at("openai", "http://169.254.169.254/v1", deadlines());
    let error = Rig::new().start(CALL, Plan::of([metadata])).await.unwrap_err();
    assert!(error.message.contains("that of a metadata service"), "{error:?}");
}

/// The connection of a provider that may be there is kept, and is none for one that must not.
#[tokio::test]
async fn a_kept_connection_is_not_lent_to_who_must_not_have_it() {
    let answers = vec![vec![whole("200 OK", "", ANSWER)], vec![whole("200 OK", "", ANSWER)]];
    let mut provider = Provider::start(answers).await;
    let base = format!("http://{}/v1", provider.address);
    let mut rig = Rig::new();
    for _ in 0..2 {
        let inside = target_at("openai", &base, deadlines());
        drop(rig.start(CALL, Plan::of([inside])).await.unwrap());
        provider.body().await;
        let error = rig.start(CALL, Plan::of([outside(&base)])).await.unwrap_err();
        assert!(error.message.contains("its address is private"), "{error:?}");
    }
    assert_eq!(provider.rest(), []);
}

#[tokio::test]
async fn a_check_tells_that_it_did_not_ask() {
    let mut provider = Provider::start(Vec::new()).await;
    let base = format!("http://{}/v1", provider.address);
    let snapshot = snapshot_within("openai", &base, false);
    let checked = check(&snapshot, &UpstreamConfig::default(), None, Micros(0)).await.unwrap();
    let [checked] = checked.as_slice() else { panic!("{checked:?}") };
    assert!(
        !checked.works && checked.says.contains("is not asked: its address is private"),
        "{checked:?}"
    );
    assert_eq!(provider.rest(), []);
}

/// It would take the credential elsewhere.
#[tokio::test]
async fn a_redirect_of_a_provider_is_not_followed() {
    let mut elsewhere = Provider::start(vec![vec![whole("200 OK", "", ANSWER)]; 8]).await;
    let location = format!("location: http://{}/v1/chat/completions\r\n", elsewhere.address);
    let redirect = vec![whole("307 Temporary Redirect", &location, "")];
    let provider = Provider::start(vec![redirect; 8]).await;
    let base = format!("http://{}/v1", provider.address);
    let target = target_at("openai", &base, deadlines());
    let mut rig = Rig::new();
    rig.start(CALL, Plan::of([target])).await.unwrap_err();
    let snapshot = snapshot_within("openai", &base, true);
    let checked = check(&snapshot, &UpstreamConfig::default(), None, Micros(0)).await.unwrap();
    assert!(checked.iter().all(|checked| !checked.works), "{checked:?}");
    assert_eq!(elsewhere.rest(), []);
}
