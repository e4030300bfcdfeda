//! What callers and providers send.

mod body;
mod callers;
mod fields;
mod providers;

use std::net::SocketAddr;
use std::time::Duration;

use e2e::fake_provider::{FakeProvider, Options};
use e2e::hub::{Hub, Provider};
use e2e::process::free_address;
use serde_json::{Value, json};

use crate::check_names;
use crate::rig::http::{Answer, exchange, request};
use crate::rig::{binary, command, eventually, ready, start};

const CHAT: &str = "/v1/chat/completions";
/// Keys of the hub under test by what their account is like.
const NO_MONEY: &str = "key-without-money";
const MONEY: &str = "key-with-money";
const NARROW: &str = "key-for-demo-alone";
/// Words of the caller's that no error may repeat.
const CONTENT: &str = "the caller's own words";

/// Limits that a test can reach, and accounts of each kind. A prepaid account's first grant is in
/// the settings.
const SETTINGS: &str = r#"
[limits]
body = "64KiB"
body_time = "1s"
call_time = "3s"

[[accounts]]
id = "spent"
kind = "prepaid"

[[accounts]]
id = "funded"
kind = "prepaid"
grant = "5"

[[keys]]
id = "spent"
secret = "key-without-money"
account = "spent"

[[keys]]
id = "funded"
secret = "key-with-money"
account = "funded"

[[keys]]
id = "narrow"
secret = "key-for-demo-alone"
models = ["demo"]
"#;

/// One row: what is sent and what must come back.
struct Case {
    name: &'static str,
    send: Vec<u8>,
    to: To,
    want: Want,
}

/// The listener.
#[derive(Clone, Copy, PartialEq)]
enum To {
    Callers,
    Operators,
}

/// What must come back.
struct Want {
    status: u16,
    /// `error.code` and `x-hub-error`; empty when the refusal is not the hub's own.
    code: &'static str,
    /// `error.param`; empty for none.
    param: &'static str,
    /// Part of the message, or of the body when the refusal is not the hub's own.
    says: &'static str,
    /// `x-hub-fault`.
    fault: &'static str,
    /// `retry-after`; empty for none.
    retry: &'static str,
    /// Requests that a provider sees because of it.
    upstream: u64,
}

/// A refusal of the hub's own that is the caller's fault and reaches no provider.
const fn refused(status: u16, code: &'static str, param: &'static str, says: &'static str) -> Want {
    Want { status, code, param, says, fault: "caller", retry: "", upstream: 0 }
}

/// `POST` by a good key.
fn post(name: &'static str, path: &str, body: &[u8], want: Want) -> Case {
    by(name, "key-of-a-test-hub", path, body, want)
}

/// `POST` by another key.
fn by(name: &'static str, key: &str, path: &str, body: &[u8], want: Want) -> Case {
    let authorization = format!("Bearer {key}");
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    raw(name, request("POST", path, &headers, body), want)
}

/// A chat with these fields over good ones; `null` takes a field away.
fn chat(name: &'static str, fields: Value, want: Want) -> Case {
    let good = json!({"model": "m", "messages": [{"role": "user", "content": CONTENT}]});
    post(name, CHAT, &over(good, fields), want)
}

/// Embeddings, likewise.
fn embed(name: &'static str, fields: Value, want: Want) -> Case {
    post(name, "/v1/embeddings", &over(json!({"model": "m", "input": CONTENT}), fields), want)
}

fn over(mut good: Value, fields: Value) -> Vec<u8> {
    for (name, value) in fields.as_object().unwrap() {
        match value {
            Value::Null => drop(good.as_object_mut().unwrap().remove(name)),
            value => good[name] = value.clone(),
        }
    }
    good.to_string().into_bytes()
}

/// Any bytes.
const fn raw(name: &'static str, send: Vec<u8>, want: Want) -> Case {
    Case { name, send, to: To::Callers, want }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_callers_and_providers_send_has_its_clear_error() {
    let fake = FakeProvider::start(Options::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let hub = hub(&fake, folder.path());
    let mut process = start(&hub, "serve", command(&hub, &["serve"]));
    ready(&mut process, &hub, "serve");
    let good = chat("control", json!({}), refused(200, "", "", "\"choices\""));
    let ask = |to, send: &[u8]| {
        let address = if to == To::Callers { hub.listen } else { hub.admin };
        tokio::task::block_in_place(|| exchange(address, send))
    };
    assert_eq!(
        ask(To::Callers, &good.send).status,
        200,
        "a good call must work, or the table shows nothing"
    );

    // a first grant takes the way of every event
    let dear = by("control", MONEY, CHAT, callers::DEAR, refused(402, "", "", ""));
    eventually("the first grant", Duration::from_secs(120), || {
        let says = ask(To::Callers, &dear.send).text();
        says.contains("has 5").then_some(())
    });

    let cases = [callers::cases(), body::cases(), fields::cases(), providers::cases()];
    let cases: Vec<Case> = cases.into_iter().flatten().collect();
    check_names(cases.iter().map(|case| case.name), 80);
    let mut wrong = Vec::new();
    for case in &cases {
        let before = fake.record().counts().0;
        let answer = ask(case.to, &case.send);
        let reached = fake.record().counts().0 - before;
        wrong.extend(differences(case, &answer, reached));
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));

    assert_eq!(ask(To::Callers, &good.send).status, 200, "the hub must serve on");
    assert!(process.runs());
    let (_, readiness) = e2e::hub::get(hub.listen, "/readyz").unwrap();
    assert!(readiness.contains("\"calls_in_flight\": 0"), "{readiness}");
    let log = std::fs::read_to_string(hub.log("serve")).unwrap();
    for secret in [CONTENT, NO_MONEY, MONEY, NARROW, "upstream-key", "panicked"] {
        assert!(!log.contains(secret), "{secret:?} is in the log:\n{log}");
    }
}

/// A hub over the fake, over the fake as xAI, and over an address where nothing is.
fn hub(fake: &FakeProvider, folder: &std::path::Path) -> Hub {
    let nowhere: SocketAddr = free_address().unwrap();
    let provider = |id: &str, url: String, models: &[&str]| Provider {
        id: id.to_owned(),
        url,
        models: models.iter().map(|&model| model.to_owned()).collect(),
    };
    let providers = [
        provider("fake", fake.url(), &["m", "unpriced"]),
        provider("gone", format!("http://{nowhere}/v1"), &["gone"]),
    ];
    let xai = format!(
        "[[providers]]\nid = \"x\"\nvendor = \"xai\"\nbase_url = {:?}\nmodels = [\"x\"]\n\
         credentials = [{{ id = \"main\", secret = \"upstream-key\" }}]\n",
        fake.url()
    );
    Hub::new(binary(), folder, &providers, &format!("{SETTINGS}\n{xai}")).unwrap()
}

fn differences(case: &Case, answer: &Answer, reached: u64) -> Vec<String> {
    let Want { status, code, param, says, fault, retry, upstream } = case.want;
    let body = answer.json();
    let error = &body["error"];
    let own = !code.is_empty();
    let mut found = vec![
        ("status", answer.status.to_string(), status.to_string()),
        ("x-hub-error", answer.header("x-hub-error").to_owned(), code.to_owned()),
        ("x-hub-fault", answer.header("x-hub-fault").to_owned(), fault.to_owned()),
        ("retry-after", answer.header("retry-after").to_owned(), retry.to_owned()),
        ("requests upstream", reached.to_string(), upstream.to_string()),
    ];
    // a provider's own refusal is passed on as it is
    if own && code != "provider_refused" {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        found.push((
            "content-type",
            answer.header("content-type").to_owned(),
            "application/json".to_owned(),
        ));
        // AIGNE's clients read it from the type
        let class = error.get("code").unwrap_or(&error["type"]);
        found.push(("error.code", text(class), code.to_owned()));
        found.push(("error.param", text(&error["param"]), param.to_owned()));
    }
    let said =
        error["message"].as_str().filter(|_| own).map_or_else(|| answer.text(), str::to_owned);
    let mut wrong: Vec<String> = found
        .into_iter()
        .filter(|(_, got, wanted)| got != wanted)
        .map(|(what, got, wanted)| {
            format!("{}: {what} is {got:?}, not {wanted:?}: {said}", case.name)
        })
        .collect();
    if !said.contains(says) {
        wrong.push(format!("{}: says {said:?}, not {says:?}", case.name));
    }
    if said.contains(CONTENT) {
        wrong.push(format!("{}: repeats the caller's words: {said}", case.name));
    }
    wrong
}
