//! The log against a naive model: sequences of appends, steps, takeovers, reopens, maintenance.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use runtime::log::local::{LocalLog, Options};
use runtime::log::{Error, Log, Offset, Step, Writer, WriterId};
use schemas::topics::{Topic, TopicPartition};

use super::{clock, read, record, tombstone};

const PLACES: [TopicPartition; 4] =
    [Topic::Usage.at(0), Topic::Usage.at(1), Topic::State.at(0), Topic::Attempts.at(1)];
const IDS: [&str; 2] = ["billing-0", "sink-0"];
const GRACE: Duration = Duration::from_secs(600);

/// A record to a place: key, and a value unless it is a tombstone.
type Sent = (usize, u8, bool);

#[derive(Clone, Debug)]
enum Action {
    Append {
        handle: usize,
        sent: Vec<Sent>,
    },
    Take {
        handle: usize,
        id: usize,
    },
    /// By the newest writer of the id, or by one of the older.
    Commit {
        id: usize,
        age: usize,
        sent: Vec<Sent>,
        input: Option<(usize, u64)>,
    },
    Reopen {
        handle: usize,
    },
    Pass {
        seconds: u64,
    },
    Maintain {
        handle: usize,
    },
}

fn action() -> impl Strategy<Value = Action> {
    let sent =
        || prop::collection::vec((0..PLACES.len(), 0..6_u8, prop::bool::weighted(0.8)), 0..12);
    let input = prop::option::of((0..PLACES.len(), 0..1000_u64));
    prop_oneof![
        4 => (0..2_usize, sent()).prop_map(|(handle, sent)| Action::Append { handle, sent }),
        2 => (0..2_usize, 0..2_usize).prop_map(|(handle, id)| Action::Take { handle, id }),
        5 => (0..2_usize, 0..3_usize, sent(), input)
            .prop_map(|(id, age, sent, input)| Action::Commit { id, age, sent, input }),
        1 => (0..2_usize).prop_map(|handle| Action::Reopen { handle }),
        // attempts are kept for two weeks
        2 => (0..1_100_000_u64).prop_map(|seconds| Action::Pass { seconds }),
        1 => (0..2_usize).prop_map(|handle| Action::Maintain { handle }),
    ]
}

/// What a log is, said plainly.
#[derive(Default)]
struct Model {
    records: BTreeMap<TopicPartition, Vec<(String, Option<String>)>>,
    inputs: [BTreeMap<TopicPartition, Offset>; 2],
    count: usize,
}

impl Model {
    /// Takes records, and gives them as the log wants them with the offsets that they should get.
    fn take(&mut self, sent: &[Sent]) -> (Vec<runtime::log::Outgoing>, Vec<Offset>) {
        let taken = sent.iter().map(|(place, key, live)| {
            self.count += 1;
            let (at, key) = (PLACES[*place], format!("k{key}"));
            let value = live.then(|| format!("v{}", self.count));
            let outgoing = match &value {
                Some(value) => record(at, &key, value),
                None => tombstone(at, &key),
            };
            let records = self.records.entry(at).or_default();
            records.push((key, value));
            (outgoing, records.len() as Offset - 1)
        });
        taken.unzip()
    }

    fn latest(&self, at: TopicPartition) -> BTreeMap<String, String> {
        let mut latest = BTreeMap::new();
        for (key, value) in self.records.get(&at).into_iter().flatten() {
            match value {
                Some(value) => latest.insert(key.clone(), value.clone()),
                None => latest.remove(key),
            };
        }
        latest
    }
}

async fn follow(actions: Vec<Action>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    let clock = clock();
    let options = Options { grace: GRACE, tail_bytes: 300, ..Options::new(2, clock.clone()) };
    let open = || LocalLog::open(&path, options.clone()).unwrap();
    let mut handles: [Arc<LocalLog>; 2] = [open(), open()];
    let mut writers: [Vec<Box<dyn Writer>>; 2] = [Vec::new(), Vec::new()];
    let mut model = Model::default();
    for action in actions {
        match action {
            Action::Append { handle, sent } => {
                let (records, offsets) = model.take(&sent);
                assert_eq!(handles[handle].append(records).await.unwrap(), offsets);
            }
            Action::Take { handle, id } => {
                let id_text = WriterId(IDS[id].to_owned());
                let mut writer = handles[handle].writer(id_text).await.unwrap();
                assert_eq!(writer.committed().await.unwrap(), model.inputs[id]);
                writers[id].push(writer);
            }
            Action::Commit { id, age, sent, input } => {
                let count = writers[id].len();
                let Some(which) = count.checked_sub(age + 1) else {
                    continue;
                };
                let inputs: Vec<_> =
                    input.iter().map(|(place, next)| (PLACES[*place], *next)).collect();
                if age == 0 {
                    let (outputs, offsets) = model.take(&sent);
                    model.inputs[id].extend(inputs.clone());
                    let step = Step { outputs, inputs };
                    assert_eq!(writers[id][which].commit(step).await.unwrap(), offsets);
                } else {
                    let outputs = vec![record(PLACES[0], "zombie", "zombie")];
                    let refused = writers[id][which].commit(Step { outputs, inputs }).await;
                    assert!(matches!(refused, Err(Error::Fenced(_))));
                }
            }
            Action::Reopen { handle } => handles[handle] = open(),
            Action::Pass { seconds } => clock.advance(Duration::from_secs(seconds)),
            Action::Maintain { handle } => {
                handles[handle].maintain().await.unwrap();
            }
        }
    }
    for log in &handles {
        compare(&**log, &model).await;
    }
    compare(&*open(), &model).await;
}

async fn compare(log: &dyn Log, model: &Model) {
    for at in PLACES {
        let whole = model.records.get(&at).cloned().unwrap_or_default();
        let ends = log.ends(at).await.unwrap();
        assert_eq!(ends.end, whole.len() as Offset);
        let read = read(log, at, ends.start).await.unwrap();
        for record in &read {
            let value = record.value.as_ref().map(|v| String::from_utf8(v.to_vec()).unwrap());
            let key = String::from_utf8(record.key.to_vec()).unwrap();
            assert_eq!(whole[record.offset as usize], (key, value));
        }
        assert!(read.is_sorted_by(|a, b| a.offset < b.offset && a.at <= b.at));
        if at.topic == Topic::State {
            let latest = log.latest(at).await.unwrap();
            assert_eq!(latest.next, ends.end);
            assert!(latest.records.iter().all(|record| read.contains(record)));
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            let pairs = latest
                .records
                .iter()
                .map(|record| (text(&record.key), text(record.value.as_ref().unwrap())));
            assert!(pairs.eq(model.latest(at)));
        } else {
            // retention cuts at the start only
            assert_eq!(read.len() as u64, ends.end - ends.start);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn does_what_the_model_does(actions in prop::collection::vec(action(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(follow(actions));
    }
}
