use proptest::prelude::*;
use schemas::event::{Hash, Included};

use super::*;

const ORIGINS: [Origin; 2] = [Origin([1; 16]), Origin([2; 16])];

fn balance(nano: i64, account_seq: i64, included: &[(Origin, u64)]) -> Balance {
    let included = included
        .iter()
        .map(|(origin, seq)| Included { origin: *origin, seq: i64::try_from(*seq).unwrap() });
    Balance {
        account: "a".into(),
        balance: Nano(nano).into(),
        granted: Amount::ZERO,
        spent: Amount::ZERO,
        account_seq,
        hash: Hash::default(),
        at: 0,
        included: included.collect(),
        leases: Vec::new(),
    }
}

#[test]
fn a_hold_takes_or_refuses() {
    let accounts = Accounts::new();
    let account = accounts.account(&"a".into());
    assert_eq!(
        account.try_hold(Nano(1)).unwrap_err(),
        Short { wanted: Nano(1), available: Nano(0) }
    );
    accounts.apply_balance(&balance(10, 1, &[]));
    let hold = account.try_hold(Nano(7)).unwrap();
    assert!(account.try_hold(Nano(4)).is_err());
    let rest = account.try_hold(Nano(3)).unwrap();
    assert_eq!(account.available(), Nano(0));
    drop((hold, rest));
    assert_eq!(account.available(), Nano(10));
    assert!(account.try_hold(Nano(-5)).is_ok_and(|hold| hold.nano() == Nano(0)));
}

#[test]
fn an_older_balance_and_repeated_spend_change_nothing() {
    let account = Account::default();
    account.apply_balance(&balance(100, 5, &[(ORIGINS[0], 3)]));
    account.pending(ORIGINS[0], 3, Nano(9));
    assert_eq!(account.available(), Nano(100), "already in the balance");
    account.pending(ORIGINS[0], 4, Nano(9));
    account.pending(ORIGINS[0], 4, Nano(9));
    assert_eq!(account.available(), Nano(91));
    account.apply_balance(&balance(500, 4, &[(ORIGINS[0], 9)]));
    assert_eq!(account.available(), Nano(91), "older than what is known");
    account.apply_balance(&balance(91, 6, &[(ORIGINS[0], 4)]));
    assert_eq!(account.available(), Nano(91));
}

#[test]
fn fractions_are_never_given_away() {
    let account = Arc::new(Account::default());
    let mut state = balance(0, 1, &[]);
    state.balance = Amount::from_units(10_999_999).unwrap();
    account.apply_balance(&state);
    assert_eq!(account.available(), Nano(10));
    state.balance = Amount::from_units(-1).unwrap();
    account.apply_balance(&state);
    assert_eq!(account.available(), Nano(-1));
    state.balance = Amount::from_units(10_i128.pow(37)).unwrap();
    account.apply_balance(&state);
    assert_eq!(account.available(), Nano(MOST));
}

/// Many threads hold and settle while balances come in: never more than there is, and exact in
/// the end.
#[test]
fn money_admission_is_exact_under_threads() {
    let account = Arc::new(Account::default());
    account.apply_balance(&balance(1_000_000, 1, &[]));
    let spent = AtomicI64::new(0);
    let seqs = Mutex::new(0_u64);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..2_000 {
                    let Ok(hold) = account.try_hold(Nano(100)) else {
                        continue;
                    };
                    let mut seq = seqs.lock().unwrap();
                    *seq += 1;
                    hold.settle(ORIGINS[0], *seq, Nano(70));
                    spent.fetch_add(70, Ordering::SeqCst);
                }
            });
        }
        scope.spawn(|| {
            for at in 2..200 {
                let seq = seqs.lock().unwrap();
                // billing has seen the first `seq` events, 70 each
                let base = 1_000_000 - 70 * i64::try_from(*seq).unwrap();
                account.apply_balance(&balance(base, at, &[(ORIGINS[0], *seq)]));
            }
        });
    });
    assert_eq!(spent.load(Ordering::SeqCst), 70 * 8_000);
    assert_eq!(account.available(), Nano(1_000_000 - 70 * 8_000));
}

#[derive(Clone, Debug)]
enum Step {
    Hold(i64),
    Drop(usize),
    Settle {
        hold: usize,
        origin: usize,
        cost: i64,
    },
    /// Read back at start-up, perhaps again.
    Pending {
        origin: usize,
        cost: i64,
        again: bool,
    },
    /// Billing takes the next events of an origin.
    Bill {
        origin: usize,
        events: usize,
    },
    Credit(i64),
    Publish,
    Stale,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..1_000_i64).prop_map(Step::Hold),
        2 => any::<usize>().prop_map(Step::Drop),
        6 => (any::<usize>(), 0..2_usize, 0..1_200_i64)
            .prop_map(|(hold, origin, cost)| Step::Settle { hold, origin, cost }),
        1 => (0..2_usize, 0..500_i64, any::<bool>())
            .prop_map(|(origin, cost, again)| Step::Pending { origin, cost, again }),
        4 => (0..2_usize, 1..5_usize).prop_map(|(origin, events)| Step::Bill { origin, events }),
        2 => (-500..2_000_i64).prop_map(Step::Credit),
        3 => Just(Step::Publish),
        1 => Just(Step::Stale),
    ]
}

/// The naive reference: every event and hold in lists, sums made anew each time.
#[derive(Default)]
struct Reference {
    credits: i64,
    /// Costs in order of their seqs, per origin.
    events: [Vec<i64>; 2],
    /// How many of them billing has seen.
    billed: [usize; 2],
    account_seq: i64,
    /// The last balance that was published: its amount and what it includes.
    published: (i64, [usize; 2]),
}

impl Reference {
    fn publish(&mut self) -> Balance {
        let billed: i64 =
            (0..2).map(|at| self.events[at][..self.billed[at]].iter().sum::<i64>()).sum();
        self.account_seq += 1;
        self.published = (self.credits - billed, self.billed);
        let included: Vec<_> = (0..2).map(|at| (ORIGINS[at], self.billed[at] as u64)).collect();
        balance(self.published.0, self.account_seq, &included)
    }

    fn available(&self, holds: &[Hold]) -> i64 {
        let (base, included) = self.published;
        let unseen: i64 =
            (0..2).map(|at| self.events[at][included[at]..].iter().sum::<i64>()).sum();
        base - unseen - holds.iter().map(|hold| hold.nano().0).sum::<i64>()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Invariant 10.
    #[test]
    fn money_admission_never_waits_and_never_gives_more_than_there_is(
        steps in prop::collection::vec(step(), 1..150)
    ) {
        let account = Arc::new(Account::default());
        let mut reference = Reference::default();
        let mut holds: Vec<Hold> = Vec::new();
        let mut stale = balance(1 << 40, 0, &[(ORIGINS[0], 1 << 20)]);
        account.apply_balance(&reference.publish());
        for step in steps {
            match step {
                Step::Hold(nano) => {
                    let before = reference.available(&holds);
                    match account.try_hold(Nano(nano)) {
                        Ok(hold) => {
                            prop_assert!(nano <= before);
                            holds.push(hold);
                        }
                        Err(short) => {
                            prop_assert!(nano > before);
                            prop_assert_eq!(short.available, Nano(before));
                        }
                    }
                }
                Step::Drop(at) if !holds.is_empty() => drop(holds.swap_remove(at % holds.len())),
                Step::Settle { hold, origin, cost } if !holds.is_empty() => {
                    let hold = holds.swap_remove(hold % holds.len());
                    reference.events[origin].push(cost);
                    hold.settle(ORIGINS[origin], reference.events[origin].len() as u64, Nano(cost));
                }
                Step::Pending { origin, cost, again } => {
                    reference.events[origin].push(cost);
                    for _ in 0..=usize::from(again) {
                        account.pending(ORIGINS[origin], reference.events[origin].len() as u64, Nano(cost));
                    }
                }
                Step::Bill { origin, events } => {
                    let billed = &mut reference.billed[origin];
                    *billed = (*billed + events).min(reference.events[origin].len());
                }
                Step::Credit(nano) => reference.credits += nano,
                Step::Publish => {
                    stale = reference.publish();
                    account.apply_balance(&stale);
                    stale.account_seq -= 1;
                    stale.balance = Nano(1 << 40).into();
                }
                Step::Stale => account.apply_balance(&stale),
                Step::Drop(_) | Step::Settle { .. } => {}
            }
            prop_assert_eq!(account.available().0, reference.available(&holds));
        }
        // all billed, nothing held: exactly what the ledger says
        holds.clear();
        reference.billed = [0, 1].map(|at| reference.events[at].len());
        account.apply_balance(&reference.publish());
        prop_assert_eq!(account.available().0, reference.published.0);
    }
}
