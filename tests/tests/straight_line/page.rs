//! A script in a web page, and the command that tells an operator whether a credential works.

use crate::rig::http::{Answer, exchange, request};
use crate::{fake, hub, output, say, serve};

/// The SHA-256 of `page-key`.
const KEYS: &str = "[[keys]]\nid = \"page\"\norigins = [\"https://app.example\"]\n\
     sha256 = \"49dc1741e4eea0ad65e4a4de9f2d7492a65d8998cf311e4295c6c6201865999e\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn scripts_call_from_the_origins_of_their_key_alone() {
    let fake = fake("").await;
    let folder = tempfile::tempdir().unwrap();
    let hub = hub(folder.path(), &[("fake", &fake)], KEYS);
    tokio::task::block_in_place(|| {
        let process = serve(&hub);
        let asks = |origin: &str| {
            let headers = [
                ("origin", origin),
                ("access-control-request-method", "POST"),
                ("access-control-request-headers", "authorization,content-type"),
            ];
            exchange(hub.listen, &request("OPTIONS", "/v1/chat/completions", &headers, b""))
        };
        let calls = |origin: &str, key: &str| {
            let bearer = format!("Bearer {key}");
            let headers = [
                ("origin", origin),
                ("authorization", bearer.as_str()),
                ("content-type", "application/json"),
            ];
            let body = say("fake/m", "hi").to_string();
            let body = request("POST", "/v1/chat/completions", &headers, body.as_bytes());
            let answer = exchange(hub.listen, &body);
            assert_eq!(answer.status, 200, "{}", answer.text());
            answer
        };
        let allowed = |answer: &Answer| answer.header("access-control-allow-origin").to_owned();
        let (page, other) = ("https://app.example", "https://evil.example");

        let asked = asks(page);
        assert_eq!((asked.status, allowed(&asked).as_str()), (200, page));
        assert!(asked.header("access-control-allow-methods").contains("POST"));
        assert_eq!(asked.header("access-control-allow-headers"), "authorization,content-type");
        assert_eq!(allowed(&asks(other)), "");
        let answer = calls(page, "page-key");
        assert_eq!(allowed(&answer), page);
        assert!(answer.header("access-control-expose-headers").contains("x-hub-call"));
        assert_eq!(allowed(&calls(other, "page-key")), "");
        // a key of a server is of no use in a page
        assert_eq!(allowed(&calls(page, &hub.key)), "");

        let checked = output(&hub, &["providers", "check", "fake"]);
        let said = String::from_utf8_lossy(&checked.stdout);
        assert!(checked.status.success() && said.contains("fake/main: works"), "{checked:?}");
        let unknown = output(&hub, &["providers", "check", "fakes"]);
        let said = String::from_utf8_lossy(&unknown.stderr);
        assert!(!unknown.status.success() && said.contains("no provider fakes"), "{unknown:?}");
        assert!(process.stop().unwrap().success());
    });
}
