//! A prepaid account: what it has, and no more.

use schemas::event::{Balance, Dead, EntryKind, Ledger};
use schemas::money::Amount;
use schemas::topics::Topic;

use crate::rig::http::{Answer, chat};
use crate::rig::{eventually, log};
use crate::{PATIENCE, all_is_sound, hub, output, say, serve};

const KEY: &str = "key-of-a-prepaid-account";
const ACCOUNT: &str = r#"
[[accounts]]
id = "prepaid"
kind = "prepaid"
grant = "0.02"

[[keys]]
id = "prepaid"
secret = "key-of-a-prepaid-account"
account = "prepaid"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_prepaid_account_spends_what_it_has_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let hub = hub(folder.path(), &[], ACCOUNT);
    let process = tokio::task::block_in_place(|| serve(&hub));
    // some 1,000 tokens in, as many out: 0.003 USD, of which more than twice is held
    let mut body = say("demo", &"word".repeat(1_000));
    body["max_tokens"] = 2_000.into();
    let ask = || chat(hub.listen, KEY, &body);
    let first = eventually("the first grant", PATIENCE, || {
        Some(ask()).filter(|answer| answer.status == 200)
    });

    // eight at a time, until each is refused
    let spend = || {
        let mut answers = vec![ask()];
        while answers.last().is_some_and(|answer| answer.status == 200) {
            answers.push(ask());
        }
        answers
    };
    let answers: Vec<Answer> = tokio::task::block_in_place(|| {
        std::thread::scope(|scope| {
            let spenders: Vec<_> = (0..8).map(|_| scope.spawn(spend)).collect();
            spenders.into_iter().flat_map(|spender| spender.join().unwrap()).collect()
        })
    });
    let refused: Vec<&Answer> = answers.iter().filter(|answer| answer.status != 200).collect();
    for answer in &refused {
        assert_eq!(
            (answer.status, answer.header("x-hub-error")),
            (402, "insufficient_credit"),
            "{}",
            answer.text()
        );
    }
    let served = 1 + answers.len() - refused.len();
    assert!(served >= 3, "{served} calls were served with money for more");
    assert_eq!(first.status, 200);

    let file = log::open(&hub);
    let journal = async || log::events::<Ledger>(&file, Topic::Ledger).await;
    let mut entries = Vec::new();
    tokio::time::timeout(PATIENCE, async {
        while entries.len() < served + 1 {
            entries = journal().await;
        }
    })
    .await
    .unwrap_or_else(|_| panic!("{served} calls, a grant, and these entries: {entries:?}"));
    assert_eq!(entries.len(), served + 1);
    let lowest = entries.iter().map(|entry| entry.balance).min().unwrap();
    assert!(lowest >= Amount::ZERO, "the balance fell to {lowest}");
    // and what is left would not have paid for one more
    assert!(lowest < "0.0085".parse().unwrap(), "402 with {lowest} USD left");

    let grant = |amount: &str| {
        output(
            &hub,
            &["credits", "grant", "--account", "prepaid", "--amount", amount, "--command", "more"],
        )
    };
    for amount in ["1", "1", "5"] {
        let sent = grant(amount);
        assert!(sent.status.success(), "{sent:?}");
    }
    eventually("the grant revives it", PATIENCE, || (ask().status == 200).then_some(()));
    let mut dead = Vec::new();
    tokio::time::timeout(PATIENCE, async {
        while dead.is_empty() {
            dead = log::events::<Dead>(&file, Topic::Dead).await;
        }
    })
    .await
    .unwrap_or_else(|_| panic!("the same command with another body was not refused"));
    assert_eq!((dead.len(), dead[0].topic.as_str()), (1, Topic::Credits.name()), "{dead:?}");
    let entries = journal().await;
    let of_command = entries.iter().filter(|entry| entry.command.as_deref() == Some("more"));
    let kinds: Vec<EntryKind> = of_command.map(|entry| entry.kind).collect();
    // done once, however often it is sent; with another body never
    assert_eq!(kinds, [EntryKind::Credit, EntryKind::Suspense]);
    let events = tokio::task::block_in_place(|| all_is_sound(&hub));
    assert_eq!(events, u64::try_from(served + 1).unwrap());
    let balances = log::events::<Balance>(&file, Topic::Balances).await;
    let newest = balances.iter().rfind(|balance| balance.account.as_str() == "prepaid");
    assert_eq!(newest.unwrap().granted, "1.02".parse().unwrap());
    drop(file);
    assert!(process.stop().unwrap().success());
}
