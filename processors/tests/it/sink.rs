//! The sink on a table that fails in every way.

use std::time::Duration;

use processors::pipeline;
use processors::sink::{self, Options, Store, Usages};
use processors::{Deps, End};
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use runtime::task::CancellationToken;
use schemas::event::{Dead, Usage};
use schemas::topics::Topic;
use std::sync::Arc;

use crate::flaky::Flaky;
use crate::rig::{Rig, Running, usage};
use crate::table::Recorder;

const QUICK: Options = Options {
    rows: 50,
    bytes: 1 << 20,
    age: Duration::from_millis(2),
    derived_age: Duration::from_millis(2),
};

fn run<S: Store<Usages>>(store: &Arc<S>, options: Options, deps: &Deps) -> Running {
    let store = Arc::clone(store);
    Running::start(
        move |deps: Deps, token: CancellationToken| async move {
            sink::run_one::<Usages, S>(&deps, &store, options, &token).await
        },
        deps,
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_once() {
    for seed in 0..3 {
        let rig = Rig::new(2);
        let mut random = SmallRng::seed_from_u64(seed);
        let table = Recorder::new(rig.log.id(Topic::Usage).0, seed, 15);
        let flaky = rig.deps_on(Flaky::over(rig.log.clone(), seed, 5));
        let mut running = run(&table, QUICK, &flaky);
        let mut events: Vec<Usage> = Vec::new();
        for round in 0..12 {
            if round == 6 {
                rig.clock.advance(Duration::from_secs(20 * 24 * 60 * 60)); // another month
            }
            for n in 0..30 {
                let account = ["acme", "bolt", "coil"][random.random_range(0..3)];
                let origin = 1 + u8::try_from(rig.partition(account)).unwrap();
                let seq = events.iter().filter(|one| one.origin.0[0] == origin).count() + 1;
                events.push(usage(origin, i64::try_from(seq).unwrap(), account, n));
            }
            let again = random.random_range(0..events.len());
            let new = events[events.len() - 30..].iter().chain([&events[again]]);
            let mut records: Vec<_> = new.map(|usage| rig.usage_record(usage)).collect();
            if round == 3 {
                records[4].record.value = Some(bytes::Bytes::from_static(b"poison"));
            }
            records.swap(2, 5);
            rig.log.append(records).await.unwrap();
            if random.random_ratio(1, 3) {
                for _ in 0..random.random_range(0..300) {
                    tokio::task::yield_now().await;
                }
                drop(running);
                running = run(&table, QUICK, &flaky);
            }
        }
        rig.until_done("sink/usage", &[Topic::Usage]).await;
        // the last step is committed before its insert: wait for the rows of last events
        let last = ["acme", "bolt", "coil", "dyne"].map(|account| rig.partition(account));
        assert!([0, 1].iter().all(|partition| last.contains(partition)));
        for account in ["acme", "bolt", "coil", "dyne"] {
            events.push(usage(9, 1, account, 1));
            let last = events.last_mut().unwrap();
            last.origin.0[1] = account.as_bytes()[0];
            rig.log.append(vec![rig.usage_record(last)]).await.unwrap();
        }
        let rows = async {
            for partition in 0..2 {
                let end = rig.log.ends(Topic::Usage.at(partition)).await.unwrap().end;
                while !table.rows(partition).rows.contains_key(&(end - 1)) {
                    tokio::task::yield_now().await;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(180), rows).await.unwrap();
        drop(running);

        let mut total = 0;
        for partition in 0..2 {
            let rows = table.rows(partition);
            total += rows.rows.len();
            for (offset, texts) in &rows.rows {
                assert_eq!(texts.len(), 1, "seed {seed}: offset {offset} of {partition}");
            }
        }
        let dead: Vec<Dead> = rig.events_of(Topic::Dead).await;
        assert_eq!(dead.len(), 1, "seed {seed}: a dead letter once");
        assert_eq!(total, events.len() - 1, "seed {seed}: all but the poison");
    }
}

#[tokio::test]
async fn a_wiped_table_is_filled_again() {
    let rig = Rig::new(1);
    let table = Recorder::new(rig.log.id(Topic::Usage).0, 1, 0);
    let send = async |from: i64| {
        let records = (from..from + 100).map(|seq| rig.usage_record(&usage(1, seq, "acme", seq)));
        rig.log.append(records.collect()).await.unwrap();
    };
    let until = async |rows: usize| {
        let look = async {
            while table.rows(0).rows.len() < rows {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(180), look).await.unwrap();
    };
    let running = run(&table, QUICK, &rig.deps);
    send(1).await;
    until(100).await;
    drop(running);
    table.wipe();
    let _running = run(&table, QUICK, &rig.deps);
    send(101).await;
    until(200).await;
    let rows = table.rows(0);
    assert!(rows.rows.values().all(|texts| texts.len() == 1));
    assert!(rows.inserts.iter().all(|rows| *rows <= 50), "batches keep to their size");
}

#[tokio::test]
async fn a_log_made_anew_is_refused() {
    let rig = Rig::new(1);
    let table = Recorder::new("another log".to_owned(), 1, 0);
    rig.log.append(vec![rig.usage_record(&usage(1, 1, "acme", 1))]).await.unwrap();
    let running = run(&table, QUICK, &rig.deps);
    let look = async {
        while table.rows(0).rows.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(180), look).await.unwrap();
    drop(running);
    let ends = run(&table, QUICK, &rig.deps).ended().await;
    assert!(matches!(ends[..], [End::Failed(pipeline::Error::OtherLog { .. })]), "{ends:?}");
}
