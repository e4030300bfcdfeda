//! What callers say, what providers answer and what is secret stays out of everything that the
//! hub writes down.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

#[path = "rig/mod.rs"]
#[expect(dead_code, reason = "shared with the other tests over a running hub")]
mod rig;

use std::path::{Path, PathBuf};

use e2e::hub::Hub;
use e2e::process::Process;
use e2e::signed::Signer;
use rig::http;
use serde_json::json;

/// Everything below a folder.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

#[test]
fn prompts_answers_and_secrets_stay_out() {
    let folder = tempfile::tempdir().unwrap();
    let more = "[telemetry]\nfilter = \"trace\"\nformat = \"json\"\n[[keys]]\nid = \"signs\"\nsecret = \"a-key\"\n\
                aws = { access_key_id = \"HUBKEYTEST\", secret = \"marker-of-what-signs\" }\n";
    let hub = Hub::new(rig::binary(), folder.path(), &[], more).unwrap();
    let mut command = rig::command(&hub, &["serve"]);
    command.env("OPENAI_API_KEY", "sk-marker-of-a-provider-key");
    let mut process = Process::start("serve", &mut command, &hub.log("serve")).unwrap();
    rig::ready(&mut process, &hub, "serve");

    let say = |stream: bool| {
        let content = "marker-of-a-prompt";
        json!({"model": "demo", "stream": stream, "messages": [{"role": "user", "content": content}]})
    };
    for stream in [false, true] {
        let answer = http::chat(hub.listen, &hub.key, &say(stream));
        assert_eq!(answer.status, 200, "{}", answer.text());
        // the demo model says it back, so the answer holds the marker too
        assert!(answer.text().contains("marker-of-a-prompt"));
    }
    let refused = http::chat(hub.listen, "hk-marker-of-a-wrong-key", &say(false));
    assert_eq!(refused.status, 401);
    let signer = Signer { id: "HUBKEYTEST", secret: "marker-of-what-signs" };
    let said = json!({"messages": [{"role": "user", "content": [{"text": "marker-of-a-prompt"}]}]});
    let (path, said) = ("/model/demo/converse", said.to_string());
    let signed = signer.headers("hub", path, said.as_bytes()).unwrap();
    let signed: Vec<(&str, &str)> =
        signed.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let signed = http::request("POST", path, &signed, said.as_bytes());
    let signed = http::exchange(hub.listen, &signed);
    assert_eq!(signed.status, 200, "{}", signed.text());
    let broken = http::exchange(
        hub.listen,
        &http::request(
            "POST",
            "/v1/chat/completions",
            &[("authorization", &format!("Bearer {}", hub.key))],
            b"{\"model\": \"marker-of-a-prompt",
        ),
    );
    assert_eq!(broken.status, 400);
    assert!(!broken.text().contains("marker"), "{}", broken.text());

    let metrics = e2e::hub::get(hub.admin, "/metrics").unwrap().1;
    assert!(metrics.contains("hub_calls_total"), "{metrics}");
    let shown = e2e::hub::get(hub.admin, "/readyz").unwrap().1 + &metrics;
    let secret = std::fs::read_to_string(hub.data().join("secrets").join("client-key")).unwrap();
    process.stop().unwrap();

    let mut written = Vec::new();
    files(&hub.data(), &mut written);
    let secrets = hub.data().join("secrets");
    written.retain(|path| !path.starts_with(&secrets));
    written.push(hub.log("serve"));
    assert!(written.len() > 5, "{written:?}");
    let log = std::fs::read_to_string(hub.log("serve")).unwrap();
    assert!(log.lines().count() > 20, "the log at trace says more:\n{log}");
    let markers = [
        "marker-of-a-prompt",
        "sk-marker-of",
        "marker-of-a-wrong",
        "marker-of-what-signs",
        secret.trim(),
        &hub.key,
    ];
    for marker in markers {
        assert!(!shown.contains(marker), "{marker} is in /readyz or /metrics");
        for path in &written {
            let bytes = std::fs::read(path).unwrap_or_default();
            let there = memchr::memmem::find(&bytes, marker.as_bytes()).is_some();
            assert!(!there, "{marker} is in {}", path.display());
        }
    }
}
