//! Steps: outputs and inputs as one.

use std::collections::BTreeMap;

use futures::poll;
use schemas::topics::Topic;

use super::{Fixture, everything, record, records, values};
use crate::log::{Log, Offset, Step, Writer, WriterId};

/// A writer of this name.
pub(super) async fn writer(log: &dyn Log, name: &str) -> Box<dyn Writer> {
    log.writer(WriterId(name.to_owned())).await.unwrap()
}

/// A step of three records of this name, and how far its input was read.
pub(super) fn step(name: &str, next: Offset) -> Step {
    let outputs = records(Topic::Ledger.at(0), name, 0..3);
    Step { outputs, inputs: vec![(Topic::Usage.at(0), next)] }
}

/// A step's outputs are read, in all partitions, and its inputs are committed.
pub async fn commits_outputs_and_inputs_as_one(fixture: &dyn Fixture) {
    let log = fixture.open().await;
    let (a, b) = (Topic::Ledger.at(1), Topic::State.at(0));
    let mut writer = writer(&*log, "billing-1").await;
    assert!(writer.committed().await.unwrap().is_empty());
    let outputs = vec![record(a, "k", "1"), record(b, "s", "state"), record(a, "k", "2")];
    let inputs = vec![(Topic::Usage.at(1), 7), (Topic::Credits.at(1), 3)];
    let offsets = writer.commit(Step { outputs, inputs: inputs.clone() }).await.unwrap();
    assert_eq!(offsets.len(), 3);
    let read = everything(&*fixture.open().await, a).await;
    assert!(read.iter().map(|record| &record.offset).eq([&offsets[0], &offsets[2]]));
    assert_eq!(values(&*log, b).await, ["state"]);
    assert_eq!(writer.committed().await.unwrap(), BTreeMap::from_iter(inputs));
}

/// Inputs are where the last step left them, for whoever takes the id over.
pub async fn keeps_inputs_over_a_reopen(fixture: &dyn Fixture) {
    let at = Topic::Usage.at(0);
    {
        let log = fixture.open().await;
        let mut writer = writer(&*log, "sink-0").await;
        for next in [5, 9, 12] {
            writer.commit(Step { outputs: Vec::new(), inputs: vec![(at, next)] }).await.unwrap();
        }
    }
    let log = fixture.open().await;
    let mut writer = writer(&*log, "sink-0").await;
    assert_eq!(writer.committed().await.unwrap(), BTreeMap::from([(at, 12)]));
}

/// A step moves the inputs that it names and leaves the others.
pub async fn replaces_inputs_one_by_one(fixture: &dyn Fixture) {
    let log = fixture.open().await;
    let (a, b) = (Topic::Usage.at(0), Topic::Usage.at(1));
    let mut writer = writer(&*log, "w").await;
    for inputs in [vec![(a, 5), (b, 5)], vec![(b, 8)], vec![(a, 2)]] {
        writer.commit(Step { outputs: Vec::new(), inputs }).await.unwrap();
    }
    assert_eq!(writer.committed().await.unwrap(), BTreeMap::from([(a, 2), (b, 8)]));
}

/// Each id has inputs of its own.
pub async fn keeps_writers_apart(fixture: &dyn Fixture) {
    let log = fixture.open().await;
    let at = Topic::Usage.at(0);
    let (mut one, mut two) = (writer(&*log, "one").await, writer(&*log, "two").await);
    one.commit(Step { outputs: Vec::new(), inputs: vec![(at, 1)] }).await.unwrap();
    two.commit(Step { outputs: Vec::new(), inputs: vec![(at, 2)] }).await.unwrap();
    assert_eq!(one.committed().await.unwrap(), BTreeMap::from([(at, 1)]));
    assert_eq!(two.committed().await.unwrap(), BTreeMap::from([(at, 2)]));
}

/// Steps and plain appends to one partition come in the order they were acknowledged in, and a
/// step stays together.
pub async fn orders_steps_and_appends(fixture: &dyn Fixture) {
    let log = fixture.open().await;
    let at = Topic::Ledger.at(0);
    let mut writer = writer(&*log, "w").await;
    let mut wanted = Vec::new();
    for round in 0..10 {
        writer.commit(step(&format!("step{round}"), round)).await.unwrap();
        wanted.extend((0..3).map(|n| format!("step{round} {n}")));
        log.append(records(at, &format!("plain{round}"), 0..2)).await.unwrap();
        wanted.extend((0..2).map(|n| format!("plain{round} {n}")));
    }
    assert_eq!(values(&*log, at).await, wanted);
}

/// A writer that ends before it commits leaves nothing, however much it had prepared.
pub async fn crash_before_the_commit_leaves_nothing(fixture: &dyn Fixture) {
    {
        let log = fixture.open().await;
        let mut writer = writer(&*log, "w").await;
        writer.commit(step("done", 4)).await.unwrap();
        let prepared = step("lost", 9);
        drop(writer.commit(prepared));
    }
    let log = fixture.open().await;
    let mut writer = writer(&*log, "w").await;
    assert_eq!(writer.committed().await.unwrap().get(&Topic::Usage.at(0)), Some(&4));
    assert_eq!(values(&*log, Topic::Ledger.at(0)).await, ["done 0", "done 1", "done 2"]);
}

/// A commit that is cut off anywhere happened wholly or not at all, and who resumes from the
/// committed inputs does everything once.
pub async fn crash_in_the_commit_leaves_all_or_nothing(fixture: &dyn Fixture) {
    let mut log = fixture.open().await;
    let mut attempts = 0_u32;
    let mut wanted = Vec::new();
    for round in 0..20 {
        loop {
            let mut writer = writer(&*log, "w").await;
            let next = writer.committed().await.unwrap().get(&Topic::Usage.at(0)).copied();
            if next == Some(round) {
                break;
            }
            attempts += 1;
            let mut commit = writer.commit(step(&format!("r{round}"), round));
            // let it run a little further each time, and then cut it off
            for _ in 0..attempts % 7 {
                if poll!(&mut commit).is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            drop(commit);
            drop(writer);
            log = fixture.open().await;
        }
        wanted.extend((0..3).map(|n| format!("r{round} {n}")));
        assert_eq!(values(&*log, Topic::Ledger.at(0)).await, wanted);
    }
}
