//! kill -9 with calls in flight: each is settled once.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use e2e::hub::Hub;
use serde_json::{Value, json};

use crate::rig::eventually;
use crate::rig::http::request;
use crate::{PATIENCE, all_is_sound, fake, hub, rows, say, serve};

/// A stream of which so much has come, and that goes on for ever.
pub(crate) fn open(hub: &Hub, model: &str, until: &str) -> TcpStream {
    let mut body = say(model, "hi");
    body["stream"] = true.into();
    let authorization = format!("Bearer {}", hub.key);
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    let mut stream = TcpStream::connect(hub.listen).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let bytes = request("POST", "/v1/chat/completions", &headers, body.to_string().as_bytes());
    stream.write_all(&bytes).unwrap();
    let mut text = String::new();
    while !text.contains(until) {
        let mut bytes = [0; 4096];
        let read = stream.read(&mut bytes).unwrap();
        assert_ne!(read, 0, "the stream ended: {text}");
        text.push_str(&String::from_utf8_lossy(&bytes[..read]));
    }
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_in_flight_at_a_kill_is_settled_once() {
    let fake = fake("").await;
    let folder = tempfile::tempdir().unwrap();
    let hub = hub(folder.path(), &[("fake", &fake)], "");
    tokio::task::block_in_place(|| {
        let mut process = serve(&hub);
        // one that has given content, and one that the provider has not begun to answer
        let begun = open(&hub, "fake/m+tokens=9,stall_after=6", "w5 ");
        let silent = open(&hub, "fake/m+stall_first", "");
        eventually("both are with the provider", PATIENCE, || {
            (fake.record().counts().0 == 2).then_some(())
        });
        process.kill().unwrap();
        drop((begun, silent));

        let again = serve(&hub);
        let lost = "SELECT model, outcome, error, status, toString(arraySum(`charges.units`)) AS units, toBool(has(`charges.estimated`, true)) AS estimated, \
             arrayStringConcat(`charges.meter`, ' ') AS meters, arrayElementOrNull(`charges.units`, indexOf(`charges.meter`, 'output')) AS output \
             FROM usage ORDER BY model SETTINGS output_format_json_quote_64bit_integers = 0";
        let found = rows(&hub, 2, lost);
        let [silent, begun] = [&found[0], &found[1]].map(Clone::clone);
        let (silent, begun) =
            if silent["model"] == "fake/m+stall_first" { (silent, begun) } else { (begun, silent) };
        for row in [&silent, &begun] {
            assert_eq!(
                (&row["outcome"], &row["error"]),
                (&json!("lost"), &json!("gateway_died")),
                "{row}"
            );
        }
        assert_eq!(silent["units"], "0", "nothing was given, nothing is owed: {silent}");
        assert_eq!(
            (&begun["meters"], &begun["estimated"]),
            (&json!("input output"), &json!(true)),
            "{begun}"
        );
        // six pieces of six bytes, four bytes a token
        let output = begun["output"].as_u64().unwrap();
        assert!((9..=12).contains(&output), "{output} tokens for what was given: {begun}");
        assert_eq!(all_is_sound(&hub), 2);
        let charged = "SELECT kind, toString(count()) AS number, toString(min(amount) < 0) AS owed FROM ledger GROUP BY kind";
        let charged: Vec<Value> = rows(&hub, 1, charged);
        assert_eq!(charged[0]["kind"], "usage", "{charged:?}");

        // each was cut off in its first attempt, which is no fault of the provider's
        let tries = rows(&hub, 2, "SELECT number, provider, status, error FROM attempts");
        let cut_off = json!({"number": 1, "provider": "fake", "status": 0, "error": "cancelled"});
        assert_eq!(tries, [cut_off.clone(), cut_off]);

        // once is for ever
        assert!(again.stop().unwrap().success());
        let third = serve(&hub);
        assert_eq!(all_is_sound(&hub), 2);
        assert_eq!(rows(&hub, 2, lost), found);
        assert!(third.stop().unwrap().success());
    });
}
