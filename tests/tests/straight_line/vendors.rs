//! Vendors that the hub was not built with, several endpoints of one vendor, and endpoints that copy a vendor's format.

use std::path::Path;

use e2e::fake_provider::record::{Entry, Whole};
use e2e::fake_provider::script::{Script, write};
use e2e::fake_provider::{FakeProvider, Options};
use e2e::hub::Hub;
use serde_json::{Value, json};

use crate::rig::http::{Answer, exchange, request};
use crate::rig::{self, ready};
use crate::{command, say};

const OPENAI: &str = r#"{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"from WHO"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":5,"total_tokens":14}}"#;
const ANTHROPIC: &str = r#"{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"from WHO"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":9,"output_tokens":5}}"#;

/// A provider that keeps what it is asked.
async fn upstream() -> FakeProvider {
    FakeProvider::start(Options { whole: true, ..Options::default() }).await.unwrap()
}

/// The next answer of a provider that is called `who`.
fn answers(fake: &FakeProvider, body: &str, who: &str) {
    let body = body.replace("WHO", who);
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length";
    let steps = vec![write(format!("{head}: {}\r\n\r\n{body}", body.len()).into_bytes())];
    fake.script(Script { status: 200, steps, whole: true, ..Script::default() });
}

/// The last request that came, with its path.
fn last(fake: &FakeProvider) -> (String, Whole) {
    let latest = fake.record().entries().into_iter().rev().find_map(|entry| match entry {
        Entry::Arrival(arrival) => Some((arrival.path, arrival.whole.unwrap())),
        Entry::End(_) => None,
    });
    latest.unwrap()
}

fn header<'a>(whole: &'a Whole, name: &str) -> &'a str {
    let found = whole.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map_or("", |(_, value)| value)
}

fn post(hub: &Hub, path: &str, body: &Value) -> Answer {
    let authorization = format!("Bearer {}", hub.key);
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    exchange(hub.listen, &request("POST", path, &headers, body.to_string().as_bytes()))
}

fn chat(hub: &Hub, body: &Value) -> Answer {
    post(hub, "/v1/chat/completions", body)
}

/// A gateway over these settings, and variables of its environment.
fn gateway(
    folder: &Path,
    settings: &str,
    variables: &[(&str, &str)],
) -> (Hub, e2e::process::Process) {
    let prices = folder.join("prices.csv");
    let list =
        "provider,model,input,output\nacme,*,1,2\nopenai,*,1,2\nanthropic,*,1,2\nazure,*,1,2\n";
    std::fs::write(&prices, list).unwrap();
    let settings = format!("prices_file = {prices:?}\n{settings}");
    let hub = Hub::new(rig::binary(), folder, &[], &settings).unwrap();
    let mut started = command(&hub, &["gateway"]);
    started.envs(variables.iter().copied());
    let mut process = rig::start(&hub, "gateway", started);
    ready(&mut process, &hub, "gateway");
    (hub, process)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_vendor_in_the_operators_file_is_served_without_a_rebuild() {
    let folder = tempfile::tempdir().unwrap();
    let fake = upstream().await;
    let vendors = folder.path().join("vendors.toml");
    let row = format!(
        "[[vendors]]\nid = \"acme\"\nbase_url = \"http://{}/api/v9\"\nauth = \"api-key\"\nkey_env = \"ACME_KEY\"\n\
         chat_path = \"/talk\"\nmodels_path = \"\"\nmax_output_field = \"most\"\n\
         rename = {{ max_tokens = \"most\", max_completion_tokens = \"most\" }}\ndeveloper_role = \"system\"\n",
        fake.address()
    );
    std::fs::write(&vendors, row).unwrap();
    // a key of a vendor that has no usual address is not enough for it to be there
    let variables = [("ACME_KEY", "acme-secret"), ("AZURE_OPENAI_API_KEY", "not-for-the-hub")];
    let settings = format!("vendors_file = {vendors:?}");
    let (hub, _process) = gateway(folder.path(), &settings, &variables);

    answers(&fake, OPENAI, "acme");
    let mut body = say("acme/talker-1", "hi");
    body["max_tokens"] = 7.into();
    body["messages"][0]["role"] = "developer".into();
    let answer = chat(&hub, &body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("x-hub-target"), "acme/talker-1");
    assert_eq!(answer.json()["choices"][0]["message"]["content"], "from acme");
    let (path, whole) = last(&fake);
    assert_eq!((path.as_str(), header(&whole, "api-key")), ("/api/v9/talk", "acme-secret"));
    let sent: Value = serde_json::from_str(&whole.body).unwrap();
    let wanted =
        json!({"model": "talker-1", "messages": [{"role": "system", "content": "hi"}], "most": 7});
    assert_eq!(sent, wanted);

    // and from a client of another format
    answers(&fake, OPENAI, "acme");
    let said = json!({"model": "acme/talker-1", "max_tokens": 7, "messages": [{"role": "user", "content": "hi"}]});
    let answer = post(&hub, "/v1/messages", &said);
    assert_eq!(answer.json()["content"][0]["text"], "from acme", "{}", answer.text());
    let absent = chat(&hub, &say("azure/gpt-4o", "hi"));
    assert_eq!(absent.status, 404, "{}", absent.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn several_endpoints_of_one_vendor_and_compatible_ones_serve_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (us, eu, claude) = (upstream().await, upstream().await, upstream().await);
    let azure = upstream().await;
    let provider = |id: &str, vendor: &str, base: String| {
        format!(
            "[[providers]]\nid = {id:?}\nvendor = {vendor:?}\nbase_url = {base:?}\nmodels = [\"shared\"]\n\
             credentials = [{{ id = \"main\", secret = \"key-of-{id}\" }}]\n"
        )
    };
    let settings = [
        provider("openai", "openai", us.url()),
        provider("openai-eu", "openai", eu.url()),
        provider("claude-eu", "anthropic", claude.url()),
        provider("azure", "azure", format!("http://{}/openai/v1", azure.address())),
    ];
    let (hub, _process) = gateway(folder.path(), &settings.concat(), &[]);

    for (id, fake, body, path, key) in [
        ("openai", &us, OPENAI, "/v1/chat/completions", ("authorization", "Bearer key-of-openai")),
        (
            "openai-eu",
            &eu,
            OPENAI,
            "/v1/chat/completions",
            ("authorization", "Bearer key-of-openai-eu"),
        ),
        ("claude-eu", &claude, ANTHROPIC, "/v1/messages", ("x-api-key", "key-of-claude-eu")),
        ("azure", &azure, OPENAI, "/openai/v1/chat/completions", ("api-key", "key-of-azure")),
    ] {
        answers(fake, body, id);
        let answer = chat(&hub, &say(&format!("{id}/shared"), "hi"));
        assert_eq!(answer.status, 200, "{id}: {}", answer.text());
        assert_eq!(answer.header("x-hub-target"), format!("{id}/shared"));
        let said = &answer.json()["choices"][0]["message"]["content"];
        assert_eq!(said, &json!(format!("from {id}")), "{}", answer.text());
        let (asked, whole) = last(fake);
        assert_eq!((asked.as_str(), header(&whole, key.0)), (path, key.1), "{id}");
        let sent: Value = serde_json::from_str(&whole.body).unwrap();
        assert_eq!(sent["model"], "shared", "{id}");
    }

    // a client of Anthropic's own format: its bytes pass, new fields among them
    answers(&claude, ANTHROPIC, "claude-eu");
    let said = json!({"model": "claude-eu/shared", "max_tokens": 7, "new_field": {"a": 1}, "messages": [{"role": "user", "content": "hi"}]});
    let answer = post(&hub, "/v1/messages", &said);
    assert_eq!(answer.text(), ANTHROPIC.replace("WHO", "claude-eu"));
    let (_, whole) = last(&claude);
    assert_eq!(whole.body, said.to_string().replace("claude-eu/shared", "shared"));
}
