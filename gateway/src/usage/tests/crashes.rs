//! What is left after a crash, and what the next process makes of it.

use std::fs;

use schemas::ids::Origin;

use super::*;
use crate::usage::Error;

/// The folder as a killed process leaves it: what it stored in maps is in the page cache.
pub(super) fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

fn killed(folder: &Path) -> tempfile::TempDir {
    let left = temporary();
    copy(folder, left.path());
    left
}

fn segments(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut segments: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|ext| ext == "seg")).collect();
    segments.sort();
    segments
}

#[test]
fn nothing_lost_by_a_killed_process() {
    let folder = temporary();
    let outbox = open(folder.path());
    drop(outbox.admit(admission(1), None, prices()).unwrap().settle(settlement(4)));
    let before_sent = outbox.admit(admission(2), None, prices()).unwrap();
    let mut in_flight = outbox.admit(admission(3), None, prices()).unwrap();
    in_flight.sent(&target("azure"));
    in_flight.attempt(report(&target("azure")));
    in_flight.sent(&target("openai"));
    let mut streaming = outbox.admit(admission(4), None, prices()).unwrap();
    streaming.sent(&target("openai"));
    streaming.progress(12);

    let left = killed(folder.path());
    let next = open(left.path());
    assert_eq!((next.recovered().lost, next.recovered().unshipped), (3, 2));
    let shipped = ship_all(&next);
    let usages = usages(&shipped);
    let found: Vec<_> = usages
        .iter()
        .map(|usage| {
            (
                usage.call,
                usage.outcome,
                output(usage),
                usage.attempts,
                usage.origin == next.origin(),
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            (call(1), Outcome::Completed, 4, 0, false),
            (call(2), Outcome::Lost, 0, 0, true),
            (call(3), Outcome::Lost, 0, 2, true),
            (call(4), Outcome::Lost, 12, 1, true),
        ]
    );
    assert!(usages[2].charges.is_empty(), "no content, nothing owed");
    assert!(usages[3].charges[0].estimated);
    assert_eq!(usages[3].account, admission(4).account);
    let tries: Vec<_> = attempts(&shipped)
        .into_iter()
        .map(|attempt| (attempt.call, attempt.number, attempt.provider.to_string(), attempt.error))
        .collect();
    let cut_off =
        |number, tries| (call(number), tries, "openai".to_owned(), AttemptError::Cancelled);
    assert_eq!(tries[1..], [cut_off(3, 2), cut_off(4, 1)], "{tries:?}");
    assert_eq!((tries[0].0, tries[0].1, tries[0].2.as_str()), (call(3), 1, "azure"));
    drop((before_sent, in_flight, streaming));
}

/// Killed while it recovers, at every length of what it had written: still once each.
#[test]
fn recovery_may_itself_be_killed_anywhere() {
    let folder = temporary();
    let outbox = open(folder.path());
    let tickets: Vec<_> =
        (0..4).map(|number| outbox.admit(admission(number), None, prices()).unwrap()).collect();
    drop(outbox.admit(admission(9), None, prices()).unwrap().settle(settlement(4)));
    let left = killed(folder.path());
    drop(tickets);
    let known = segments(left.path());

    let recovering = open(left.path());
    let written = segments(left.path()).into_iter().find(|path| !known.contains(path)).unwrap();
    let whole = fs::read(&written).unwrap();
    let end = 4096 + whole[4096..].iter().rposition(|byte| *byte != 0).unwrap() - 4095;
    for cut in (4096..=4096 + end).step_by(24) {
        let again = killed(left.path());
        let mut torn = whole.clone();
        torn[cut..].fill(0);
        fs::write(again.path().join(written.file_name().unwrap()), torn).unwrap();
        let next = open(again.path());
        let usages = usages(&ship_all(&next));
        let mut calls: Vec<_> = usages.iter().map(|usage| usage.call).collect();
        calls.sort();
        assert_eq!(calls, [0, 1, 2, 3, 9].map(call), "cut at {cut}");
        let marks: std::collections::HashSet<_> =
            usages.iter().map(|usage| (usage.origin, usage.seq, usage.account.clone())).collect();
        assert_eq!(marks.len(), 5);
    }
    drop(recovering);
}

/// Power loss: a page in the middle never reached the disk.
#[test]
fn records_past_a_hole_are_written_again_under_the_new_origin() {
    let folder = temporary();
    let outbox = open(folder.path());
    for number in 0..30 {
        drop(outbox.admit(admission(number), None, prices()).unwrap().settle(settlement(4)));
    }
    let left = killed(folder.path());
    let path = segments(left.path()).remove(0);
    let mut bytes = fs::read(&path).unwrap();
    bytes[8192..12_288].fill(0);
    fs::write(&path, bytes).unwrap();

    let next = open(left.path());
    let recovered = *next.recovered();
    assert!(recovered.unshipped > 0 && recovered.reemitted > 0, "{recovered:?}");
    // of a call whose settled record is in the hole, the admitted one may stand before it
    assert!(recovered.lost <= 1, "{recovered:?}");
    let usages = usages(&ship_all(&next));
    let count = usages.len() as u64;
    assert_eq!(count, recovered.unshipped + recovered.reemitted + recovered.lost);
    let mut calls: Vec<_> = usages.iter().map(|usage| usage.call).collect();
    calls.sort();
    calls.dedup();
    assert_eq!(calls.len() as u64, count);
    for (origin, wanted) in [
        (outbox.origin(), recovered.unshipped),
        (next.origin(), recovered.reemitted + recovered.lost),
    ] {
        let found = usages.iter().filter(|usage| usage.origin == origin).count();
        assert_eq!(found as u64, wanted);
        no_gap(&usages, origin);
    }
    // the same folder once more: all is said
    drop(next);
    let again = open(left.path());
    assert_eq!((again.recovered().reemitted, again.recovered().lost), (0, 0));
    assert!(ship_all(&again).is_empty());
}

pub(super) fn no_gap(usages: &[Usage], origin: Origin) {
    for partition in 0..PARTITIONS.usage {
        let key = |usage: &&Usage| {
            usage.origin == origin
                && schemas::partition::partition_of(
                    usage.account.as_str().as_bytes(),
                    PARTITIONS.usage,
                ) == partition
        };
        let seqs: Vec<_> = usages.iter().filter(key).map(|usage| usage.seq).collect();
        let wanted: Vec<_> = (1..=seqs.len() as i64).collect();
        assert_eq!(seqs, wanted, "{origin} partition {partition}");
    }
}

/// A record may be torn at any byte; what is before it stands, and it does not.
#[test]
fn a_torn_tail_is_found_by_its_crc() {
    let folder = temporary();
    let outbox = open(folder.path());
    drop(outbox.admit(admission(1), None, prices()).unwrap().settle(settlement(4)));
    let before = outbox.stats();
    let ticket = outbox.admit(admission(2), None, prices()).unwrap();
    drop(ticket.settle(settlement(5)));
    assert_eq!(before.live, 0);
    let path = segments(folder.path()).remove(0);
    let whole = fs::read(&path).unwrap();
    let end = whole.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    for cut in end - 200..end {
        let left = killed(folder.path());
        let mut torn = whole.clone();
        torn[cut..].fill(0x5a);
        fs::write(left.path().join(path.file_name().unwrap()), torn).unwrap();
        let next = open(left.path());
        let usages = usages(&ship_all(&next));
        let found: Vec<_> = usages.iter().map(|usage| (usage.call, usage.outcome)).collect();
        assert_eq!(
            found,
            [(call(1), Outcome::Completed), (call(2), Outcome::Lost)],
            "cut at {cut}"
        );
    }
}

/// Files are used again: what an older use left behind must never come back.
#[test]
fn a_reused_file_revives_nothing() {
    let folder = temporary();
    let outbox = open(folder.path());
    let mut numbers = 0..;
    let mut shipped = Vec::new();
    for _ in 0..30 {
        for number in numbers.by_ref().take(40) {
            drop(outbox.admit(admission(number), None, prices()).unwrap().settle(settlement(4)));
        }
        shipped.extend(ship_all(&outbox));
        outbox.prepare().unwrap();
    }
    let left = killed(folder.path());
    let next = open(left.path());
    assert_eq!(*next.recovered(), crate::usage::Recovered::default());
    assert!(ship_all(&next).is_empty());
    assert_eq!(usages(&shipped).len(), 1200);
}

#[test]
fn a_damaged_header_is_set_aside_and_what_is_whole_is_kept() {
    for damage in ["header", "truncated", "empty"] {
        let folder = temporary();
        let outbox = open(folder.path());
        drop(outbox.admit(admission(1), None, prices()).unwrap().settle(settlement(4)));
        let left = killed(folder.path());
        let path = segments(left.path()).remove(0);
        let mut bytes = fs::read(&path).unwrap();
        match damage {
            "header" => bytes[9] ^= 0xff,
            "truncated" => bytes.truncate(100),
            _ => bytes.clear(),
        }
        fs::write(&path, bytes).unwrap();
        let next = open(left.path());
        assert_eq!(next.recovered().quarantined, u64::from(damage != "truncated"), "{damage}");
        let usages = usages(&ship_all(&next));
        let kept: Vec<_> = usages.iter().map(|usage| (usage.call, usage.origin)).collect();
        let wanted = if damage == "header" { vec![(call(1), next.origin())] } else { vec![] };
        assert_eq!(kept, wanted, "{damage}");
        drop(next);
        let aside = path.with_extension("corrupt").exists();
        assert_eq!(aside, damage != "truncated", "{damage}");
        assert_eq!(open(left.path()).recovered().quarantined, 0);
    }
}

#[test]
fn a_newer_format_is_refused_and_left_alone() {
    let folder = temporary();
    let outbox = open(folder.path());
    drop(outbox.admit(admission(1), None, prices()).unwrap().settle(settlement(4)));
    drop(outbox);
    let path = segments(folder.path()).remove(0);
    let mut bytes = fs::read(&path).unwrap();
    bytes[8] = 2;
    let crc = crc32fast::hash(&bytes[..48]);
    bytes[48..52].copy_from_slice(&crc.to_le_bytes());
    fs::write(&path, &bytes).unwrap();
    let refused = Outbox::open(options(folder.path()));
    assert!(matches!(refused, Err(Error::Newer { .. })), "{refused:?}");
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

/// Starts that write nothing leave nothing; starts that write something leave one small file each
/// until the log takes it.
#[test]
fn many_short_lives_do_not_fill_the_outbox() {
    let folder = temporary();
    for _ in 0..50 {
        drop(open(folder.path()));
    }
    assert!(segments(folder.path()).len() <= 2);
    for number in 0..40 {
        let outbox = open(folder.path());
        match outbox.admit(admission(number), None, prices()) {
            Ok(ticket) => drop(ticket.settle(settlement(1))),
            Err(full) => assert!(number > 10, "{number}: {full}"),
        }
    }
    let outbox = open(folder.path());
    let kept = usages(&ship_all(&outbox)).len();
    assert!(kept > 10, "{kept}");
    outbox.sync().unwrap();
    drop(outbox.admit(admission(99), None, prices()).unwrap().settle(settlement(1)));
    ship_all(&outbox);
    assert!(segments(folder.path()).len() <= 4, "{:?}", segments(folder.path()));
}
