//! What the request path reads back waits for the schemas of a newer hub.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use gateway::admission::Accounts;
use gateway::config::Seed;
use gateway::control::Ready;
use gateway::control::follow::Follower;
use gateway::control::seed;
use gateway::limits::Book;
use gateway::providers::compat;
use runtime::clock::Clock;
use runtime::log::local::{LocalLog, Options};
use runtime::log::{Log, NewRecord, Outgoing};
use runtime::registry::fake::{Fake, Mood};
use runtime::registry::{self, open};
use runtime::task::Tasks;
use schemas::event::{Balance, Health, HealthState, SubjectKind};
use schemas::ids::Origin;
use schemas::topics::{Topic, TopicPartition};
use schemas::wire::{Codec, Event, SchemaName};

fn record<E: Event>(codec: &Codec, to: TopicPartition, event: &E, newer: Option<u32>) -> Outgoing {
    let value = codec.to_vec(event).unwrap();
    let value = newer.map_or(value.clone(), |id| Fake::as_newer(&value, id));
    let record = NewRecord { key: "key".into(), value: Some(value.into()), headers: Vec::new() };
    Outgoing { to, record }
}

fn balance(account_seq: i64, amount: &str) -> Balance {
    Balance {
        account: "acme".into(),
        balance: amount.parse().unwrap(),
        granted: amount.parse().unwrap(),
        spent: "0".parse().unwrap(),
        account_seq,
        hash: Default::default(),
        at: 0,
        included: Vec::new(),
        leases: Vec::new(),
    }
}

fn health(state: HealthState) -> Health {
    Health {
        subject: "demo/env@1".into(),
        kind: SubjectKind::Credential,
        score: 0,
        state,
        reason: String::new(),
        until: None,
        since: 0,
        at: 0,
        consecutive: 0,
        ejections: 0,
        latency_us: 0,
        window: Vec::new(),
        provider: "demo".into(),
        model: "".into(),
        success_low: 0,
        success_high: 10_000,
        evidence: 0,
        passed: 0,
        trusted_from: 0,
        minutes: Vec::new(),
    }
}

#[tokio::test]
async fn balances_and_health_wait_for_their_schemas_and_miss_nothing() {
    let (fake, tasks) = (Fake::start().await, Tasks::new());
    let folder = tempfile::tempdir().unwrap();
    let options = registry::Options::new(&fake.url, folder.path().join("registry.json"));
    let codec = open(options, &tasks, |_| ()).await.unwrap();
    let log: Arc<dyn Log> =
        LocalLog::open(&folder.path().join("hub.sqlite"), Options::new(1, Clock::system()))
            .unwrap();
    fake.mood("", Mood::Gone);
    let (newer_balance, newer_health) =
        (fake.newer(SchemaName::Balance), fake.newer(SchemaName::Health));
    let balances = Topic::Balances.at(0);
    log.append(vec![record(&codec, balances, &balance(1, "5"), Some(newer_balance))])
        .await
        .unwrap();

    let blank = Seed::default();
    let prices = schemas::price::shipped().unwrap();
    let vendors = compat::shipped().unwrap();
    let snapshot =
        seed::snapshot(&blank, &vendors, prices, Duration::from_secs(1), &|_| None).unwrap();
    let follower = Follower {
        log: Arc::clone(&log),
        codec: codec.clone(),
        accounts: Arc::new(Accounts::new()),
        health: Arc::default(),
        bounded: Arc::new(Book::new(Origin::default(), Clock::system())),
        clock: Clock::system(),
        snapshot: Arc::new(ArcSwap::from_pointee(snapshot)),
        ready: Arc::new(Ready::new(Duration::from_secs(60))),
    };
    follower.clone().start(&tasks);
    let asked = |id| format!("GET /schemas/ids/{id}");
    fake.until_asked(&asked(newer_balance), 2).await;
    assert_eq!(follower.ready.missing(), ["balances"], "health has nothing to wait for");

    // while it follows: the unknown one in the middle, and a known one behind it
    let healths = Topic::Health.at(0);
    let states = [(HealthState::Degraded, Some(newer_health)), (HealthState::Ejected, None)];
    let states = states.map(|(state, newer)| record(&codec, healths, &health(state), newer));
    log.append(states.into()).await.unwrap();
    fake.until_asked(&asked(newer_health), 1).await;
    assert!(follower.health.load().is_empty());

    fake.is_well();
    let account = follower.accounts.account(&"acme".into());
    let subject = "demo/env@1".into();
    let state = || follower.health.load().get(&subject).map(|condition| condition.state);
    let all = || follower.ready.is_ready() && state() == Some(HealthState::Ejected);
    let wait = async {
        while !all() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(180), wait).await.unwrap();
    assert_eq!(account.available().0, 5_000_000_000);
    tasks.stop();
}
