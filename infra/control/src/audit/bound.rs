//! How many refusals of one source are recorded, so that a flood of them does not fill the log.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use runtime::clock::Micros;

/// Refusals that a source may have at once.
const BURST: i64 = 10;
/// The time after which it may have one more, microseconds.
const PERIOD: i64 = 1_000_000;
/// Sources that are told apart; the others share one bucket.
const SOURCES: usize = 4_096;

/// The time at which a bucket is full again: the generic cell rate algorithm (ITU-T I.371).
#[derive(Clone, Copy, Debug, Default)]
struct Bucket(i64);

impl Bucket {
    fn take(&mut self, now: i64) -> bool {
        let full = self.0.max(now);
        let room = full.saturating_sub(now) <= (BURST - 1) * PERIOD;
        if room {
            self.0 = full.saturating_add(PERIOD);
        }
        room
    }
}

/// A bucket for each source.
#[derive(Debug, Default)]
pub(super) struct Bounds {
    sources: HashMap<Option<IpAddr>, Bucket>,
    others: Bucket,
    tidied: i64,
}

impl Bounds {
    /// Whether one more of this source is recorded.
    pub(super) fn take(&mut self, address: Option<IpAddr>, now: Micros) -> bool {
        let (source, now) = (address.map(source), now.0);
        if self.sources.len() >= SOURCES && now.saturating_sub(self.tidied) >= PERIOD {
            self.sources.retain(|_, bucket| bucket.0 > now);
            self.tidied = now;
        }
        let known = self.sources.contains_key(&source);
        if !known && self.sources.len() >= SOURCES {
            return self.others.take(now);
        }
        self.sources.entry(source).or_default().take(now)
    }
}

/// Who has an IPv6 address has the 64 bits behind its network.
fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(bounds: &mut Bounds, address: &str, now: i64, times: usize) -> usize {
        let address = Some(address.parse().unwrap());
        (0..times).filter(|_| bounds.take(address, Micros(now))).count()
    }

    #[test]
    fn a_source_has_a_burst_and_then_one_a_second() {
        let mut bounds = Bounds::default();
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
    fn many_sources_take_no_more_memory_and_share_what_is_left() {
        let mut bounds = Bounds::default();
        let flood = |bounds: &mut Bounds, now| {
            let all = (0..10_000_u32).map(|at| IpAddr::from((0x0a00_0000 | at).to_be_bytes()));
            all.filter(|address| bounds.take(Some(*address), Micros(now))).count()
        };
        assert_eq!(flood(&mut bounds, PERIOD), SOURCES + 10);
        assert_eq!(bounds.sources.len(), SOURCES);
        assert_eq!(flood(&mut bounds, 60 * PERIOD), SOURCES + 10, "the quiet ones are forgotten");
        assert_eq!(bounds.sources.len(), SOURCES);
    }
}
