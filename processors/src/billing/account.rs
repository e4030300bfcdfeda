//! One account: the state that its balance record holds.

use schemas::event::{Balance, Hash, Included};
use schemas::ids::{AccountId, Origin};
use schemas::money::{Amount, Error};

/// What moves an account's money.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Movement {
    /// Given or taken by a command; negative takes.
    Credit(Amount),
    /// Used; never negative.
    Spend(Amount),
    /// Nothing: the entry only tells.
    None,
}

impl Movement {
    /// What it adds to the customer's account.
    pub(super) const fn to_customer(self) -> Amount {
        match self {
            Self::Credit(amount) => amount,
            Self::Spend(amount) => amount.negated(),
            Self::None => Amount::ZERO,
        }
    }
}

/// An account that was never used.
pub(super) fn unused(account: AccountId) -> Balance {
    Balance {
        account,
        balance: Amount::ZERO,
        granted: Amount::ZERO,
        spent: Amount::ZERO,
        account_seq: 0,
        hash: Hash::default(),
        at: 0,
        included: Vec::new(),
        leases: Vec::new(),
    }
}

/// Balance, sum of credits and sum of spend after a movement.
///
/// # Errors
/// One of them would have more than 38 digits.
pub(super) fn moved(before: &Balance, movement: Movement) -> Result<[Amount; 3], Error> {
    let balance = before.balance.checked_add(movement.to_customer())?;
    let (granted, spent) = match movement {
        Movement::Credit(amount) => (before.granted.checked_add(amount)?, before.spent),
        Movement::Spend(amount) => (before.granted, before.spent.checked_add(amount)?),
        Movement::None => (before.granted, before.spent),
    };
    Ok([balance, granted, spent])
}

/// Notes that events of the origin up to `seq` are in the balance; whether that is news.
/// The list is ordered by origin.
pub(super) fn include(balance: &mut Balance, origin: Origin, seq: i64) -> bool {
    match balance.included.binary_search_by_key(&origin, |included| included.origin) {
        Ok(at) => balance.included.get_mut(at).is_some_and(|included| {
            let news = included.seq < seq;
            included.seq = included.seq.max(seq);
            news
        }),
        Err(at) => {
            balance.included.insert(at, Included { origin, seq });
            true
        }
    }
}
