//! Usage and credits to ledger and balances.

use std::collections::{BTreeMap, BTreeSet};

use processors::pipeline::{self, Board, Phase};
use processors::{End, billing, replay};
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use runtime::log::{Outgoing, Step, WriterId};
use schemas::event::{Balance, Credit, CreditKind, Dead, EntryKind, Ledger, Usage};
use schemas::money::Amount;
use schemas::topics::Topic;

use crate::flaky::Flaky;
use crate::rig::{Rig, Running, book, grant, usage};

#[tokio::test]
async fn a_call_becomes_an_entry_and_a_balance() {
    let rig = Rig::new(2);
    let _running = Running::billing(&rig.deps);
    rig.log.append(vec![rig.credit_record(&grant("acme", "g1", "5"))]).await.unwrap();
    rig.until_done("billing", &[Topic::Credits]).await;
    // the price book comes after the call that names it: the call waits
    rig.log.append(vec![rig.usage_record(&usage(1, 1, "acme", 500))]).await.unwrap();
    rig.until(|board| {
        board.iter().any(|progress| {
            progress.detail.as_ref().is_some_and(|detail| detail.contains("price book"))
        })
    })
    .await;
    rig.log.append(vec![rig.book_record(book())]).await.unwrap();
    rig.until_done("billing", &[Topic::Credits, Topic::Usage]).await;

    let balances = rig.latest(Topic::Balances).await;
    let balance: Balance = rig.codec.decode(&balances["acme"]).unwrap();
    assert_eq!(balance.balance.to_string(), "4.99955");
    assert_eq!(
        (balance.granted.to_string(), balance.spent.to_string()),
        ("5.00".into(), "0.00045".into())
    );
    assert_eq!(balance.included.iter().map(|included| included.seq).collect::<Vec<_>>(), [1]);
    let ledger: Vec<Ledger> = rig.events_of(Topic::Ledger).await;
    let kinds: Vec<_> = ledger.iter().map(|entry| (entry.account_seq, entry.kind)).collect();
    assert_eq!(kinds, [(1, EntryKind::Credit), (2, EntryKind::Usage)]);
    assert_eq!(balance.hash, ledger[1].hash);
    check_journal(&rig, &ledger);
    assert!(rig.events_of::<Dead>(Topic::Dead).await.is_empty());
}

/// Chains, sums and seals of all journals.
pub(crate) fn check_journal(rig: &Rig, ledger: &[Ledger]) {
    let mut newest: BTreeMap<&str, &Ledger> = BTreeMap::new();
    for entry in ledger {
        assert!(billing::is_sealed(&rig.codec, entry).unwrap());
        let sum: i128 = entry.postings.iter().map(|posting| posting.amount.units()).sum();
        assert_eq!(sum, 0);
        let before = newest.insert(entry.account.as_str(), entry);
        let (seq, hash, balance) = before.map_or((0, Default::default(), Amount::ZERO), |before| {
            (before.account_seq, before.hash, before.balance)
        });
        assert_eq!((entry.account_seq, entry.prev_hash), (seq + 1, hash));
        let customer = entry.postings.iter().find(|posting| posting.ledger_account == "customer");
        assert_eq!(entry.balance, balance.checked_add(customer.unwrap().amount).unwrap());
    }
}

/// Balance = Σ, whatever order, duplicates and kills the records meet; and the replay is the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replay_is_exact() {
    for seed in 0..4 {
        let rig = Rig::new(2);
        let mut random = SmallRng::seed_from_u64(seed);
        rig.log.append(vec![rig.book_record(book())]).await.unwrap();
        let (records, expected) = history(&rig, &mut random);
        let flaky = rig.deps_on(Flaky::over(rig.log.clone(), seed, 15));
        let mut running = Running::billing(&flaky);
        for chunk in records.chunks(40) {
            rig.log.append(chunk.to_vec()).await.unwrap();
            if random.random_ratio(1, 3) {
                // a kill at a random instant, and a start that may overlap it
                for _ in 0..random.random_range(0..200) {
                    tokio::task::yield_now().await;
                }
                drop(running);
                running = Running::billing(&flaky);
            }
        }
        rig.until_done("billing", &[Topic::Usage, Topic::Credits]).await;
        drop(running);

        let ledger: Vec<Ledger> = rig.events_of(Topic::Ledger).await;
        check_journal(&rig, &ledger);
        let balances = rig.latest(Topic::Balances).await;
        for (account, units) in &expected {
            let balance: Balance = rig.codec.decode(&balances[account]).unwrap();
            assert_eq!(balance.balance.units(), *units, "seed {seed} {account}");
        }
        let causes: BTreeSet<_> = ledger
            .iter()
            .map(|entry| (entry.cause_topic.clone(), entry.cause_partition, entry.cause_offset))
            .collect();
        assert_eq!(causes.len(), ledger.len(), "one entry per cause");
        for partition in 0..2 {
            let report = replay::billing(&rig.deps, partition).await.unwrap();
            assert!(report.is_same(), "seed {seed}: {report:#?}");
            assert!(report.compared["ledger"] > 0 && report.compared["balance"] > 0);
        }
    }
}

/// 400 events of three origins with duplicates, late members of gaps and credits, and what the
/// accounts should end at.
fn history(rig: &Rig, random: &mut SmallRng) -> (Vec<Outgoing>, BTreeMap<String, i128>) {
    let accounts = ["acme", "bolt", "coil", "dyne", "ergo"];
    let mut expected: BTreeMap<String, i128> = BTreeMap::new();
    let mut records = Vec::new();
    let mut seqs: BTreeMap<(u8, u32), i64> = BTreeMap::new();
    for n in 0..400 {
        let account = accounts[random.random_range(0..accounts.len())];
        if n % 10 == 0 {
            let record = rig.credit_record(&grant(account, &format!("c{n}"), "0.5"));
            records.extend(vec![record; random.random_range(1..3)]);
            *expected.entry(account.to_owned()).or_default() += 500_000_000_000_000;
            continue;
        }
        let origin = random.random_range(1..4);
        let seq = seqs.entry((origin, rig.partition(account))).or_default();
        *seq += 1;
        let mut usage = usage(origin, *seq, account, random.random_range(0..1000));
        if n % 7 == 0 {
            usage.charges.clear(); // costs nothing, and is counted all the same
        }
        for charge in &usage.charges {
            let cost = book().cost(charge, usage.admitted_at).unwrap();
            *expected.entry(account.to_owned()).or_default() -= cost.units();
        }
        records.push(rig.usage_record(&usage));
        if n % 5 == 0 {
            records.push(rig.usage_record(&usage)); // sent again
        }
    }
    // some come late, so that gaps open and close again
    for _ in 0..20 {
        let at = random.random_range(0..records.len() - 10);
        let record = records.remove(at);
        records.insert(at + random.random_range(1..10), record);
    }
    (records, expected)
}

#[tokio::test]
async fn the_balance_says_what_it_includes() {
    let rig = Rig::new(1);
    rig.log.append(vec![rig.book_record(book())]).await.unwrap();
    let _running = Running::billing(&rig.deps);
    let included = async || {
        rig.until_done("billing", &[Topic::Usage]).await;
        let balances = rig.latest(Topic::Balances).await.into_iter();
        let read = balances.map(|(account, value)| {
            let balance: Balance = rig.codec.decode(&value).unwrap();
            (account, balance.included.iter().map(|item| item.seq).collect::<Vec<_>>())
        });
        read.collect::<BTreeMap<_, _>>()
    };
    let send = async |usage: Usage| {
        rig.log.append(vec![rig.usage_record(&usage)]).await.unwrap();
    };
    send(usage(1, 1, "acme", 1)).await;
    send(Usage { charges: Vec::new(), ..usage(1, 2, "acme", 1) }).await;
    assert_eq!(included().await["acme"], [2], "an event that costs nothing counts");
    // 3 is missing: nothing behind it is told to be included
    send(usage(1, 4, "bolt", 1)).await;
    send(usage(1, 5, "acme", 1)).await;
    let gap = included().await;
    assert_eq!((&gap["acme"][..], &gap["bolt"][..]), (&[2][..], &[2][..]));
    rig.until(|board| board.iter().any(|progress| progress.missing == 1)).await;
    // when it comes, all accounts of the origin are told
    send(usage(1, 3, "coil", 1)).await;
    let closed = included().await;
    for account in ["acme", "bolt", "coil"] {
        assert_eq!(closed[account], [5], "{account}");
    }
    rig.until(|board| board.iter().all(|progress| progress.missing == 0)).await;
}

#[tokio::test]
async fn no_free_call() {
    let rig = Rig::new(1);
    rig.log.append(vec![rig.book_record(book())]).await.unwrap();
    let mut unpriced = usage(1, 1, "acme", 1);
    unpriced.charges[0].model = "unheard-of".into();
    let mut poison = rig.usage_record(&usage(1, 2, "acme", 1));
    poison.record.value = Some(bytes::Bytes::from_static(b"\0\0\0\0\x01\xff\xff\xff"));
    let mut torn = rig.usage_record(&usage(1, 3, "acme", 1));
    torn.record.value = Some(bytes::Bytes::from_static(b"{}"));
    // refused before, so not charged twice
    let again = Usage { seq: 4, call: unpriced.call, ..usage(1, 4, "acme", 1) };
    let mut lying = rig.usage_record(&usage(1, 6, "acme", 1));
    lying.record.headers = rig.usage_record(&usage(1, 5, "acme", 1)).record.headers;
    let good = usage(1, 6, "acme", 1);
    let twice = Usage { seq: 7, ..good.clone() };
    rig.log
        .append(vec![
            rig.usage_record(&unpriced),
            poison,
            torn,
            rig.usage_record(&again),
            lying,
            rig.usage_record(&good),
            rig.usage_record(&twice),
        ])
        .await
        .unwrap();
    let _running = Running::billing(&rig.deps);
    rig.until_done("billing", &[Topic::Usage]).await;

    let dead: Vec<Dead> = rig.events_of(Topic::Dead).await;
    let codes: Vec<_> = dead.iter().map(|dead| (dead.offset, dead.code.as_str())).collect();
    assert_eq!(
        codes,
        [
            (0, "no_price"),
            (1, "undecodable"),
            (2, "undecodable"),
            (4, "identity"),
            (6, "second_settlement"),
        ]
    );
    assert!(dead.iter().all(|dead| dead.processor == "billing" && dead.value.is_some()));
    let ledger: Vec<Ledger> = rig.events_of(Topic::Ledger).await;
    check_journal(&rig, &ledger);
    let kinds: Vec<_> = ledger.iter().map(|entry| entry.kind).collect();
    let (suspense, charged) = (EntryKind::Suspense, EntryKind::Usage);
    assert_eq!(kinds, [suspense, suspense, suspense, charged, suspense, charged, suspense]);
    let balance: Balance = rig.codec.decode(&rig.latest(Topic::Balances).await["acme"]).unwrap();
    assert_eq!(balance.included[0].seq, 7, "what is refused moves the mark");
    assert_eq!(balance.spent.to_string(), "0.0003012");
    let report = replay::billing(&rig.deps, 0).await.unwrap();
    assert!(report.is_same(), "{report:#?}");
    assert_eq!(report.compared["dead letter"], 5);
}

#[tokio::test]
async fn a_command_is_done_once() {
    let rig = Rig::new(1);
    let refund = Credit { kind: CreditKind::Refund, ..grant("acme", "r1", "-1") };
    let commands = [
        grant("acme", "g1", "5"),
        grant("acme", "g1", "5"),
        grant("acme", "g1", "6"),
        grant("bolt", "g1", "5"),
        refund.clone(),
        grant("acme", "g2", "-5"),
        grant("acme", "", "5"),
        grant("acme", "g2", "2"),
    ];
    let mut running = Running::billing(&rig.deps);
    for command in &commands {
        rig.log.append(vec![rig.credit_record(command)]).await.unwrap();
        rig.until_done("billing", &[Topic::Credits]).await;
        running = Running::billing(&rig.deps); // what was done is known after a takeover
    }
    drop(running);
    let dead: Vec<Dead> = rig.events_of(Topic::Dead).await;
    let codes: Vec<_> = dead.iter().map(|dead| (dead.offset, dead.code.as_str())).collect();
    assert_eq!(codes, [(2, "command_reused"), (5, "credit"), (6, "command")]);
    let balances = rig.latest(Topic::Balances).await;
    for (account, wanted) in [("acme", "6.00"), ("bolt", "5.00")] {
        let balance: Balance = rig.codec.decode(&balances[account]).unwrap();
        assert_eq!(balance.balance.to_string(), wanted, "{account}");
    }
    assert!(replay::billing(&rig.deps, 0).await.unwrap().is_same());
}

#[tokio::test]
async fn an_unknown_schema_is_waited_for() {
    let rig = Rig::new(1);
    let mut newer = rig.usage_record(&usage(1, 1, "acme", 1));
    newer.record.value = Some(bytes::Bytes::from_static(b"\0\0\0\x27\x0fbody"));
    let credit = rig.credit_record(&grant("acme", "g1", "5"));
    rig.log.append(vec![newer, credit]).await.unwrap();
    let _running = Running::billing(&rig.deps);
    rig.until_done("billing", &[Topic::Credits]).await;
    rig.until(|board| {
        board.iter().any(|progress| {
            progress.phase == Phase::Waiting
                && progress.detail.as_deref() == Some("hub.usage.v1/0 waits for schema id 9999")
                && progress.lag["hub.usage.v1"] == 1
        })
    })
    .await;
    assert!(!rig.deps.board.is_caught_up(10), "readiness shows it");
    assert!(rig.events_of::<Dead>(Topic::Dead).await.is_empty());
}

#[tokio::test]
async fn a_zombie_stops_for_good() {
    let rig = Rig::new(1);
    let zombie = rig.deps_on(rig.log.clone());
    let old = Running::billing(&zombie);
    let running = |board: &Board| board.read().iter().any(|one| one.phase == Phase::Running);
    while !running(&zombie.board) {
        tokio::task::yield_now().await;
    }
    let _new = Running::billing(&rig.deps);
    rig.until(|board| board.iter().any(|progress| progress.phase == Phase::Running)).await;
    rig.log.append(vec![rig.credit_record(&grant("acme", "g1", "5"))]).await.unwrap();
    rig.until_done("billing", &[Topic::Credits]).await;
    assert!(matches!(old.ended().await[..], [End::Fenced(_)]));
    assert_eq!(rig.events_of::<Ledger>(Topic::Ledger).await.len(), 1);
}

#[tokio::test]
async fn state_and_offsets_that_disagree_stop_it() {
    let rig = Rig::new(1);
    rig.log.append(vec![rig.credit_record(&grant("acme", "g1", "5"))]).await.unwrap();
    let mut writer = rig.log.writer(WriterId("billing/0".to_owned())).await.unwrap();
    let inputs = vec![(Topic::Credits.at(0), 1)];
    writer.commit(Step { outputs: Vec::new(), inputs }).await.unwrap();
    let ends = Running::billing(&rig.deps).ended().await;
    assert!(matches!(ends[..], [End::Failed(pipeline::Error::Disagree { .. })]), "{ends:?}");
    assert!(rig.events_of::<Ledger>(Topic::Ledger).await.is_empty());
}
