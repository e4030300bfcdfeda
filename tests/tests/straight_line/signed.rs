//! A client of Bedrock's that signs its requests.

use e2e::hub::Hub;
use e2e::signed::Signer;
use serde_json::json;

use crate::rig::http::{Answer, exchange, request};
use crate::{hub, output, rows, serve};

const KEYS: &str = "[[keys]]\nid = \"signs\"\nsecret = \"shown-by-others\"\n\
     aws = { access_key_id = \"HUBKEYTEST\", secret = \"signs-and-is-not-sent\" }\n";

const RIGHT: Signer<'_> = Signer { id: "HUBKEYTEST", secret: "signs-and-is-not-sent" };

/// Signs one body and sends another, or the same.
fn post(hub: &Hub, signer: Signer<'_>, path: &str, signed: &str, sent: &str) -> Answer {
    // as `request` says it
    let headers = signer.headers("hub", path, signed.as_bytes()).unwrap();
    let headers: Vec<(&str, &str)> =
        headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    exchange(hub.listen, &request("POST", path, &headers, sent.as_bytes()))
}

#[test]
fn who_signs_is_served_and_pays() {
    let folder = tempfile::tempdir().unwrap();
    let hub = hub(folder.path(), &[], KEYS);
    let process = serve(&hub);
    let body = |text: &str| {
        json!({"messages": [{"role": "user", "content": [{"text": text}]}]}).to_string()
    };
    let said = body("one two h\u{e9}");

    let whole = post(&hub, RIGHT, "/model/demo%2Fdemo/converse", &said, &said);
    assert_eq!(whole.status, 200, "{}", whole.text());
    let text = whole.json()["output"]["message"]["content"][0]["text"].to_string();
    assert!(text.contains("one two h\u{e9}"), "{text}");
    let stream = post(&hub, RIGHT, "/model/demo/converse-stream", &said, &said);
    assert_eq!(stream.status, 200, "{}", stream.text());
    assert_eq!(stream.header("content-type"), "application/vnd.amazon.eventstream");
    assert!(stream.text().contains("messageStop"), "{}", stream.text());

    let other = body("one two three");
    let unknown = Signer { id: "HUBKEYNONE", ..RIGHT };
    // what others show does not sign
    let shown = Signer { secret: "shown-by-others", ..RIGHT };
    for (signer, sent, class) in [
        (unknown, &said, "UnrecognizedClientException"),
        (shown, &said, "InvalidSignatureException"),
        (RIGHT, &other, "InvalidSignatureException"),
    ] {
        let refused = post(&hub, signer, "/model/demo/converse", &said, sent);
        assert_eq!((refused.status, refused.header("x-amzn-errortype")), (401, class));
        assert!(refused.json()["message"].is_string(), "{}", refused.text());
    }
    let bearer = [("authorization", "Bearer signs-and-is-not-sent")];
    let sent = request("POST", "/model/demo/converse", &bearer, said.as_bytes());
    assert_eq!(exchange(hub.listen, &sent).status, 401, "what signs is no key to show");

    let usage = "SELECT key, dialect, streamed, model, outcome FROM usage ORDER BY streamed";
    let row = |streamed: bool, model: &str| json!({"key": "signs", "dialect": "bedrock.converse", "streamed": streamed, "model": model, "outcome": "completed"});
    assert_eq!(rows(&hub, 2, usage), [row(false, "demo/demo"), row(true, "demo")]);
    let printed = output(&hub, &["config"]);
    let printed = String::from_utf8(printed.stdout).unwrap();
    assert!(printed.contains("HUBKEYTEST") && !printed.contains("signs-and-is-not-sent"));
    assert!(process.stop().unwrap().success());
}
