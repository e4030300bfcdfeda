//! The calls that were charged of late, to tell a second settlement from a first.

use std::collections::{HashSet, VecDeque};

use schemas::ids::CallId;

/// How many calls of a partition are remembered. It is a rule of the fold and not a setting: the
/// set is the calls of the newest so many charges in the journal, so that a takeover and a replay
/// know the very same calls.
pub const REMEMBERED: usize = 1 << 17;

/// The calls of the newest charges.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Calls {
    order: VecDeque<CallId>,
    known: HashSet<CallId>,
    limit: usize,
}

impl Default for Calls {
    fn default() -> Self {
        Self::with_limit(REMEMBERED)
    }
}

impl Calls {
    /// Remembers up to `limit` calls.
    pub fn with_limit(limit: usize) -> Self {
        Self { order: VecDeque::new(), known: HashSet::new(), limit }
    }

    /// Whether the call is remembered.
    pub fn knows(&self, call: &CallId) -> bool {
        self.known.contains(call)
    }

    /// Remembers a call that is not known, and forgets the oldest past the limit.
    pub fn add(&mut self, call: CallId) {
        if !self.known.insert(call) {
            return;
        }
        self.order.push_back(call);
        if self.order.len() > self.limit
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    /// How many calls are remembered.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// How many calls are remembered at most.
    pub const fn limit(&self) -> usize {
        self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_the_newest() {
        let mut calls = Calls::with_limit(2);
        let call = |n| CallId([n; 16]);
        for n in [1, 2, 2, 3] {
            calls.add(call(n));
        }
        assert_eq!([1, 2, 3].map(|n| calls.knows(&call(n))), [false, true, true]);
        assert_eq!(calls.len(), 2);
    }
}
