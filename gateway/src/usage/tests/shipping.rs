//! The shipper with a log that fails.

use std::collections::HashSet;

use runtime::task::CancellationToken;

use super::*;
use crate::usage::{Error, Shipper};

fn settle_some(outbox: &Arc<Outbox>, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let mut ticket = outbox.admit(admission(number), None, prices()).unwrap();
        ticket.sent(&target("openai"));
        ticket.attempt(report(&target("openai")));
        drop(ticket.settle(settlement(1)));
    }
}

/// What readers keep: the first of each (origin, seq) per partition.
fn once(taken: Vec<Outgoing>) -> Vec<Outgoing> {
    let mut seen = HashSet::new();
    let first = |out: &Outgoing| {
        let marks: Vec<_> =
            out.record.headers[..2].iter().map(|header| header.value.clone()).collect();
        seen.insert((out.to, marks))
    };
    taken.into_iter().filter(first).collect()
}

#[tokio::test(start_paused = true)]
async fn a_failing_log_gets_the_same_bytes_again_in_order() {
    use Failure::{Refused, TakenInPart, TooLarge};
    let folder = temporary();
    let outbox = open(folder.path());
    settle_some(&outbox, 0..30);
    let log = MemoryLog::failing(&[
        Refused,
        TakenInPart,
        TakenInPart,
        TooLarge,
        TooLarge,
        Refused,
        TakenInPart,
    ]);
    let token = CancellationToken::new();
    let shipper =
        Shipper::new(Arc::clone(&outbox)).run(Arc::clone(&log) as Arc<dyn Log>, token.clone());
    let shipper = runtime::task::spawn("shipper", shipper);
    assert!(outbox.drain(Duration::from_secs(600)).await);
    token.cancel();
    shipper.await.unwrap().unwrap();

    let taken = log.taken();
    assert!(taken.len() > 60, "some came twice");
    let mut by_mark = std::collections::HashMap::new();
    for out in &taken {
        let marks =
            (out.to, out.record.headers[0].value.clone(), out.record.headers[1].value.clone());
        let same = by_mark.entry(marks).or_insert_with(|| out.clone());
        assert_eq!(same, out, "the same bytes again");
    }
    let first = once(taken);
    assert_eq!((usages(&first).len(), attempts(&first).len()), (30, 30));
    let calls: Vec<_> = usages(&first).iter().map(|usage| usage.call).collect();
    assert_eq!(calls, (0..30).map(call).collect::<Vec<_>>());
    let stats = outbox.stats();
    assert_eq!((stats.unshipped, stats.shipped, stats.failing), (0, 60, None));
}

#[tokio::test(start_paused = true)]
async fn it_ships_what_comes_while_it_runs() {
    let folder = temporary();
    let outbox = open(folder.path());
    let log = MemoryLog::failing(&[]);
    let token = CancellationToken::new();
    let shipper =
        Shipper::new(Arc::clone(&outbox)).run(Arc::clone(&log) as Arc<dyn Log>, token.clone());
    let shipper = runtime::task::spawn("shipper", shipper);
    for round in 0..20 {
        settle_some(&outbox, round * 50..(round + 1) * 50);
        assert!(outbox.drain(Duration::from_secs(600)).await);
        assert_eq!(usages(&log.taken()).len() as u64, (round + 1) * 50);
    }
    // 1,000 calls of about 1.3 KB went through files of 64 KiB, used again and again
    assert!(outbox.stats().held <= 6 * (64 << 10), "{:?}", outbox.stats());
    let open = outbox.admit(admission(5000), None, prices()).unwrap();
    assert!(!outbox.drain(Duration::from_secs(5)).await, "a live call is waited for");
    drop(open);
    assert!(outbox.drain(Duration::from_secs(600)).await);
    token.cancel();
    shipper.await.unwrap().unwrap();
}

#[test]
fn shipped_means_synced() {
    let folder = temporary();
    let outbox = open(folder.path());
    settle_some(&outbox, 0..3);
    assert!(outbox.batch(100, 1 << 20).unwrap().records.is_empty(), "nothing is synced yet");
    outbox.sync().unwrap();
    settle_some(&outbox, 3..6);
    let batch = outbox.batch(100, 1 << 20).unwrap();
    assert_eq!(usages(&batch.records).len(), 3, "what came after the sync waits for the next");
    outbox.sync().unwrap();
    assert_eq!(usages(&outbox.batch(100, 1 << 20).unwrap().records).len(), 6);
}

#[test]
fn the_watermark_outlives_the_process() {
    let folder = temporary();
    let outbox = open(folder.path());
    settle_some(&outbox, 0..10);
    let first = ship(&outbox, 7, true);
    let second = ship(&outbox, 7, false); // taken by the log, not remembered
    drop(outbox);
    let outbox = open(folder.path());
    assert_eq!(outbox.recovered().unshipped, 13);
    let mut visited = 0;
    outbox.unshipped(|_| visited += 1).unwrap();
    let again = ship_all(&outbox);
    assert_eq!(again[..7], second, "again, the same bytes");
    assert_eq!(visited, usages(&again).len());
    assert_eq!(first.len() + again.len(), 20);
    assert_eq!(once([first, second, again].concat()).len(), 20);
    drop(outbox);
    let outbox = open(folder.path());
    assert_eq!(outbox.recovered().unshipped, 0);
    assert!(ship_all(&outbox).is_empty());
}

#[tokio::test(start_paused = true)]
async fn another_log_stops_the_shipper_and_says_what_to_do() {
    let folder = temporary();
    let outbox = open(folder.path());
    settle_some(&outbox, 0..3);
    ship_all(&outbox);
    settle_some(&outbox, 3..6);
    let log = Arc::new(MemoryLog { id: "other ".into(), ..MemoryLog::default() });
    let run = Shipper::new(Arc::clone(&outbox))
        .run(Arc::clone(&log) as Arc<dyn Log>, CancellationToken::new());
    let stopped = run.await;
    assert!(matches!(&stopped, Err(Error::OtherLog { topic: Topic::Usage, .. })), "{stopped:?}");
    let message = stopped.unwrap_err().to_string();
    assert!(message.contains("watermark to ship what the outbox still holds"), "{message}");
    assert!(log.taken().is_empty());
    assert_eq!(outbox.stats().failing, Some(message));
    drop(outbox);

    std::fs::remove_file(folder.path().join("watermark")).unwrap();
    let outbox = open(folder.path());
    assert!(usages(&ship_all(&outbox)).len() >= 3);
}

#[test]
fn a_long_call_does_not_pin_the_outbox() {
    let folder = temporary();
    let outbox = open(folder.path());
    let mut long = outbox.admit(admission(9_999), None, prices()).unwrap();
    long.sent(&target("first"));
    long.sent(&target("anthropic"));
    long.progress(10);
    let mut waiting = outbox.admit(admission(9_998), None, prices()).unwrap();
    waiting.sent(&target("first"));
    waiting.attempt(report(&target("first")));
    let mut shipped = Vec::new();
    for round in 0..40 {
        settle_some(&outbox, round * 50..(round + 1) * 50);
        shipped.extend(ship_all(&outbox));
        shipped.extend(ship_all(&outbox)); // a moved record is synced before its old place goes
        long.progress(11 + i64::try_from(round).unwrap());
        assert!(outbox.stats().held <= 6 * (64 << 10), "{:?}", outbox.stats());
    }
    assert_eq!(usages(&shipped).len(), 2000);

    // it moved many times, and is still found whole, once
    let copy = temporary();
    crashes::copy(folder.path(), copy.path());
    let recovered = open(copy.path());
    assert_eq!(recovered.recovered().lost, 2);
    let rest = ship_all(&recovered);
    let usages = usages(&rest);
    let waited: Vec<_> = usages.iter().filter(|usage| usage.call == call(9_998)).collect();
    assert_eq!((waited.len(), waited[0].attempts), (1, 1));
    // the attempt that had ended was shipped and trimmed long ago; it is not told again
    let told: Vec<_> = attempts(&rest).iter().map(|it| (it.call, it.number)).collect();
    assert_eq!(told, [(call(9_999), 1)]);
    let lost: Vec<_> = usages.iter().filter(|usage| usage.call == call(9_999)).collect();
    assert_eq!(lost.len(), 1);
    assert_eq!((output(lost[0]), lost[0].charges[0].provider.as_str()), (50, "anthropic"));
    drop((long.settle(settlement(77)), waiting));
}
