//! What each prepaid account may still spend, known here and now.
//!
//! available = balance as published (rounded down)
//!           − settled spend that this balance does not include yet (rounded up)
//!           − holds of calls in flight
//!
//! Admission is one atomic subtraction. Every other change is one atomic addition of its whole
//! effect, so no reader ever sees half of it: settling trades the hold for the cost, a published
//! balance brings its amount together with the spend that it includes.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use schemas::event::Balance;
use schemas::ids::{AccountId, Origin, Seq};
use schemas::money::{Amount, Nano};

/// Balances are cut to a thousand million USD either way, so that sums stay in range.
const MOST: i64 = 1_000_000_000_000_000_000;

/// The account can't cover the hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the account has {available} USD available, the call may cost {wanted} USD")]
pub struct Short {
    /// What the call may cost.
    pub wanted: Nano,
    /// What is left beside open calls.
    pub available: Nano,
}

/// All accounts by id. Made on first sight; an account without a balance has nothing to spend.
#[derive(Debug, Default)]
pub struct Accounts {
    by_id: RwLock<HashMap<AccountId, Arc<Account>>>,
}

impl Accounts {
    /// No accounts.
    pub fn new() -> Self {
        Self::default()
    }

    /// The account of this id. Keep it: a call then takes no lock.
    pub fn account(&self, id: &AccountId) -> Arc<Account> {
        let known = self.by_id.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(account) = known.get(id) {
            return Arc::clone(account);
        }
        drop(known);
        let mut accounts = self.by_id.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(accounts.entry(id.clone()).or_default())
    }

    /// Takes over a published balance: see [`Account::apply_balance`].
    pub fn apply_balance(&self, balance: &Balance) {
        self.account(&balance.account).apply_balance(balance);
    }

    /// Counts spend that was read back from the log or the outbox at start: see
    /// [`Account::pending`].
    pub fn pending(&self, account: &AccountId, origin: Origin, seq: Seq, cost: Nano) {
        self.account(account).pending(origin, seq, cost);
    }
}

/// What one account may still spend.
#[derive(Debug, Default)]
pub struct Account {
    available: AtomicI64,
    book: Mutex<Book>,
}

/// What `available` was made of, holds left out.
#[derive(Debug, Default)]
struct Book {
    /// The balance as published.
    base: i64,
    /// Of the newest balance applied; older ones are passed over.
    account_seq: i64,
    /// Per origin, up to which seq the balance includes its events.
    included: HashMap<Origin, Seq>,
    /// Settled spend that the balance does not include.
    pending: HashMap<Origin, BTreeMap<Seq, i64>>,
}

impl Book {
    /// Enters spend once; returns what it takes away.
    fn enter(&mut self, origin: Origin, seq: Seq, cost: i64) -> i64 {
        if self.included.get(&origin).is_some_and(|to| seq <= *to) {
            return 0;
        }
        let known = self.pending.entry(origin).or_default().insert(seq, cost);
        cost.saturating_sub(known.unwrap_or(0))
    }

    /// Moves the mark of an origin; returns the spend that is thereby in the balance.
    fn include(&mut self, origin: Origin, seq: Seq) -> i64 {
        let mark = self.included.entry(origin).or_default();
        *mark = seq.max(*mark);
        let Some(pending) = self.pending.get_mut(&origin) else {
            return 0;
        };
        let later = pending.split_off(&mark.saturating_add(1));
        let settled = std::mem::replace(pending, later);
        if pending.is_empty() {
            self.pending.remove(&origin);
        }
        settled.into_values().fold(0, i64::saturating_add)
    }
}

impl Account {
    /// What may be held now; below zero when more was spent than was there.
    pub fn available(&self) -> Nano {
        Nano(self.available.load(Ordering::Acquire))
    }

    /// Takes `nano` out of what is available, or nothing.
    ///
    /// # Errors
    /// [`Short`] when less is available. A negative `nano` is read as zero.
    pub fn try_hold(self: &Arc<Self>, nano: Nano) -> Result<Hold, Short> {
        let nano = nano.0.max(0);
        let take = |available: i64| (available >= nano).then(|| available.saturating_sub(nano));
        let taken = self.available.fetch_update(Ordering::AcqRel, Ordering::Acquire, take);
        match taken {
            Ok(_) => Ok(Hold { account: Arc::clone(self), nano }),
            Err(available) => Err(Short { wanted: Nano(nano), available: Nano(available) }),
        }
    }

    /// Takes over a published balance and lets go of the spend that it includes, as one change.
    /// A balance older than the one that is known changes nothing.
    pub fn apply_balance(&self, balance: &Balance) {
        let mut book = self.book();
        if balance.account_seq < book.account_seq {
            return;
        }
        book.account_seq = balance.account_seq;
        let base = floor(balance.balance);
        let mut change = base.saturating_sub(book.base);
        book.base = base;
        for included in &balance.included {
            let seq = Seq::try_from(included.seq).unwrap_or(0);
            change = change.saturating_add(book.include(included.origin, seq));
        }
        self.add(change);
    }

    /// Counts settled spend until a balance includes it. The same (origin, seq) again replaces the
    /// cost; spend that the balance includes already changes nothing.
    pub fn pending(&self, origin: Origin, seq: Seq, cost: Nano) {
        let mut book = self.book();
        let taken = book.enter(origin, seq, cost.0.clamp(0, MOST));
        self.add(taken.saturating_neg());
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, change: i64) {
        let add = |available: i64| Some(available.saturating_add(change));
        let added = self.available.fetch_update(Ordering::AcqRel, Ordering::Acquire, add);
        debug_assert!(added.is_ok());
    }
}

/// Money set aside for a call in flight. Given back when dropped, or traded for the cost when the
/// call is settled.
#[must_use = "a dropped hold gives the money back at once"]
#[derive(Debug)]
pub struct Hold {
    account: Arc<Account>,
    nano: i64,
}

impl Hold {
    /// How much is set aside.
    pub const fn nano(&self) -> Nano {
        Nano(self.nano)
    }

    /// Enters the spend of the settled event and lets go of the hold, as one change. Called before
    /// anyone can ship the event, so that no balance can include it earlier.
    pub fn settle(mut self, origin: Origin, seq: Seq, cost: Nano) {
        let mut book = self.account.book();
        let taken = book.enter(origin, seq, cost.0.clamp(0, MOST));
        self.account.add(self.nano.saturating_sub(taken));
        drop(book);
        self.nano = 0;
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if self.nano != 0 {
            self.account.add(self.nano);
        }
    }
}

/// Rounded down to nano and cut to [`MOST`]: never more than the balance but below the cut.
fn floor(balance: Amount) -> i64 {
    let most = if balance.units() < 0 { -MOST } else { MOST };
    balance.to_nano_down().map_or(most, |nano| nano.0.clamp(-MOST, MOST))
}

#[cfg(test)]
mod tests;
