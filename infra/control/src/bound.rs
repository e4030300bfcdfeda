//! How often a source, or a name, may do something: a burst, and then so many a second, in bounded
//! memory.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};

use runtime::clock::Micros;

/// Keys that are told apart; the others share one bucket.
const KEYS: usize = 4_096;

/// What one key may do.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// So often at once.
    pub burst: u16,
    /// The time after which it may once more, microseconds.
    pub period: i64,
}

/// The time at which a bucket is full again: the generic cell rate algorithm (ITU-T I.371).
#[derive(Clone, Copy, Debug, Default)]
struct Bucket(i64);

impl Bucket {
    fn take(&mut self, rate: Rate, now: i64) -> Result<(), Wait> {
        let full = self.0.max(now);
        let room = i64::from(rate.burst).saturating_sub(1).saturating_mul(rate.period);
        let beyond = full.saturating_sub(now).saturating_sub(room);
        if beyond > 0 {
            return Err(Wait(beyond));
        }
        self.0 = full.saturating_add(rate.period);
        Ok(())
    }
}

/// How long it is until there is room, microseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wait(pub i64);

/// A bucket for each key.
#[derive(Debug)]
pub struct Bounds<K> {
    rate: Rate,
    keys: HashMap<K, Bucket>,
    others: Bucket,
    tidied: i64,
}

impl<K: Hash + Eq> Bounds<K> {
    /// Of which each key may do so much.
    pub fn new(rate: Rate) -> Self {
        Self { rate, keys: HashMap::new(), others: Bucket::default(), tidied: 0 }
    }

    /// Takes one of this key.
    ///
    /// # Errors
    /// There is no room: how long until there is.
    pub fn take(&mut self, key: K, now: Micros) -> Result<(), Wait> {
        let now = now.0;
        if self.keys.len() >= KEYS && now.saturating_sub(self.tidied) >= self.rate.period {
            self.keys.retain(|_, bucket| bucket.0 > now);
            self.tidied = now;
        }
        let known = self.keys.contains_key(&key);
        if !known && self.keys.len() >= KEYS {
            return self.others.take(self.rate, now);
        }
        self.keys.entry(key).or_default().take(self.rate, now)
    }

    /// Gives back one that was taken and did not count.
    pub fn give_back<Q: Hash + Eq + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        let bucket = self.keys.get_mut(key).unwrap_or(&mut self.others);
        bucket.0 = bucket.0.saturating_sub(self.rate.period);
    }
}

/// Who counts as one source: who has an IPv6 address has the 64 bits behind its network.
pub fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: i64 = 1_000_000;
    const RATE: Rate = Rate { burst: 10, period: PERIOD };

    fn taken(bounds: &mut Bounds<IpAddr>, address: &str, now: i64, times: usize) -> usize {
        let address = source(address.parse().unwrap());
        (0..times).filter(|_| bounds.take(address, Micros(now)).is_ok()).count()
    }

    #[test]
    fn a_source_has_a_burst_and_then_one_a_second() {
        let mut bounds = Bounds::new(RATE);
        assert_eq!(taken(&mut bounds, "192.0.2.1", 0, 100), 10);
        assert_eq!(taken(&mut bounds, "192.0.2.2", 0, 100), 10, "another source");
        assert_eq!(taken(&mut bounds, "192.0.2.1", PERIOD, 100), 1);
        assert_eq!(taken(&mut bounds, "192.0.2.1", 4 * PERIOD, 100), 3);
        assert_eq!(taken(&mut bounds, "192.0.2.1", 100 * PERIOD, 100), 10, "no more than a burst");
        assert_eq!(taken(&mut bounds, "::ffff:192.0.2.1", 100 * PERIOD, 100), 0, "the same");
        assert_eq!(taken(&mut bounds, "2001:db8::1", 0, 100), 10);
        assert_eq!(taken(&mut bounds, "2001:db8::2", 0, 100), 0, "of the same network");
        assert_eq!(taken(&mut bounds, "2001:db8:0:1::1", 0, 100), 10);
    }

    #[test]
    fn who_is_refused_is_told_how_long_and_what_is_given_back_can_be_taken_again() {
        let mut bounds = Bounds::new(RATE);
        let now = Micros(7);
        assert!((0..10).all(|_| bounds.take("ada", now).is_ok()));
        assert_eq!(bounds.take("ada", now), Err(Wait(PERIOD)));
        assert_eq!(bounds.take("ada", Micros(7 + PERIOD / 4)), Err(Wait(PERIOD - PERIOD / 4)));
        bounds.give_back("ada");
        assert_eq!(bounds.take("ada", now), Ok(()));
        assert_eq!(bounds.take("ada", now), Err(Wait(PERIOD)));
    }

    #[test]
    fn many_sources_take_no_more_memory_and_share_what_is_left() {
        let mut bounds = Bounds::new(RATE);
        let flood = |bounds: &mut Bounds<IpAddr>, now| {
            let all = (0..10_000_u32).map(|at| IpAddr::from((0x0a00_0000 | at).to_be_bytes()));
            all.filter(|address| bounds.take(*address, Micros(now)).is_ok()).count()
        };
        assert_eq!(flood(&mut bounds, PERIOD), KEYS + 10);
        assert_eq!(bounds.keys.len(), KEYS);
        assert_eq!(flood(&mut bounds, 60 * PERIOD), KEYS + 10, "the quiet ones are forgotten");
        assert_eq!(bounds.keys.len(), KEYS);
    }
}
