//! Brokers that fall or stand still, and writers that are fenced.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use e2e::kafka::Kafka;
use runtime::log::kafka::Options;
use runtime::log::{Error, Limit, Log as _, Step, WriterId};
use schemas::topics::{Topic, TopicPartition};

use crate::{open, options, record, values};

const USAGE: TopicPartition = Topic::Usage.at(0);
const LEDGER: TopicPartition = Topic::Ledger.at(0);

/// Without what was sent again: the first copy of each, in order.
fn first_copies(values: Vec<u64>) -> Vec<u64> {
    let mut seen = std::collections::HashSet::new();
    values.into_iter().filter(|value| seen.insert(*value)).collect()
}

/// Who appends as a shipper does, from its watermark, leaves nothing out and changes no order,
/// whatever the broker does; and a reader that waited all the time has it all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_outlive_the_broker() {
    let folder = tempfile::tempdir().unwrap();
    let mut kafka = Kafka::start(folder.path()).unwrap();
    let options = Options { patience: Duration::from_secs(4), ..options(&kafka, "appends") };
    let log = open(&options).await.unwrap();
    let (done, shipped) = (AtomicBool::new(false), AtomicU64::new(0));
    let ship = async {
        let (mut watermark, mut failures) = (0, 0);
        while !done.load(Ordering::Relaxed) {
            let batch = (watermark..watermark + 7).map(|value| record(USAGE, value)).collect();
            match log.append(batch).await {
                Ok(_) => watermark += 7,
                Err(Error::Unavailable(_)) => failures += 1,
                Err(error) => panic!("{error}"),
            }
            shipped.store(watermark, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        (watermark, failures)
    };
    let moved = async |by: u64| {
        let wanted = shipped.load(Ordering::Relaxed) + by;
        while shipped.load(Ordering::Relaxed) < wanted {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let harm = async {
        for _ in 0..2 {
            moved(70).await;
            kafka.process().kill().unwrap();
            tokio::time::sleep(Duration::from_millis(500)).await;
            kafka.restart().unwrap();
            tokio::task::block_in_place(|| kafka.until_it_serves()).unwrap();
        }
        moved(70).await;
        kafka.process().pause().unwrap();
        // longer than the patience of who appends
        tokio::time::sleep(options.patience * 2).await;
        kafka.process().resume().unwrap();
        moved(70).await;
        done.store(true, Ordering::Relaxed);
    };
    let read = async {
        let (mut next, mut seen) = (0, Vec::new());
        while !done.load(Ordering::Relaxed) {
            let Ok(mut reader) = log.reader(USAGE, next).await else { continue };
            let limit = Limit { records: 100, bytes: 1 << 20, wait: Duration::from_millis(200) };
            while let Ok(page) = reader.next(limit).await {
                seen.extend(page.records.iter().map(|record| record.offset));
                next = page.next;
                if done.load(Ordering::Relaxed) {
                    break;
                }
            }
        }
        seen
    };
    let ((watermark, failures), (), seen) = tokio::join!(ship, harm, read);
    assert!(failures > 0, "the broker stood still for longer than anybody waits");
    let values = values(&*log, USAGE).await;
    let first = first_copies(values.clone());
    assert!(first.len() as u64 >= watermark);
    assert_eq!(first, (0..first.len() as u64).collect::<Vec<_>>());
    assert!(seen.windows(2).all(|pair| pair[0] < pair[1]), "each once");
    assert!(seen.len() > 100, "{}", seen.len());
}

/// A step that the broker gave up because it took too long is not taken for a takeover: the owner
/// may go on. All of the step is there, or nothing of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_step_is_no_takeover() {
    let folder = tempfile::tempdir().unwrap();
    let mut kafka = Kafka::start(folder.path()).unwrap();
    let options = Options {
        patience: Duration::from_secs(8),
        transaction: Duration::from_secs(4),
        ..options(&kafka, "slow")
    };
    let log = open(&options).await.unwrap();
    let id = WriterId("billing/0".to_owned());
    let step = |round: u64| Step {
        outputs: (0..3).map(|at| record(LEDGER, round * 3 + at)).collect(),
        inputs: vec![(USAGE, round + 1)],
    };
    // a busy machine may be too slow for so short a transaction; what counts is what comes after
    let mut writer = loop {
        let Ok(mut writer) = log.writer(id.clone()).await else { continue };
        if writer.committed().await.is_ok_and(|inputs| inputs.get(&USAGE) == Some(&1))
            || writer.commit(step(0)).await.is_ok()
        {
            break writer;
        }
    };
    kafka.process().pause().unwrap();
    let (failed, ()) = tokio::join!(writer.commit(step(1)), async {
        tokio::time::sleep(Duration::from_secs(7)).await;
        kafka.process().resume().unwrap();
    });
    if let Err(error) = &failed {
        assert!(matches!(error, Error::Unavailable(_)), "{error}");
        // of no use any more: nobody knows what became of its step
        assert!(matches!(writer.commit(step(2)).await, Err(Error::Unavailable(_))));
    }
    let mut again = loop {
        match log.writer(id.clone()).await {
            Ok(writer) => break writer,
            Err(error) => assert!(matches!(error, Error::Unavailable(_)), "{error}"),
        }
    };
    let next = again.committed().await.unwrap()[&USAGE];
    assert!(next == 1 || next == 2, "{next}");
    assert_eq!(values(&*log, LEDGER).await, (0..next * 3).collect::<Vec<_>>());
    again.commit(step(next)).await.unwrap();
    assert_eq!(values(&*log, LEDGER).await, (0..(next + 1) * 3).collect::<Vec<_>>());
}

/// Of two who hold an id the newer one stays, also when the older one only stood still.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_zombie_stays_fenced() {
    let folder = tempfile::tempdir().unwrap();
    let mut kafka = Kafka::start(folder.path()).unwrap();
    let options = options(&kafka, "zombie");
    let (one, two) = (open(&options).await.unwrap(), open(&options).await.unwrap());
    let id = WriterId("billing/0".to_owned());
    let step =
        |value: u64| Step { outputs: vec![record(LEDGER, value)], inputs: vec![(USAGE, value)] };
    let mut zombie = one.writer(id.clone()).await.unwrap();
    zombie.commit(step(1)).await.unwrap();
    let mut owner = two.writer(id.clone()).await.unwrap();
    owner.commit(step(2)).await.unwrap();
    for _ in 0..2 {
        assert!(matches!(zombie.commit(step(9)).await, Err(Error::Fenced(_))));
    }
    kafka.process().kill().unwrap();
    kafka.restart().unwrap();
    tokio::task::block_in_place(|| kafka.until_it_serves()).unwrap();
    // the broker has not forgotten who is who
    zombie.commit(step(9)).await.unwrap_err();
    while owner.commit(step(3)).await.is_err() {
        let next = loop {
            match two.writer(id.clone()).await {
                Ok(writer) => break writer,
                Err(error) => assert!(matches!(error, Error::Unavailable(_)), "{error}"),
            }
        };
        owner = next;
        if owner.committed().await.unwrap()[&USAGE] == 3 {
            break;
        }
    }
    assert_eq!(values(&*one, LEDGER).await, [1, 2, 3]);
}

/// A broker closes connections that nothing goes over: no reason to stop reading.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_may_end() {
    let folder = tempfile::tempdir().unwrap();
    let idle = ("connections.max.idle.ms".to_owned(), "1500".to_owned());
    let kafka = Kafka::configured(folder.path(), &[idle]).unwrap();
    let log = open(&options(&kafka, "idle")).await.unwrap();
    log.append(vec![record(USAGE, 1)]).await.unwrap();
    let mut reader = log.reader(USAGE, 0).await.unwrap();
    let mut writer = log.writer(WriterId("w/0".to_owned())).await.unwrap();
    let limit = Limit { records: 10, bytes: 1 << 20, wait: Duration::from_secs(6) };
    assert_eq!(reader.next(limit).await.unwrap().records.len(), 1);
    assert!(reader.next(limit).await.unwrap().records.is_empty());
    log.append(vec![record(USAGE, 2)]).await.unwrap();
    assert_eq!(reader.next(limit).await.unwrap().records.len(), 1);
    let step = Step { outputs: vec![record(LEDGER, 1)], inputs: vec![(USAGE, 2)] };
    writer.commit(step).await.unwrap();
    assert_eq!(values(&*log, USAGE).await, [1, 2]);
}
