//! How calls end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use schemas::event::{Balance, Hash, Included, Outcome};
use schemas::ids::Origin;
use schemas::money::{Amount, Nano};

use super::*;
use crate::admission::Account;

#[test]
fn one_call_one_settled_event() {
    let folder = temporary();
    let outbox = open(folder.path());
    for number in 0..40 {
        let mut ticket = outbox.admit(admission(number), None, prices()).unwrap();
        for name in ["azure", "openai"] {
            ticket.sent(&target(name));
            ticket.attempt(report(&target(name)));
        }
        ticket.progress(5);
        drop(ticket.settle(settlement(9)));
    }
    let shipped = ship_all(&outbox);
    let usages = usages(&shipped);
    assert_eq!(usages.len(), 40);
    for (number, usage) in usages.iter().enumerate() {
        let number = number as u64;
        assert_eq!(
            (usage.call, usage.outcome, output(usage)),
            (call(number), Outcome::Completed, 9)
        );
        assert_eq!((usage.attempts, usage.ttft_us, usage.status), (2, Some(4000), 200));
        assert_eq!(usage.account, admission(number).account);
        assert_eq!(usage.origin, outbox.origin());
    }
    let attempts = attempts(&shipped);
    assert_eq!(attempts.len(), 80);
    for (at, attempt) in attempts.iter().enumerate() {
        assert_eq!(attempt.call, call(at as u64 / 2));
        assert_eq!(attempt.number, at as i32 % 2 + 1);
    }
    assert_eq!(outbox.stats().live, 0);
    assert_eq!(outbox.stats().promised, 0);
}

/// Also what travels beside the value says the same as the value.
#[test]
fn seqs_rise_by_one_per_partition_and_headers_agree() {
    let folder = temporary();
    let outbox = open(folder.path());
    for number in 0..200 {
        let mut ticket = outbox.admit(admission(number), None, prices()).unwrap();
        let target = target(&format!("provider-{}", number % 7));
        ticket.sent(&target);
        ticket.attempt(report(&target));
        drop(ticket.settle(settlement(1)));
    }
    let mut next = std::collections::HashMap::new();
    for out in ship_all(&outbox) {
        let value = out.record.value.as_ref().unwrap();
        let (origin, seq, call, account) = if out.to.topic == Topic::Usage {
            let usage: Usage = Codec::fixed().decode(value).unwrap();
            (usage.origin, usage.seq, usage.call, usage.account.to_string())
        } else {
            let attempt: Attempt = Codec::fixed().decode(value).unwrap();
            (attempt.origin, attempt.seq, attempt.call, String::new())
        };
        let header = |name: &str| {
            let header = out.record.headers.iter().find(|header| header.name == name);
            header.unwrap().value.to_vec()
        };
        assert_eq!(header("origin"), origin.0);
        assert_eq!(header("seq"), seq.to_be_bytes());
        assert_eq!(header("call"), call.0);
        assert_eq!(header("account"), account.as_bytes());
        let wanted = next.entry(out.to).or_insert(1);
        assert_eq!(seq, *wanted, "{}", out.to);
        *wanted += 1;
        let count = if out.to.topic == Topic::Usage { 2 } else { 3 };
        assert_eq!(out.to.partition, schemas::partition::partition_of(&out.record.key, count));
    }
    assert_eq!(next.len(), 5, "all partitions were used");
}

#[test]
fn dropped_ticket_settles_as_abandoned() {
    let folder = temporary();
    let outbox = open(folder.path());
    drop(outbox.admit(admission(1), None, prices()).unwrap());
    let mut streaming = outbox.admit(admission(2), None, prices()).unwrap();
    streaming.sent(&target("openai"));
    streaming.progress(30);
    streaming.progress(20);
    drop(streaming);
    let usages = usages(&ship_all(&outbox));
    let [silent, cut] = &*usages else { panic!("{usages:?}") };
    assert_eq!((silent.outcome, &*silent.charges), (Outcome::Abandoned, &[][..]));
    assert_eq!((cut.outcome, output(cut)), (Outcome::Abandoned, 30));
    let charge = &cut.charges[0];
    assert!(charge.estimated);
    assert_eq!((charge.provider.as_str(), charge.quantities[0].units), ("openai", 100));
}

#[test]
fn a_panic_settles_too() {
    let folder = temporary();
    let outbox = open(folder.path());
    let ticket = outbox.admit(admission(1), None, prices()).unwrap();
    let panicked = catch_unwind(AssertUnwindSafe(move || {
        let _ticket = ticket;
        panic!("a bug in a decoder");
    }));
    assert!(panicked.is_err());
    assert_eq!(usages(&ship_all(&outbox))[0].outcome, Outcome::Abandoned);
    drop(outbox.admit(admission(2), None, prices()).unwrap().settle(settlement(1)));
    assert_eq!(usages(&ship_all(&outbox))[0].outcome, Outcome::Completed);
}

#[test]
fn texts_are_cut_and_meters_joined_but_units_kept() {
    let folder = temporary();
    let outbox = open(folder.path());
    let mut long = admission(1);
    long.user = Some("ü".repeat(500).into());
    long.tags = (10..30).map(|tag| (format!("{tag:0<200}"), "y".repeat(900))).collect();
    long.model = "m".repeat(5000).into();
    let mut ticket = outbox.admit(long, None, prices()).unwrap();
    let name = "n".repeat(3000);
    let mut ending = settlement(2);
    for attempt in 0..12 {
        ticket.sent(&target(&name));
        ticket.attempt(report(&target(&name)));
        let mut charge = ending.charges[0].clone();
        charge.provider = name.as_str().into();
        charge.model = format!("{:0>900}", attempt % 3).as_str().into();
        charge.quantities = vec![charge.quantities[1]; 30];
        ending.charges.push(charge);
    }
    ending.charges.remove(0);
    drop(ticket.settle(ending));
    let shipped = ship_all(&outbox);
    let usage = &usages(&shipped)[0];
    assert_eq!(output(usage), 12 * 30 * 2);
    assert_eq!(usage.attempts, 12);
    assert!(usage.charges.iter().all(|charge| charge.quantities.len() == 1));
    assert_eq!(usage.user.as_deref(), Some(&*"ü".repeat(64)));
    assert_eq!(usage.tags.len(), 8);
    assert_eq!(attempts(&shipped).len(), 12, "there was room beside the promise");
    assert_eq!(outbox.stats().promised, 0);
}

fn balance(account: &str, nano: i64, account_seq: i64, included: &[(Origin, i64)]) -> Balance {
    Balance {
        account: account.into(),
        balance: Nano(nano).into(),
        granted: Amount::ZERO,
        spent: Amount::ZERO,
        account_seq,
        hash: Hash::default(),
        at: 0,
        included: included
            .iter()
            .map(|(origin, seq)| Included { origin: *origin, seq: *seq })
            .collect(),
        leases: Vec::new(),
    }
}

/// Invariant 10, the gateway's side: what is settled is counted until a balance includes it.
#[test]
fn settled_spend_is_counted_until_a_balance_includes_it() {
    let folder = temporary();
    let outbox = open(folder.path());
    let account = Arc::new(Account::default());
    account.apply_balance(&balance("account-1", 1_000_000, 1, &[]));

    let hold = account.try_hold(Nano(900_000)).unwrap();
    assert!(account.try_hold(Nano(200_000)).is_err());
    let ticket = outbox.admit(admission(1), Some(hold), prices()).unwrap();
    assert_eq!(account.available(), Nano(100_000));
    // 100 input at 0.15 and 200 output at 0.60 USD per million: 15,000 + 120,000 nano
    drop(ticket.settle(settlement(200)));
    assert_eq!(account.available(), Nano(865_000));

    let seq = usages(&ship_all(&outbox))[0].seq;
    assert_eq!(account.available(), Nano(865_000), "shipped is not yet in the balance");
    account.apply_balance(&balance("account-1", 865_000, 2, &[(outbox.origin(), seq)]));
    assert_eq!(account.available(), Nano(865_000));

    // a refused call gives the hold back; an unpriced one keeps it until the balance includes it
    let hold = account.try_hold(Nano(5_000)).unwrap();
    let ticket = outbox.admit(admission(1), Some(hold), prices()).unwrap();
    let mut unpriced = settlement(1);
    unpriced.charges[0].provider = "nobody".into();
    drop(ticket.settle(unpriced));
    assert_eq!(account.available(), Nano(860_000));
    let seq = usages(&ship_all(&outbox))[0].seq;
    account.apply_balance(&balance("account-1", 865_000, 3, &[(outbox.origin(), seq)]));
    assert_eq!(account.available(), Nano(865_000));
}

#[tokio::test]
async fn the_answer_waits_for_the_disk_only_if_asked_to() {
    for (durability, waits) in
        [(crate::usage::Durability::Process, false), (crate::usage::Durability::Host, true)]
    {
        let folder = temporary();
        let outbox = Outbox::open(Options { durability, ..options(folder.path()) }).unwrap();
        let settled = outbox.admit(admission(1), None, prices()).unwrap().settle(settlement(1));
        assert_eq!(settled.is_durable(), !waits);
        let mut durable = Box::pin(settled.durable());
        let polled = futures_poll(durable.as_mut());
        assert_eq!(polled, !waits);
        outbox.sync().unwrap();
        if waits {
            tokio::time::timeout(Duration::from_secs(120), durable).await.unwrap();
        }
    }
}

/// Whether the future is done at the first look.
fn futures_poll(future: std::pin::Pin<&mut impl Future<Output = ()>>) -> bool {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    future.poll(&mut context).is_ready()
}
