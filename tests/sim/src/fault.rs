//! What upstreams do: they answer, and fail in every way that is known of them.

use std::time::Duration;

use gateway::providers::Failure;
use rand::Rng as _;
use rand::rngs::SmallRng;
use schemas::event::AttemptError;

use crate::time::{MILLI, SECOND};

/// How long a call waits for the first content, and for a connection, before it goes on to the next
/// target: what a route sets that wants to fail over from silence.
const FIRST_BYTE: i64 = 10 * SECOND;
const CONNECT: i64 = 5 * SECOND;
/// Of so many calls one fails though nothing is wrong.
const BACKGROUND: u32 = 200;

/// A way to fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Every call fails with 500.
    Outage,
    /// Every call is told of an overload.
    Overload,
    /// Answers can't be read.
    Malformed,
    /// Connections are refused.
    Refused,
    /// Connections are never made: a region that is gone.
    Gone,
    /// Calls are taken and never answered.
    Stall,
    /// So many percent of the calls fail with 500.
    BrownOut(u32),
    /// Calls above so many a second get 429, which says when to come back or does not.
    RateLimit {
        /// Calls a second that are answered.
        most: i64,
        /// Whether `Retry-After` is there.
        names_reset: bool,
    },
    /// A tenth of the calls takes twenty times as long.
    SlowTail,
    /// It is out for three seconds, well for three, and so on.
    Flapping,
    /// The key is refused, until another one is put in.
    BadKey,
    /// The account has no money, until it is topped up.
    NoCredit,
}

/// What became of a call at an upstream.
#[derive(Debug)]
pub struct Said {
    /// Until it is known.
    pub after: i64,
    /// Content, which goes on for so long; or a failure.
    pub result: Result<i64, Failure>,
}

/// One upstream.
#[derive(Debug, Default)]
pub struct Upstream {
    /// What is wrong with it, and since when.
    pub fault: Option<(Fault, i64)>,
    /// Calls that its rate limit lets through, in millionths, and when it was counted.
    tokens: (i64, i64),
}

impl Upstream {
    /// It is asked at `now`.
    pub fn ask(&mut self, now: i64, random: &mut SmallRng) -> Said {
        use AttemptError as A;
        let fails = |after: i64, error: A| Said { after, result: Err(Failure::of(error)) };
        let fault = self.fault;
        match fault {
            Some((Fault::Outage, _)) => {
                return fails(random.random_range(20..80) * MILLI, A::Server);
            }
            Some((Fault::Overload, _)) => return fails(50 * MILLI, A::Overload),
            Some((Fault::Malformed, _)) => return fails(200 * MILLI, A::Malformed),
            Some((Fault::Refused, _)) => return fails(MILLI, A::Connect),
            Some((Fault::Gone, _)) => return fails(CONNECT, A::Connect),
            Some((Fault::Stall, _)) => return fails(FIRST_BYTE, A::FirstByteTimeout),
            Some((Fault::BadKey, _)) => return fails(30 * MILLI, A::Auth),
            Some((Fault::NoCredit, _)) => return fails(30 * MILLI, A::Credit),
            Some((Fault::BrownOut(percent), _)) if random.random_ratio(percent, 100) => {
                return fails(random.random_range(20..80) * MILLI, A::Server);
            }
            Some((Fault::Flapping, since)) if (now - since) / (3 * SECOND) % 2 == 0 => {
                return fails(50 * MILLI, A::Server);
            }
            Some((Fault::RateLimit { most, names_reset }, _)) if !self.lets_through(now, most) => {
                let retry_after = names_reset.then_some(Duration::from_secs(2));
                let failure = Failure { retry_after, ..Failure::of(A::RateLimit) };
                return Said { after: 20 * MILLI, result: Err(failure) };
            }
            _ => {}
        }
        if random.random_ratio(1, BACKGROUND) {
            return fails(80 * MILLI, A::Server);
        }
        let slow = matches!(fault, Some((Fault::SlowTail, _))) && random.random_ratio(1, 10);
        // half of the calls are streams
        let rest = if random.random_ratio(1, 2) { random.random_range(500..3_000) } else { 0 };
        let first = latency(random) * if slow { 20 } else { 1 };
        Said { after: first, result: Ok(rest * MILLI) }
    }

    fn lets_through(&mut self, now: i64, most: i64) -> bool {
        let (tokens, at) = self.tokens;
        let tokens = (tokens + (now - at).min(SECOND) * most).min(most * SECOND);
        let let_through = tokens >= SECOND;
        self.tokens = (if let_through { tokens - SECOND } else { tokens }, now);
        let_through
    }
}

/// Time to the first content: log-normal about 300 ms, as sums of many small delays are.
fn latency(random: &mut SmallRng) -> i64 {
    let bell: f64 = (0..12).map(|_| random.random_range(-0.5..0.5)).sum();
    (300_000.0 * (0.4 * bell).exp()) as i64
}
