//! Usage and credits to ledger and balances.

use std::collections::BTreeMap;

use processors::billing;
use schemas::event::{Balance, Dead, EntryKind, Ledger};
use schemas::money::Amount;
use schemas::topics::Topic;

use crate::rig::{Rig, Running, book, grant, usage};

#[tokio::test]
async fn a_call_becomes_an_entry_and_a_balance() {
    let rig = Rig::new(2);
    let _running = Running::billing(&rig.deps);
    rig.log
        .append(vec![rig.credit_record(&grant("acme", "g1", "5"))])
        .await
        .unwrap();
    rig.until_done("billing", &[Topic::Credits]).await;
    // the price book comes after the call that names it: the call waits
    rig.log
        .append(vec![rig.usage_record(&usage(1, 1, "acme", 500))])
        .await
        .unwrap();
    rig.until(|board| {
        board.iter().any(|progress| {
            progress
                .detail
                .as_ref()
                .is_some_and(|detail| detail.contains("price book"))
        })
    })
    .await;
    rig.log
        .append(vec![rig.book_record(&book())])
        .await
        .unwrap();
    rig.until_done("billing", &[Topic::Credits, Topic::Usage])
        .await;

    let balances = rig.latest(Topic::Balances).await;
    let balance: Balance = rig.codec.decode(&balances["acme"]).unwrap();
    assert_eq!(balance.balance.to_string(), "4.99955");
    assert_eq!(
        (balance.granted.to_string(), balance.spent.to_string()),
        ("5.00".into(), "0.00045".into())
    );
    assert_eq!(
        balance
            .included
            .iter()
            .map(|included| included.seq)
            .collect::<Vec<_>>(),
        [1]
    );
    let ledger: Vec<Ledger> = rig.events(Topic::Ledger).await;
    let kinds: Vec<_> = ledger
        .iter()
        .map(|entry| (entry.account_seq, entry.kind))
        .collect();
    assert_eq!(kinds, [(1, EntryKind::Credit), (2, EntryKind::Usage)]);
    assert_eq!(balance.hash, ledger[1].hash);
    check_journal(&rig, &ledger);
    assert!(rig.events::<Dead>(Topic::Dead).await.is_empty());
}

/// Chains, sums and seals of all journals.
pub fn check_journal(rig: &Rig, ledger: &[Ledger]) {
    let mut newest: BTreeMap<&str, &Ledger> = BTreeMap::new();
    for entry in ledger {
        assert!(billing::is_sealed(&rig.codec, entry).unwrap());
        let sum: i128 = entry
            .postings
            .iter()
            .map(|posting| posting.amount.units())
            .sum();
        assert_eq!(sum, 0);
        let before = newest.insert(entry.account.as_str(), entry);
        let (seq, hash, balance) = before.map_or((0, Default::default(), Amount::ZERO), |before| {
            (before.account_seq, before.hash, before.balance)
        });
        assert_eq!((entry.account_seq, entry.prev_hash), (seq + 1, hash));
        let customer = entry
            .postings
            .iter()
            .find(|posting| posting.ledger_account == "customer");
        assert_eq!(
            entry.balance,
            balance.checked_add(customer.unwrap().amount).unwrap()
        );
    }
}
