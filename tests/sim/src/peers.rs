//! How others choose a target: what the hub is compared with.

use rand::Rng as _;
use rand::rngs::SmallRng;
use schemas::event::AttemptError;

use crate::time::SECOND;

/// The most attempts of a call: each is granted as many as the hub has targets.
pub const ATTEMPTS: usize = 3;

/// A way to choose.
#[derive(Debug)]
pub enum Peer {
    /// By chance.
    Random,
    /// In turn.
    RoundRobin(usize),
    /// LiteLLM's documented cool-down; where its documents are silent, in its favour.
    CoolDown(Vec<Cooling>),
}

/// What LiteLLM's router knows of a deployment, in the memory of one process.
#[derive(Clone, Debug, Default)]
pub struct Cooling {
    minute: i64,
    calls: u32,
    failures: u32,
    until: i64,
}

impl Peer {
    /// The target of the next attempt, of `count`.
    pub fn choose(&mut self, count: usize, now: i64, random: &mut SmallRng) -> usize {
        match self {
            Self::Random => random.random_range(0..count),
            Self::RoundRobin(next) => {
                *next = (*next + 1) % count;
                *next
            }
            Self::CoolDown(all) => {
                let free = |target: &usize| all.get(*target).is_none_or(|one| one.until <= now);
                let mut targets: Vec<usize> = (0..count).filter(free).collect();
                if targets.is_empty() {
                    targets = (0..count).collect();
                }
                let place = random.random_range(0..targets.len());
                targets.get(place).copied().unwrap_or(0)
            }
        }
    }

    /// What became of it.
    pub fn note(&mut self, target: usize, error: AttemptError, now: i64) {
        let Self::CoolDown(all) = self else { return };
        let Some(one) = all.get_mut(target) else { return };
        let minute = now.div_euclid(60 * SECOND);
        if one.minute != minute {
            *one = Cooling { minute, calls: 0, failures: 0, ..*one };
        }
        one.calls += 1;
        if error == AttemptError::None {
            return;
        }
        one.failures += 1;
        // 429, 401, 404 and 408 at once; else more than half of this minute's calls, of which there
        // must be two; out of money (400, 402) never
        let cools = match error {
            AttemptError::RateLimit
            | AttemptError::Auth
            | AttemptError::NotFound
            | AttemptError::FirstByteTimeout => true,
            AttemptError::Credit => false,
            _ => one.calls > 1 && one.failures * 2 > one.calls,
        };
        if cools {
            one.until = now + 5 * SECOND;
        }
    }
}
