//! Secrets that were given, made and shown once are in no topic, table, outbox, file, log line or answer.

use std::path::{Path, PathBuf};

use e2e::hub::{Hub, Provider};
use runtime::log::local::LocalLog;
use runtime::secret::leak::Leaks;
use schemas::event::{Attempt, Audit, Control, Usage};
use schemas::topics::Topic;
use schemas::wire::Event;
use serde_json::{Value, json};

use crate::rig::{self, eventually, http};
use crate::{PATIENCE, admin, create, owner, told};

/// 32 bytes in base64; not those of other tests, which are zeros and everywhere.
const MASTER: &str = "cGxhbnRlZC1tYXN0ZXIta2V5LW9mLTMyLWJ5dGVzISE";
const CREDENTIAL: &str = "planted-credential-0123456789";
const SIGNING: &str = "planted-signing-secret-0123456789";
const PASSWORD: &str = "planted-password-0123456789";
const WRONG: &str = "planted-wrong-key-0123456789";
const FROM_ENVIRONMENT: &str = "planted-environment-0123456789";

/// Every file below a folder.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

fn command(hub: &Hub, arguments: &[&str]) -> std::process::Command {
    let mut command = rig::command(hub, arguments);
    command.env("HUB_CLICKHOUSE_LIBRARY", rig::library()).env("HUB_MASTER_KEY", MASTER);
    command.env("OPENROUTER_API_KEY", FROM_ENVIRONMENT);
    command
}

fn sql(hub: &Hub, query: &str) -> Vec<u8> {
    let said = command(hub, &["sql", query, "--format", "JSONEachRow"]).output().unwrap();
    assert!(said.status.success(), "{query}: {said:?}");
    said.stdout
}

/// What the hub said while it was used in every way that has to do with secrets, and what it minted.
fn used(hub: &Hub, owner: &str) -> (Vec<String>, [String; 2]) {
    let mut said = Vec::new();
    create(
        hub,
        owner,
        "providers",
        "other",
        json!({"vendor": "openai", "base_url": "http://127.0.0.1:9/v1", "models": ["m"], "allow_private": true}),
    );
    let of = json!({"provider": "other", "name": "main", "secret": CREDENTIAL});
    said.push(create(hub, owner, "credentials", "other.main", of).to_string());
    let of = json!({"title": "app", "aws": {"access_key_id": "HUBKEY", "secret": SIGNING}});
    let made = create(hub, owner, "keys", "app", of);
    let key = made["secret"].as_str().unwrap().to_owned();
    said.push(create(hub, owner, "users", "ada", json!({"password": PASSWORD})).to_string());
    let rotated = told(hub, owner, "POST", "keys/app/rotate", &Value::Null, 200);
    let rotated = rotated["secret"].as_str().unwrap().to_owned();

    // served, refused, failed at the provider, and asked for wrongly
    let body = json!({"model": "demo", "messages": [{"role": "user", "content": "hi"}]});
    for (token, model, status) in [
        (&*key, "demo", 200),
        (&rotated, "demo", 200),
        (&hub.key, "demo", 200),
        (WRONG, "demo", 401),
        (&key, "other/m", 502),
    ] {
        let mut body = body.clone();
        body["model"] = model.into();
        let answer = http::chat(hub.listen, token, &body);
        let fine = answer.status == status || (status == 502 && answer.status >= 500);
        assert!(fine, "{}", answer.text());
        said.push(answer.text());
    }
    for (token, method, path, body) in [
        (owner, "GET", "config".to_owned(), Value::Null),
        (owner, "GET", "keys/app/history".to_owned(), Value::Null),
        (owner, "GET", "credentials/other.main/history".to_owned(), Value::Null),
        (owner, "GET", "users/ada/history".to_owned(), Value::Null),
        (owner, "GET", "problems".to_owned(), Value::Null),
        (owner, "POST", "providers/other/check".to_owned(), Value::Null),
        (owner, "POST", "master-key/rewrap".to_owned(), Value::Null),
        (WRONG, "GET", "keys".to_owned(), Value::Null),
        // put where it does not belong
        (&key, "GET", format!("keys/{rotated}"), Value::Null),
        (owner, "GET", format!("keys?q={PASSWORD}"), Value::Null),
        (
            owner,
            "POST",
            "providers".to_owned(),
            json!({"id": "x", "spec": {"base_url": CREDENTIAL}}),
        ),
        (
            owner,
            "POST",
            "users".to_owned(),
            json!({"id": "eve", "spec": {"password": PASSWORD, "nonsense": 1}}),
        ),
    ] {
        let answer = admin(hub, token, method, &path, (!body.is_null()).then_some(&body));
        assert_ne!(answer.status, 0, "{path}");
        // what was wrong may be named to who sent it
        if answer.status != 422 {
            said.push(answer.text());
        }
    }
    let remote = |arguments: &[&str]| {
        let mut command = command(hub, arguments);
        let out = command.output().unwrap();
        String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned()
    };
    for arguments in [
        &["export-config"][..],
        &["audit", "list"],
        &["keys", "list", "--json"],
        &["route", "explain", "demo"],
    ] {
        said.push(remote(arguments));
    }
    for path in ["/readyz", "/metrics"] {
        said.push(e2e::hub::get(hub.admin, path).unwrap().1);
    }
    (said, [key, rotated])
}

/// What a topic's events say; Avro keeps texts as they are, so the records' own bytes are looked at too.
async fn say<E: Event + std::fmt::Debug>(log: &LocalLog, topic: Topic) -> Vec<Vec<u8>> {
    let events: Vec<E> = rig::log::events(log, topic).await;
    events.iter().map(|event| format!("{event:?}").into_bytes()).collect()
}

/// All records of all topics, as they are and as they are read.
async fn topics(hub: &Hub) -> Vec<(Topic, Vec<Vec<u8>>)> {
    let log = rig::log::open(hub);
    let mut all = Vec::new();
    for topic in Topic::ALL {
        let mut said = match topic {
            Topic::Usage => say::<Usage>(&log, topic).await,
            Topic::Attempts => say::<Attempt>(&log, topic).await,
            Topic::Control => say::<Control>(&log, topic).await,
            Topic::Audit => say::<Audit>(&log, topic).await,
            _ => Vec::new(),
        };
        for record in rig::log::records(&log, topic).await {
            let headers = format!("{:?}", record.headers);
            let value = record.value.as_deref().unwrap_or_default();
            said.push([&record.key[..], value, headers.as_bytes()].concat());
        }
        all.push((topic, said));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn planted_secrets_are_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let upstream =
        Provider { id: "openai".into(), url: "http://127.0.0.1:9/v1".into(), models: Vec::new() };
    let hub = Hub::new(
        rig::binary(),
        folder.path(),
        &[upstream],
        "[telemetry]\nfilter = \"trace\"\nformat = \"json\"\n",
    )
    .unwrap();
    let mut process = rig::start(&hub, "serve", command(&hub, &["serve"]));
    rig::ready(&mut process, &hub, "serve");
    let owner = owner(&hub);
    let (said, [key, rotated]) = used(&hub, &owner);
    let client = std::fs::read_to_string(hub.data().join("secrets/client-key")).unwrap();
    let planted = [
        ("credential", CREDENTIAL),
        ("signing secret", SIGNING),
        ("password", PASSWORD),
        ("wrong key", WRONG),
        ("environment's key", FROM_ENVIRONMENT),
        ("master key", MASTER),
        ("master key's bytes", "planted-master-key-of-32-bytes!!"),
        ("minted key", &key),
        ("rotated key", &rotated),
        ("owner's token", &owner),
        ("client key", client.trim()),
        ("key of the settings", &hub.key),
    ];
    let leaks = Leaks::of(planted);
    for answer in &said {
        assert_eq!(leaks.within(answer), [""; 0], "{answer}");
    }

    // each table has what there is to have, before it is read
    eventually("calls and changes are rows", PATIENCE, || {
        let mut counted = command(
            &hub,
            &[
                "sql",
                "SELECT (SELECT count() FROM usage) >= 3 AND (SELECT count() FROM changes) > 8 AND (SELECT count() FROM audit) > 3",
            ],
        );
        let counted = counted.arg("--format").arg("TSV").output().unwrap();
        (counted.stdout == b"1\n").then_some(())
    });
    let tables = sql(
        &hub,
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine != 'Kafka'",
    );
    let tables: Vec<Value> = String::from_utf8(tables)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(tables.len() > 10, "{tables:?}");
    for table in tables.iter().filter_map(|it| it["name"].as_str()) {
        let rows = sql(&hub, &format!("SELECT * FROM `{table}`"));
        assert_eq!(leaks.within(&rows), [""; 0], "table {table}");
    }
    process.stop().unwrap();

    for (topic, records) in topics(&hub).await {
        for record in &records {
            let text = String::from_utf8_lossy(record);
            assert_eq!(leaks.within(record), [""; 0], "{topic}: {text}");
        }
        let used = [Topic::Usage, Topic::Attempts, Topic::Control, Topic::Audit];
        assert!(!used.contains(&topic) || records.len() > 2, "{topic}: {}", records.len());
    }

    let mut written = Vec::new();
    files(&hub.data(), &mut written);
    // where secrets are kept, for their owner alone
    written.retain(|path| !path.starts_with(hub.data().join("secrets")));
    written.push(hub.log("serve"));
    assert!(written.iter().any(|path| path.starts_with(hub.data().join("outbox"))), "{written:?}");
    for path in &written {
        let bytes = std::fs::read(path).unwrap_or_default();
        assert_eq!(leaks.within(bytes), [""; 0], "{}", path.display());
    }
    let lines = hub.said("serve").lines().count();
    assert!(lines > 100, "the log at trace says more: {lines} lines");
}

/// What would be a leak is found: a secret that is put into a title is in answers, records and tables.
#[tokio::test(flavor = "multi_thread")]
async fn a_deliberate_leak_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::new(rig::binary(), folder.path(), &[], "").unwrap();
    let mut process = rig::start(&hub, "serve", command(&hub, &["serve"]));
    rig::ready(&mut process, &hub, "serve");
    let owner = owner(&hub);
    let leaks = Leaks::of([("it", CREDENTIAL)]);
    let hex: String = CREDENTIAL.bytes().map(|byte| format!("{byte:02x}")).collect();
    let answer =
        create(&hub, &owner, "projects", "leak", json!({"title": format!("{CREDENTIAL} {hex}")}));
    let both = ["it (as it is)", "it (hex)"];
    assert_eq!(leaks.within(answer.to_string()), both);
    eventually("it is a row", PATIENCE, || {
        let rows = command(&hub, &["sql", "SELECT * FROM changes", "--format", "JSONEachRow"])
            .output()
            .unwrap();
        (leaks.within(rows.stdout) == both).then_some(())
    });
    process.stop().unwrap();
    let found = topics(&hub).await.into_iter().any(|(topic, records)| {
        topic == Topic::Control && records.iter().any(|record| leaks.within(record) == both)
    });
    assert!(found);
}
