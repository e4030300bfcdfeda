//! What other gateways said of a counter. Pure.

use std::collections::HashMap;

use runtime::clock::Micros;
use schemas::ids::Origin;

/// The newest that a gateway said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Heard {
    /// Rises with everything that it says.
    pub(super) seq: i64,
    /// How much it uses, or has used since it started or since the window began.
    pub(super) used: i64,
    /// Start of the window; 0 where there is none.
    pub(super) window_at: i64,
    /// When it was heard.
    pub(super) at: Micros,
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Others(HashMap<Origin, Heard>);

impl Others {
    /// Takes in what a gateway says; returns what it said before, or `None` where that was the same
    /// or newer.
    pub(super) fn hear(&mut self, origin: Origin, heard: Heard) -> Option<Option<Heard>> {
        let known = self.0.get(&origin).copied();
        if known.is_some_and(|known| known.seq >= heard.seq) {
            return None;
        }
        self.0.insert(origin, heard);
        Some(known)
    }

    /// Forgets a gateway.
    pub(super) fn forget(&mut self, origin: Origin) {
        self.0.remove(&origin);
    }

    /// The sum of those that hold.
    pub(super) fn sum(&self, holds: impl Fn(&Heard) -> bool) -> i64 {
        let used = self.0.values().filter(|heard| holds(heard)).map(|heard| heard.used.max(0));
        used.fold(0, i64::saturating_add)
    }

    /// Forgets those that do not hold any more, and gives them.
    pub(super) fn take_old(&mut self, holds: impl Fn(&Heard) -> bool) -> Vec<(Origin, Heard)> {
        self.0.extract_if(|_, heard| !holds(heard)).collect()
    }

    /// Forgets gateways that are gone, and gives what they said.
    pub(super) fn take_gone(&mut self, is_gone: &dyn Fn(Origin) -> bool) -> Vec<(Origin, Heard)> {
        self.0.extract_if(|origin, _| is_gone(*origin)).collect()
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
