//! What is refused, and when it is taken again.

use super::*;
use crate::usage::{Error, Full, Ticket};

fn fill(outbox: &Arc<Outbox>) -> (Vec<Ticket>, Full) {
    let mut tickets = Vec::new();
    loop {
        match outbox.admit(admission(tickets.len() as u64), None, prices()) {
            Ok(ticket) => tickets.push(ticket),
            Err(full) => return (tickets, full),
        }
    }
}

/// Invariants 1 and 2: no room, no call; but what was admitted always settles.
#[test]
fn a_full_outbox_refuses_and_takes_calls_again_once_shipped() {
    let folder = temporary();
    let outbox = open(folder.path());
    let mut last = 0;
    for _ in 0..3 {
        let (mut tickets, full) = fill(&outbox);
        assert!(matches!(full, Full::Limit { limit: 1_048_576, .. }), "{full}");
        assert!(tickets.len() > 30, "{}", tickets.len());
        for ticket in &mut tickets {
            for _ in 0..crate::usage::MAX_ATTEMPTS {
                ticket.sent(&target("openai"));
                ticket.attempt(report(&target("openai")));
            }
        }
        let count = tickets.len();
        tickets.into_iter().for_each(|ticket| drop(ticket.settle(settlement(3))));
        assert!(outbox.stats().held <= 1 << 20, "{:?}", outbox.stats());
        let shipped = ship_all(&outbox);
        assert_eq!(usages(&shipped).len(), count);
        assert_eq!(attempts(&shipped).len(), count * crate::usage::MAX_ATTEMPTS);
        assert!(last == 0 || count.abs_diff(last) < 5, "room comes back: {last}, then {count}");
        last = count;
    }
}

#[test]
fn a_refused_call_writes_nothing_and_gives_its_hold_back() {
    let folder = temporary();
    let outbox = open(folder.path());
    let mut huge = admission(1);
    huge.account = "a".repeat(20_000).into();
    let account = Arc::new(crate::admission::Account::default());
    let hold = account.try_hold(schemas::money::Nano(0)).unwrap();
    let refused = outbox.admit(huge, Some(hold), prices());
    assert!(matches!(refused, Err(Full::TooLarge { .. })), "{refused:?}");
    assert_eq!(outbox.stats().live, 0);
    assert!(ship_all(&outbox).is_empty());
    assert_eq!(Arc::strong_count(&account), 1);
}

#[test]
fn one_process_holds_a_folder_until_its_last_ticket_is_settled() {
    let folder = temporary();
    let outbox = open(folder.path());
    let ticket = outbox.admit(admission(1), None, prices()).unwrap();
    drop(outbox);
    let second = Outbox::open(options(folder.path()));
    let Err(Error::InUse { .. }) = &second else { panic!("{second:?}") };
    assert!(second.unwrap_err().to_string().contains("is in use by another process"));
    drop(ticket.settle(settlement(1)));
    let outbox = open(folder.path());
    assert_eq!(outbox.recovered().unshipped, 1);
}

#[test]
fn sizes_that_make_no_sense_are_refused_by_name() {
    let folder = temporary();
    for (segment, limit, field) in [
        (1000, 1 << 20, "segment"),
        ((64 << 10) + 1, 1 << 20, "segment"),
        (64 << 10, 64 << 10, "limit"),
    ] {
        let refused = Outbox::open(Options { segment, limit, ..options(folder.path()) });
        let Err(Error::Size { field: found, .. }) = &refused else { panic!("{refused:?}") };
        assert_eq!(*found, field);
        assert!(refused.unwrap_err().to_string().starts_with(&format!("outbox.{field} is ")));
    }
}

/// More than any disk has: what is missing is named at the start.
#[test]
fn a_full_disk_is_named_at_the_start() {
    let folder = temporary();
    let opened = crate::usage::outbox::allocate_for_test(folder.path(), 1 << 60);
    let error = opened.unwrap_err();
    assert!(matches!(error, Error::Allocate { .. } | Error::File { .. }), "{error:?}");
    assert!(error.to_string().contains(&folder.path().display().to_string()), "{error}");
}

#[test]
fn room_is_promised_for_the_largest_records() {
    use crate::usage::event;
    let folder = temporary();
    let outbox = open(folder.path());
    let mut worst = admission(1);
    worst.model = "m".repeat(5000).into();
    let mut ticket = outbox.admit(worst, None, prices()).unwrap();
    let before = outbox.stats().promised;
    let mut ending = settlement(i64::MAX);
    let all = schemas::event::Meter::ALL.iter();
    ending.charges[0].quantities =
        all.map(|meter| schemas::event::Quantity { meter: *meter, units: i64::MAX }).collect();
    ending.charges[0].reported_nano = Some(i64::MAX);
    ending.charges[0].provider = "p".repeat(500).into();
    ending.charges[0].credential = "c".repeat(500).into();
    ending.charges[0].model = "m".repeat(500).into();
    ending.charges = vec![ending.charges[0].clone(); event::MAX_ATTEMPTS];
    ending.error =
        Some("an error code that is much longer than any error code has a right to be, by far");
    for _ in 0..event::MAX_ATTEMPTS {
        ticket.sent(&target(&"n".repeat(400)));
        let mut report = report(&target(&"n".repeat(400)));
        report.duration = Duration::from_secs(1 << 50);
        report.ttft = Some(report.duration);
        report.retry_after = Some(report.duration);
        ticket.attempt(report);
    }
    let taken = before - outbox.stats().promised;
    let attempts = usize::try_from(taken).unwrap();
    assert!(attempts <= event::MAX_ATTEMPTS * crate::usage::outbox::ATTEMPT_ROOM);
    drop(ticket.settle(ending));
    let shipped = ship_all(&outbox);
    let largest = shipped.iter().map(|out| out.record.value.as_ref().unwrap().len()).max().unwrap();
    let small = Codec::fixed().to_vec(&event::admitted(admission(1), outbox.origin(), Micros(0)));
    assert!(largest < small.unwrap().len() + 400 + event::SETTLED_MORE, "{largest}");
    assert_eq!(usages(&shipped)[0].charges.len(), event::MAX_ATTEMPTS);
}
