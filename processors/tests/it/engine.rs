//! Against a real ClickHouse: `HUB_TEST_CLICKHOUSE=http://user:password@127.0.0.1:8123` names one,
//! where each test makes a database of its own. `make test` starts one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use analytics::Layout;
use analytics::migrate::migrate;
use analytics::query::QUERIES;
use analytics::table::{HealthRow, Table};
use clickhouse::Client;
use processors::sink::{
    self, Attempts, Audits, Balances, Changes, Entries, Healths, Options, Usages,
};
use processors::{Deps, replay};
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use runtime::log::Header;
use runtime::task::CancellationToken;
use schemas::event::{AttemptError, Audit, Control, Hash};
use schemas::ids::Origin;
use schemas::topics::Topic;

use crate::flaky::Flaky;
use crate::health::attempt;
use crate::rig::{Rig, Running, book, grant, usage};

/// A fresh database of this name.
pub(crate) async fn database(name: &str) -> (analytics::Options, Client) {
    #[expect(clippy::disallowed_methods, reason = "tests are told where ClickHouse is")]
    let Ok(given) = std::env::var("HUB_TEST_CLICKHOUSE") else {
        panic!(
            "these tests need a ClickHouse: run `make test`, which starts one, or set \
             HUB_TEST_CLICKHOUSE=http://user:password@127.0.0.1:8123"
        );
    };
    let (scheme, rest) = given.split_once("://").expect("a URL");
    let (login, address) = rest.rsplit_once('@').expect("user:password@");
    let (user, password) = login.split_once(':').expect("user:password");
    let options = analytics::Options {
        url: format!("{scheme}://{address}"),
        user: user.to_owned(),
        password: password.to_owned(),
        database: format!("hub_test_{name}"),
        connector: analytics::Connector::default(),
    };
    let client = analytics::client(&options);
    let bare = client.clone().with_database("default");
    bare.query_raw(&format!("DROP DATABASE IF EXISTS {}", options.database))
        .execute()
        .await
        .unwrap();
    let layout = Layout::default();
    let (one, other) = tokio::join!(migrate(&options, &layout), migrate(&options, &layout));
    assert_eq!(one.unwrap(), other.unwrap(), "two may migrate at once");
    (options, client)
}

#[tokio::test]
async fn columns_are_the_row_types() {
    let (options, client) = database("columns").await;
    migrate(&options, &Layout::default()).await.unwrap();
    for table in Table::ALL {
        let query = "SELECT name FROM system.columns WHERE database = {database:String} \
                     AND table = {table:String} ORDER BY position";
        let query = client.query_raw(query).param("database", &options.database);
        let columns: Vec<String> = query.param("table", table.name()).fetch_all().await.unwrap();
        assert_eq!(columns, table.columns(), "{}", table.name());
    }
    let parameters = BTreeMap::from([
        ("account", "acme"),
        ("from", "2026-01-01 00:00:00"),
        ("to", "2027-01-01 00:00:00"),
        ("hours", "24"),
        ("actor", "key:owner"),
        ("action", ""),
        ("entity", "key"),
        ("request", ""),
        ("since_us", "0"),
        ("until_us", "9000000000000000"),
        ("after_us", "9000000000000000"),
        ("after_offset", "0"),
        ("after_topic", ""),
        ("limit", "10"),
    ]);
    for query in QUERIES {
        let wanted = query.parameters();
        let given = parameters.iter().filter(|(name, _)| wanted.contains(name));
        let given = given.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        query.run(&client, &given, "JSONEachRow").await.unwrap();
    }
}

pub(crate) fn run_sink(client: &Client, deps: &Deps) -> Running {
    let client = client.clone();
    let age = Duration::from_millis(20);
    let options = Options { rows: 500, age, derived_age: age, ..Options::default() };
    Running::start(
        move |deps: Deps, token: CancellationToken| sink::run(deps, client, options, token),
        deps,
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_once_in_clickhouse() {
    let (_, client) = database("row_once").await;
    let rig = Rig::new(2);
    let mut random = SmallRng::seed_from_u64(1);
    rig.log.append(vec![rig.book_record(book())]).await.unwrap();
    rig.log.append(vec![rig.credit_record(&grant("acme", "g1", "5"))]).await.unwrap();
    let _billing = Running::billing(&rig.deps);
    let _health = Running::health(&rig.deps);
    let flaky = rig.deps_on(Flaky::over(Arc::clone(&rig.log), 1, 5));
    let mut running = run_sink(&client, &flaky);
    let mut seqs = [0; 2];
    for round in 0..16 {
        if round == 8 {
            rig.clock.advance(Duration::from_secs(20 * 24 * 60 * 60)); // another month
        }
        let mut records = Vec::new();
        for _ in 0..100 {
            let account = ["acme", "bolt", "coil", "dyne"][random.random_range(0..4)];
            let partition = rig.partition(account);
            let seq = &mut seqs[partition as usize];
            *seq += 1;
            let event = usage(1, *seq, account, random.random_range(1..999));
            records.push(rig.usage_record(&event));
            if random.random_ratio(1, 10) {
                records.push(rig.usage_record(&event)); // sent again
            }
        }
        rig.log.append(records).await.unwrap();
        rig.log
            .append(vec![rig.attempt_record(&attempt(1, round + 1, AttemptError::None))])
            .await
            .unwrap();
        if round % 3 == 0 {
            for _ in 0..random.random_range(0..3000) {
                tokio::task::yield_now().await;
            }
            drop(running);
            running = run_sink(&client, &flaky);
        }
    }
    rig.until_done("billing", &[Topic::Usage, Topic::Credits]).await;
    rig.until_done("health", &[Topic::Attempts]).await;
    for table in Table::ALL {
        until_in_table(&rig, &client, table).await;
    }
    for partition in 0..2 {
        let verdict = replay::verify(&rig.deps, &client, partition).await.unwrap();
        assert!(verdict.is_sound(), "{verdict:#?}");
        assert_eq!(verdict.rows, u64::try_from(seqs[partition as usize]).unwrap());
        assert!(verdict.rows > 0 && verdict.records > verdict.events);
        for report in [
            replay::sink::<Usages>(&rig.deps, &client, partition).await,
            replay::sink::<Attempts>(&rig.deps, &client, partition).await,
            replay::sink::<Entries>(&rig.deps, &client, partition).await,
            replay::sink::<Balances>(&rig.deps, &client, partition).await,
            replay::sink::<Healths>(&rig.deps, &client, partition).await,
        ] {
            let report = report.unwrap();
            assert!(report.is_same(), "{report:#?}");
            assert_eq!(report.live_hash, report.replayed_hash);
        }
    }
    drop(running);
    let ask = async |query: &str| client.query_raw(query).fetch_one::<String>().await.unwrap();
    let spent = "SELECT toString(sum(cost)) FROM calls";
    let booked = "SELECT toString(sum(spent)) FROM balances_now";
    assert_eq!(ask(spent).await, ask(booked).await);
    assert_eq!(ask("SELECT toString(countIf(billed != 'usage')) FROM calls").await, "0");
    assert_eq!(ask("SELECT toString(sum(cost)) FROM spend").await, ask(booked).await);
}

fn change(version: i64, expected: i64, actor: &str, title: &str) -> Control {
    let body = format!(r#"{{"hash":"LEAK","secret":{{"sealed":"LEAK"}},"title":"{title}"}}"#);
    Control {
        kind: "key".into(),
        id: "app".into(),
        version,
        expected_version: Some(expected),
        deleted: title.is_empty(),
        body: body.into_bytes(),
        actor: actor.into(),
        reason: None,
        command: None,
        address: Some("192.0.2.7".into()),
        request: Some(format!("request-{version}")),
    }
}

fn refusal(seq: i64) -> Audit {
    Audit {
        origin: Origin([1; 16]),
        seq,
        at: 1,
        action: "admin.refused".into(),
        entity: "key/app".into(),
        actor: "key:bob".into(),
        address: None,
        request: None,
        allowed: false,
        before: None,
        after: Some(br#"{"status":403}"#.to_vec()),
        prev_hash: Hash([1; 32]),
        hash: Hash([2; 32]),
    }
}

#[tokio::test]
async fn who_did_what_is_in_one_list_once_and_without_secrets() {
    let (_, client) = database("trail").await;
    let rig = Rig::new(1);
    let changes = [
        change(1, 0, "ada", "one"),
        change(2, 1, "ada", "two"),
        change(2, 1, "bob", "too late"),
        change(3, 2, "ada", ""),
        change(4, 3, "ada", "again"),
    ];
    let control = Topic::Control.at(0);
    rig.log
        .append(changes.iter().map(|it| rig.record(control, "key/app", it)).collect())
        .await
        .unwrap();
    let audit = |seq: i64| {
        let mut outgoing = rig.record(Topic::Audit.at(0), "key/app", &refusal(seq));
        let seq = seq.to_be_bytes().to_vec().into();
        outgoing.record.headers = vec![
            Header { name: "origin", value: vec![1; 16].into() },
            Header { name: "seq", value: seq },
        ];
        outgoing
    };
    // the second was sent twice
    rig.log.append([1, 2, 2, 3].map(audit).into()).await.unwrap();
    let running = run_sink(&client, &rig.deps);
    until_in_table(&rig, &client, Table::Audit).await;
    until_in_table(&rig, &client, Table::Changes).await;
    let query = "SELECT action || ' ' || entity || ' ' || actor || ' ' || toString(allowed) || ' ' || before \
                 || '>' || after FROM trail ORDER BY topic, log_offset";
    let told: Vec<String> = client.query_raw(query).fetch_all().await.unwrap();
    let title = |title: &str| format!(r#"{{"secret":{{}},"title":"{title}"}}"#);
    let (one, two, late, again) = (title("one"), title("two"), title("too late"), title("again"));
    let refused = r#"admin.refused key/app key:bob false >{"status":403}"#.to_owned();
    assert_eq!(
        told,
        [
            refused.clone(),
            refused.clone(),
            refused,
            format!("created key/app ada true >{one}"),
            format!("changed key/app ada true {one}>{two}"),
            format!("changed key/app bob false {one}>{late}"),
            format!("deleted key/app ada true {two}>"),
            format!("created key/app ada true >{again}"),
        ]
    );
    for report in [
        replay::sink::<Audits>(&rig.deps, &client, 0).await.unwrap(),
        replay::sink::<Changes>(&rig.deps, &client, 0).await.unwrap(),
    ] {
        assert!(report.is_same() && report.records > 3, "{report:#?}");
    }
    drop(running);
}

/// Waits until the row of the last event is there.
pub(crate) async fn until_in_table(rig: &Rig, client: &Client, table: Table) {
    let topic = match table {
        Table::Usage => Topic::Usage,
        Table::Attempts => Topic::Attempts,
        Table::Ledger => Topic::Ledger,
        Table::Balances => Topic::Balances,
        Table::Health => Topic::Health,
        Table::Audit => Topic::Audit,
        Table::Changes => Topic::Control,
    };
    let look = async {
        for partition in 0..rig.log.partitions(topic) {
            let Some(last) = rig.last_event(topic.at(partition)).await else {
                continue;
            };
            let query = format!(
                "SELECT count() FROM {} WHERE log_partition = {partition} AND log_offset = {last}",
                table.name()
            );
            while client.query_raw(&query).fetch_one::<u64>().await.unwrap() == 0 {
                tokio::task::yield_now().await;
            }
        }
    };
    if tokio::time::timeout(Duration::from_secs(180), look).await.is_err() {
        panic!("{} is not filled", table.name());
    }
}

/// One insert is one part, however large, and the same token is taken once.
#[tokio::test]
async fn an_insert_is_one_block() {
    let (options, client) = database("one_block").await;
    let rig = Rig::new(1);
    let mut seq = 0;
    for _ in 0..12 {
        let records = (0..5000).map(|_| {
            seq += 1;
            rig.usage_record(&usage(1, seq, "acme", seq))
        });
        rig.log.append(records.collect()).await.unwrap();
    }
    let large = Options { rows: 50_000, age: Duration::from_secs(5), ..Options::default() };
    let store = Arc::new(client.clone());
    let _running = Running::start(
        move |deps: Deps, token: CancellationToken| async move {
            sink::run_one::<Usages, _>(&deps, &store, large, &token).await
        },
        &rig.deps,
    );
    until_in_table(&rig, &client, Table::Usage).await;
    let parts = "SELECT rows FROM system.parts WHERE database = {database:String} \
                 AND table = 'usage' AND level = 0 ORDER BY min_block_number";
    let parts = client.query_raw(parts).param("database", &options.database);
    assert_eq!(parts.fetch_all::<u64>().await.unwrap(), [50_000, 10_000]);
}

/// What makes a batch safe to send again: ClickHouse drops a token that it has taken.
#[tokio::test]
async fn the_same_token_is_taken_once() {
    let (_, client) = database("token").await;
    for (token, rows) in [("a", 1), ("a", 1), ("b", 2), ("a", 2)] {
        let mut insert = client
            .insert::<HealthRow<'_>>("health")
            .await
            .unwrap()
            .with_setting("insert_deduplication_token", token);
        insert.write(&row()).await.unwrap();
        insert.end().await.unwrap();
        let count = client.query_raw("SELECT count() FROM health").fetch_one::<u64>().await;
        assert_eq!(count.unwrap(), rows, "after {token}");
    }
}

fn row() -> HealthRow<'static> {
    HealthRow {
        log_id: "log",
        log_partition: 0,
        log_offset: 1,
        logged_at: crate::rig::START.0,
        subject: "openai/main@1",
        kind: "credential",
        score: 100,
        state: "healthy",
        reason: "",
        until: None,
        since: 0,
        folded_at: 0,
        consecutive: 0,
        ejections: 0,
        latency_us: 0,
        good: 1,
        bad: 0,
    }
}
