//! Events of a newer hub while the schema registry is away: they wait, and nothing else does.

use processors::{Phase, replay};
use runtime::registry::fake::{Fake, Mood};
use runtime::registry::{Options, open};
use runtime::task::Tasks;
use schemas::event::{Balance, Dead, Ledger};
use schemas::topics::Topic;
use schemas::wire::SchemaName;

use crate::health::attempt;
use crate::rig::{Rig, Running, book, grant, usage};

/// A rig whose ids are the registry's.
async fn rig(fake: &Fake, tasks: &Tasks) -> Rig {
    let mut rig = Rig::new(1);
    let kept = rig.folder().join("registry.json");
    rig.codec = open(Options::new(&fake.url, kept), tasks, |_| ()).await.unwrap();
    rig.deps.codec = rig.codec.clone();
    rig
}

/// The record as a newer hub writes it, under an id that nobody here knows yet.
fn newer(mut outgoing: runtime::log::Outgoing, id: u32) -> runtime::log::Outgoing {
    let value = outgoing.record.value.take().unwrap();
    outgoing.record.value = Some(Fake::as_newer(&value, id).into());
    outgoing
}

#[tokio::test]
async fn a_registry_that_is_away_delays_and_nothing_is_dead() {
    let (fake, tasks) = (Fake::start().await, Tasks::new());
    let rig = rig(&fake, &tasks).await;
    fake.mood("", Mood::Gone);
    let id = fake.newer(SchemaName::Usage);
    let _running = Running::billing(&rig.deps);
    rig.log.append(vec![rig.book_record(book())]).await.unwrap();
    let records = (1..=3).map(|seq| match rig.usage_record(&usage(1, seq, "acme", 500)) {
        record if seq == 2 => newer(record, id),
        record => record,
    });
    rig.log.append(records.collect()).await.unwrap();
    let waits = format!("hub.usage.v1/0 waits for schema id {id}");
    rig.until(|board| {
        board.iter().any(|progress| {
            progress.phase == Phase::Waiting && progress.detail.as_deref() == Some(&waits)
        })
    })
    .await;
    // asked more than once; the head of the input stays where it is, other inputs go on
    fake.until_asked(&format!("GET /schemas/ids/{id}"), 2).await;
    rig.log.append(vec![rig.credit_record(&grant("acme", "g1", "5"))]).await.unwrap();
    rig.until_done("billing", &[Topic::Credits]).await;
    let ledger: Vec<Ledger> = rig.events_of(Topic::Ledger).await;
    let causes = ledger.iter().map(|entry| (entry.cause_topic.as_str(), entry.cause_offset));
    assert_eq!(causes.collect::<Vec<_>>(), [("hub.usage.v1", 0), ("hub.credits.v1", 0)]);

    fake.is_well();
    rig.until_done("billing", &[Topic::Usage]).await;
    let ledger: Vec<Ledger> = rig.events_of(Topic::Ledger).await;
    let calls = ledger.iter().filter(|entry| entry.cause_topic == "hub.usage.v1");
    assert_eq!(calls.map(|entry| entry.cause_offset).collect::<Vec<_>>(), [0, 1, 2]);
    assert!(rig.events_of::<Dead>(Topic::Dead).await.is_empty());
    let report = replay::billing(&rig.deps, 0).await.unwrap();
    assert!(report.is_same(), "{report:#?}");
}

/// A price book that can't be read yet is not passed over.
#[tokio::test]
async fn a_price_book_of_a_newer_hub_is_waited_for() {
    let (fake, tasks) = (Fake::start().await, Tasks::new());
    let rig = rig(&fake, &tasks).await;
    fake.mood("", Mood::Gone);
    let id = fake.newer(SchemaName::Control);
    let _running = Running::billing(&rig.deps);
    rig.log.append(vec![newer(rig.book_record(book()), id)]).await.unwrap();
    rig.log.append(vec![rig.usage_record(&usage(1, 1, "acme", 500))]).await.unwrap();
    fake.until_asked(&format!("GET /schemas/ids/{id}"), 2).await;
    fake.is_well();
    rig.until_done("billing", &[Topic::Usage]).await;
    assert_eq!(rig.events_of::<Ledger>(Topic::Ledger).await.len(), 1);
}

/// State that a newer hub wrote: a takeover tries again, and does not stop for good.
#[tokio::test]
async fn a_takeover_waits_for_the_schema_of_its_state() {
    let (fake, tasks) = (Fake::start().await, Tasks::new());
    let rig = rig(&fake, &tasks).await;
    {
        let _running = Running::billing(&rig.deps);
        rig.log.append(vec![rig.credit_record(&grant("acme", "g1", "5"))]).await.unwrap();
        rig.until_done("billing", &[Topic::Credits]).await;
    }
    fake.mood("", Mood::Gone);
    let id = fake.newer(SchemaName::Balance);
    let balance: Balance = rig.codec.decode(&rig.latest(Topic::Balances).await["acme"]).unwrap();
    let written = rig.record(Topic::Balances.at(0), "acme", &balance);
    rig.log.append(vec![newer(written, id)]).await.unwrap();

    let _running = Running::billing(&rig.deps);
    let unknown = format!("schema id {id} is not known");
    rig.until(|board| {
        board.iter().any(|progress| {
            let detail = progress.detail.as_deref().unwrap_or_default();
            progress.phase == Phase::Retrying && detail.contains(&unknown)
        })
    })
    .await;
    fake.is_well();
    rig.log.append(vec![rig.credit_record(&grant("acme", "g2", "2"))]).await.unwrap();
    rig.until_done("billing", &[Topic::Credits]).await;
    let balance: Balance = rig.codec.decode(&rig.latest(Topic::Balances).await["acme"]).unwrap();
    assert_eq!(balance.balance.to_string(), "7.00");
}

/// The other processors wait in the same place.
#[tokio::test]
async fn health_waits_for_the_schema_of_an_attempt() {
    let (fake, tasks) = (Fake::start().await, Tasks::new());
    let rig = rig(&fake, &tasks).await;
    fake.mood("", Mood::Gone);
    let id = fake.newer(SchemaName::Attempt);
    let _running = Running::health(&rig.deps);
    let record = rig.attempt_record(&attempt(1, 1, schemas::event::AttemptError::None));
    rig.log.append(vec![newer(record, id)]).await.unwrap();
    rig.until(|board| board.iter().any(|progress| progress.phase == Phase::Waiting)).await;
    fake.is_well();
    rig.until_done("health", &[Topic::Attempts]).await;
    assert!(!rig.latest(Topic::Health).await.is_empty());
    assert!(rig.events_of::<Dead>(Topic::Dead).await.is_empty());
}
