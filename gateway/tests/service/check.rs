//! What a check says of a credential.

use gateway::config::UpstreamConfig;
use gateway::control::check::check;
use runtime::clock::Micros;

use crate::discovery::snapshot;
use crate::scripted::{ANSWER, Provider, Step, whole};

#[tokio::test]
async fn a_credential_is_told_in_plain_words() {
    let error =
        |code: &str| format!(r#"{{"error":{{"message":"no {code}","type":"x","code":"{code}"}}}}"#);
    for (script, works, says) in [
        (whole("200 OK", "", ANSWER), true, "answered in"),
        (whole("200 OK", "", "<html>"), false, "in another format"),
        (whole("401 Unauthorized", "", &error("invalid_api_key")), false, "the key is wrong"),
        (whole("429 Too Many Requests", "", &error("insufficient_quota")), false, "no credit"),
        (whole("404 Not Found", "", &error("model_not_found")), false, "enable the model"),
        (whole("429 Too Many Requests", "", "{}"), false, "rate limited at the moment"),
        (whole("503 Service Unavailable", "", ""), false, "trouble of its own"),
        (Step::Close, false, "can't be reached"),
    ] {
        let mut provider = Provider::start(vec![vec![script]]).await;
        let snapshot = snapshot("openai", &format!("http://{}/v1", provider.address));
        let config = UpstreamConfig::default();
        let checked = check(&snapshot, &config, None, Micros(0)).await.unwrap();
        let [checked] = checked.as_slice() else { panic!("{checked:?}") };
        assert_eq!((checked.works, checked.says.contains(says)), (works, true), "{checked:?}");
        assert!(!format!("{checked:?}").contains("secret"));
        // the cheapest there is, and hardly anything of it
        let body = provider.body().await;
        assert!(body.contains("\"max_completion_tokens\":16"), "{body}");
        let model = checked.model.as_ref().unwrap();
        assert!(body.contains(&format!("\"model\":\"{model}\"")), "{body}");
    }
}
