//! Requests per minute: governor's GCRA, with what other gateways let through taken out of it too.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use governor::clock::Clock as _;
use governor::middleware::StateInformationMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use runtime::clock::{Clock, Micros};
use schemas::ids::Origin;

use super::others::{Heard, Others};

/// The hub's time as governor reads it.
#[derive(Clone, Debug)]
struct Ticks(Clock);

impl governor::clock::Clock for Ticks {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.now().since(Micros(0))
    }
}

type Limiter = RateLimiter<NotKeyed, InMemoryState, Ticks, StateInformationMiddleware>;

/// A bucket of one size: a minute's worth, which fills again evenly.
#[derive(Debug)]
struct Bucket {
    most: NonZeroU32,
    limiter: Limiter,
}

/// The requests of one counter.
#[derive(Debug)]
pub(super) struct Rate {
    clock: Ticks,
    bucket: ArcSwapOption<Bucket>,
    /// What others let through and the bucket had no room for. It is taken out as time passes, before
    /// the next own request: governor takes out nothing that is not there.
    debt: AtomicI64,
    /// Requests let through here since the counter was made.
    used: AtomicI64,
    /// What was left after the last request, and when that was.
    left: AtomicI64,
    left_at: AtomicI64,
    others: Mutex<Others>,
}

impl Rate {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock: Ticks(clock),
            bucket: ArcSwapOption::empty(),
            debt: AtomicI64::new(0),
            used: AtomicI64::new(0),
            left: AtomicI64::new(i64::MAX),
            left_at: AtomicI64::new(0),
            others: Mutex::default(),
        }
    }

    /// Lets one request through.
    ///
    /// # Errors
    /// How long until there is room.
    pub(super) fn take(&self, most: i64) -> Result<(), Duration> {
        let bucket = self.bucket(most);
        self.pay(&bucket);
        let debt = self.debt.load(Ordering::Acquire).max(0);
        let took = match debt {
            0 => self.check(&bucket),
            // there was no room for all of it just now
            _ => Err(self.check(&bucket).err().unwrap_or_default()),
        };
        took.map(|()| {
            self.used.fetch_add(1, Ordering::Relaxed);
        })
        .map_err(|wait| {
            let before = u32::try_from(debt).unwrap_or(u32::MAX);
            wait.saturating_add(each(bucket.most).saturating_mul(before))
        })
    }

    /// Takes one request out of the bucket.
    fn check(&self, bucket: &Bucket) -> Result<(), Duration> {
        let checked = bucket.limiter.check();
        let now = self.clock.0.now();
        let left = checked.as_ref().map_or(0, |state| i64::from(state.remaining_burst_capacity()));
        self.left.store(left, Ordering::Relaxed);
        self.left_at.store(now.0, Ordering::Relaxed);
        checked.map(drop).map_err(|not| not.wait_time_from(self.clock.now()))
    }

    /// Takes out of the bucket what others let through, as far as there is room.
    fn pay(&self, bucket: &Bucket) {
        while self.debt.load(Ordering::Acquire) > 0 && self.check(bucket).is_ok() {
            self.debt.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// Pays what is owed as time passes.
    pub(super) fn pay_debt(&self) {
        if self.debt.load(Ordering::Acquire) > 0
            && let Some(bucket) = self.bucket.load_full()
        {
            self.pay(&bucket);
        }
    }

    /// The bucket of this size. Where the limit has changed, what is in use of the old bucket is
    /// taken out of the new one.
    fn bucket(&self, most: i64) -> Arc<Bucket> {
        let most = u32::try_from(most.max(1)).ok().and_then(NonZeroU32::new);
        let most = most.unwrap_or(NonZeroU32::MAX);
        if let Some(bucket) = self.bucket.load_full().filter(|bucket| bucket.most == most) {
            return bucket;
        }
        let limiter = RateLimiter::direct_with_clock(Quota::per_minute(most), self.clock.clone());
        let bucket = Arc::new(Bucket { most, limiter: limiter.with_middleware() });
        if let Some(before) = self.bucket.swap(Some(Arc::clone(&bucket))) {
            let full = before.most.get();
            let left = before.limiter.check().map_or(0, |it| it.remaining_burst_capacity() + 1);
            let used = full.saturating_sub(left).min(most.get());
            self.debt.fetch_add(used.into(), Ordering::AcqRel);
        }
        bucket
    }

    /// How many requests are left, and how long until all are there again.
    pub(super) fn left(&self, most: i64) -> (i64, Duration) {
        let passed = self.clock.0.now().0.saturating_sub(self.left_at.load(Ordering::Relaxed));
        let back = i128::from(passed.max(0)) * i128::from(most) / 60_000_000;
        let left = i128::from(self.left.load(Ordering::Relaxed)) + back;
        let left = i64::try_from(left).unwrap_or(most).clamp(0, most);
        let left = left.saturating_sub(self.debt.load(Ordering::Relaxed).max(0)).max(0);
        let micros = i128::from(most - left) * 60_000_000 / i128::from(most.max(1));
        (left, Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX)))
    }

    /// Takes in what another gateway has let through since it started. `most`: how much there may be;
    /// `None` where nothing is bounded, or what was let through may be long ago.
    pub(super) fn hear(&self, origin: Origin, heard: Heard, most: Option<i64>) {
        let Some(before) = self.others().hear(origin, heard) else {
            return;
        };
        let new = heard.used.saturating_sub(before.map_or(0, |before| before.used));
        if let Some(most) = most.filter(|_| new > 0) {
            let bucket = self.bucket(most);
            self.debt.fetch_add(new, Ordering::AcqRel);
            self.pay(&bucket);
        }
    }

    /// Requests let through here since the counter was made.
    pub(super) fn used(&self) -> i64 {
        self.used.load(Ordering::Relaxed)
    }

    pub(super) fn others(&self) -> MutexGuard<'_, Others> {
        self.others.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it would be the same if it were made anew.
    pub(super) fn is_idle(&self, now: Micros) -> bool {
        self.debt.load(Ordering::Acquire) <= 0
            && now.since(Micros(self.left_at.load(Ordering::Relaxed))) > Duration::from_secs(90)
    }
}

/// The time in which one request comes back.
fn each(most: NonZeroU32) -> Duration {
    Duration::from_secs(60) / most.get()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OTHER: Origin = Origin([7; 16]);

    fn heard(seq: i64, used: i64) -> Heard {
        Heard { seq, used, window_at: 0, at: Micros(0) }
    }

    #[test]
    fn what_others_let_through_is_taken_out_and_paid_back_in_time() {
        let clock = Clock::manual(Micros(1_000_000_000));
        let rate = Rate::new(clock.clone());
        assert_eq!(rate.left(6), (6, Duration::ZERO));
        for _ in 0..2 {
            rate.take(6).unwrap();
        }
        assert_eq!(rate.left(6), (4, Duration::from_secs(20)));
        rate.hear(OTHER, heard(1, 3), Some(6));
        rate.hear(OTHER, heard(1, 3), Some(6));
        assert_eq!(rate.left(6), (1, Duration::from_secs(50)), "the same again says nothing");
        rate.take(6).unwrap();
        assert_eq!(rate.take(6), Err(Duration::from_secs(10)));
        rate.hear(OTHER, heard(2, 5), Some(6));
        assert_eq!(
            rate.take(6),
            Err(Duration::from_secs(30)),
            "two more were let through beyond it"
        );
        clock.advance(Duration::from_secs(20));
        assert_eq!(rate.take(6), Err(Duration::from_secs(10)));
        clock.advance(Duration::from_secs(10));
        assert_eq!(rate.take(6), Ok(()));
        assert_eq!((rate.used(), rate.is_idle(clock.now())), (4, false));
        rate.hear(OTHER, heard(3, 50), None);
        clock.advance(Duration::from_secs(100));
        assert_eq!(rate.left(6).0, 6, "what was long ago is only remembered");
        assert!(rate.is_idle(clock.now()));
    }

    #[test]
    fn another_limit_holds_at_once_and_what_is_in_use_stays_so() {
        let clock = Clock::manual(Micros(1_000_000_000));
        let rate = Rate::new(clock.clone());
        (0..10).for_each(|_| rate.take(60).unwrap());
        (0..10).for_each(|_| rate.take(20).unwrap());
        assert_eq!(rate.take(20), Err(Duration::from_secs(3)));
        (0..40).for_each(|_| rate.take(60).unwrap());
        assert_eq!(rate.take(60), Err(Duration::from_secs(1)));
    }
}
