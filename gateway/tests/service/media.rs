//! Media at addresses, for providers that want them in the request.

use std::time::Duration;

use gateway::config::{MediaConfig, UpstreamConfig};
use gateway::error::Error;
use gateway::routing::Plan;
use gateway::usage::Durability;
use runtime::config::{Bytes, Time};

use crate::rig::{Rig, target_at};
use crate::scripted::{Provider, Step, whole};

const ANSWER: &str = r#"{"message":{"role":"assistant","content":"a dot"},"done":true,"done_reason":"stop","prompt_eval_count":9,"eval_count":2}"#;
const PNG: &str = "\u{89}PNG";

fn asks_for(url: &str) -> String {
    serde_json::json!({"model": "m", "messages": [{"role": "user", "content": [
        {"type": "text", "text": "what is this?"},
        {"type": "image_url", "image_url": {"url": url}},
    ]}]})
    .to_string()
}

async fn asked(
    url: &str,
    media: MediaConfig,
    scripts: Vec<Vec<Step>>,
) -> (Result<(), Error>, Provider) {
    let provider = Provider::start(scripts).await;
    let base = format!("http://{}", provider.address);
    let plan = Plan::of(vec![target_at("ollama", &base, crate::rig::deadlines())]);
    let config = UpstreamConfig { media, ..UpstreamConfig::default() };
    let mut rig = Rig::with(Durability::Process, config);
    let answer = rig.start(&asks_for(url), plan).await.map(drop);
    (answer, provider)
}

#[tokio::test]
async fn an_image_at_an_address_is_brought_along() {
    let image = "HTTP/1.1 200 OK\r\ncontent-type: image/gif\r\ncontent-length: 6\r\n\r\nGIF89a";
    let store = Provider::start(vec![vec![Step::Write(image.into())]]).await;
    let media = MediaConfig { trusted: vec![store.address.to_string()], ..MediaConfig::default() };
    let url = format!("http://{}/dot", store.address);
    let (answer, mut provider) = asked(&url, media, vec![vec![whole("200 OK", "", ANSWER)]]).await;
    answer.unwrap();
    let sent: serde_json::Value = serde_json::from_str(&provider.body().await).unwrap();
    assert_eq!(sent["messages"][0]["images"], serde_json::json!(["R0lGODlh"]));
}

/// Each is the caller's fault, is told so, and costs no attempt.
#[tokio::test]
async fn what_can_not_be_brought_is_refused() {
    let html = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>";
    let gone = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
    let inside =
        "HTTP/1.1 302 Found\r\nlocation: https://10.0.0.1/secret\r\ncontent-length: 0\r\n\r\n";
    let large = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: 2000\r\n\r\n{PNG}{}",
        "x".repeat(1995)
    );
    let silent = Step::UntilHangup;
    let store = Provider::start(vec![
        vec![Step::Write(html.into())],
        vec![Step::Write(gone.into())],
        vec![Step::Write(inside.into())],
        vec![Step::Write(large)],
        vec![silent],
    ])
    .await;
    let own = format!("http://{}/x", store.address);
    for (url, says) in [
        (own.as_str(), "no image"),
        (&own, "HTTP 404"),
        (&own, "its address is private"),
        (&own, "larger than 1000 bytes"),
        (&own, "in time"),
        ("http://example.com/a.png", "only https"),
        ("https://127.0.0.1/a.png", "its address is private"),
        ("https://[::1]/a.png", "its address is private"),
        ("https://169.254.169.254/latest/meta-data", "that of a metadata service"),
        ("https://localhost/a.png", "its address is private"),
    ] {
        let media = MediaConfig {
            size: Bytes(1000),
            time: Time(Duration::from_millis(300)),
            trusted: vec![store.address.to_string()],
        };
        let (answer, mut provider) = asked(url, media, Vec::new()).await;
        let error = answer.unwrap_err();
        assert!(error.message.contains(says), "{url}: {}", error.message);
        assert_eq!(provider.rest(), [], "{url}");
    }
}
