//! Which seqs of each origin were seen: the part of "nothing twice" that does not rest on the log.

use std::collections::{BTreeMap, BTreeSet};

use schemas::ids::{Origin, Seq};
use schemas::topics::Topic;

/// The seqs of one origin in one partition that were seen: all up to the greatest, but for gaps.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Mark {
    /// The greatest seq seen; 0 when none was.
    greatest: Seq,
    /// Seqs below it that were not seen: first and last of each gap, in order.
    missing: Vec<(Seq, Seq)>,
}

impl Mark {
    /// The mark of a stored state: `missing` holds the first and last seq of each gap in turn.
    /// `None` if the gaps are not in order, or not below `greatest`.
    pub fn stored(greatest: Seq, missing: &[Seq]) -> Option<Self> {
        let (pairs, rest) = missing.as_chunks::<2>();
        let missing: Vec<_> = pairs.iter().map(|[first, last]| (*first, *last)).collect();
        let bounds = missing.iter().flat_map(|(first, last)| [*first, *last]);
        let ordered = missing.iter().all(|(first, last)| first <= last)
            && missing.is_sorted_by(|a, b| a.1 < b.0)
            && bounds.clone().all(|seq| seq >= 1 && seq < greatest);
        (rest.is_empty() && ordered).then_some(Self { greatest, missing })
    }

    /// The greatest seq seen.
    pub const fn greatest(&self) -> Seq {
        self.greatest
    }

    /// First and last of each gap.
    pub fn missing(&self) -> &[(Seq, Seq)] {
        &self.missing
    }

    /// Up to here every seq was seen.
    pub fn included(&self) -> Seq {
        let gap = self.missing.first();
        gap.map_or(self.greatest, |(first, _)| first.saturating_sub(1))
    }

    /// How many seqs are missing.
    pub fn gap(&self) -> u64 {
        let sizes = self.missing.iter().map(|(first, last)| last - first + 1);
        sizes.fold(0, u64::saturating_add)
    }

    /// The mark after `seq`, or `None` if it was seen before.
    pub fn with(&self, seq: Seq) -> Option<Self> {
        if seq > self.greatest {
            let mut missing = self.missing.clone();
            if seq - self.greatest > 1 {
                missing.push((self.greatest + 1, seq - 1));
            }
            return Some(Self { greatest: seq, missing });
        }
        let at = self.missing.iter().position(|(first, last)| (*first..=*last).contains(&seq))?;
        let mut missing = self.missing.clone();
        let (first, last) = missing.remove(at);
        if seq < last {
            missing.insert(at, (seq + 1, last));
        }
        if first < seq {
            missing.insert(at, (first, seq - 1));
        }
        Some(Self { greatest: self.greatest, missing })
    }
}

/// The marks of one processor's partition.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Marks {
    marks: BTreeMap<(Topic, Origin), Mark>,
    changed: BTreeSet<(Topic, Origin)>,
}

impl Marks {
    /// The mark after `seq`, or `None` if it was seen before.
    pub fn look(&self, topic: Topic, origin: Origin, seq: Seq) -> Option<Mark> {
        match self.marks.get(&(topic, origin)) {
            Some(mark) => mark.with(seq),
            None => Mark::default().with(seq),
        }
    }

    /// Keeps a mark that [`Marks::look`] gave.
    pub fn keep(&mut self, topic: Topic, origin: Origin, mark: Mark) {
        self.marks.insert((topic, origin), mark);
        self.changed.insert((topic, origin));
    }

    /// Puts a mark as it was stored.
    pub fn restore(&mut self, topic: Topic, origin: Origin, mark: Mark) {
        self.marks.insert((topic, origin), mark);
    }

    /// The marks kept since the last call.
    pub fn take_changed(&mut self) -> Vec<((Topic, Origin), Mark)> {
        let changed = std::mem::take(&mut self.changed);
        let marks = changed.into_iter().map(|key| {
            let mark = self.marks.get(&key).cloned().unwrap_or_default();
            (key, mark)
        });
        marks.collect()
    }

    /// All marks, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Topic, Origin, &Mark)> {
        self.marks.iter().map(|((topic, origin), mark)| (*topic, *origin, mark))
    }

    /// How many seqs are missing over all origins.
    pub fn missing(&self) -> u64 {
        self.marks.values().fold(0, |sum, mark| sum.saturating_add(mark.gap()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn flat(mark: &Mark) -> Vec<Seq> {
        mark.missing().iter().flat_map(|(first, last)| [*first, *last]).collect()
    }

    proptest! {
        /// Against a set of all seqs ever seen.
        #[test]
        fn nothing_twice(seqs in prop::collection::vec(1_u64..40, 0..120)) {
            let (mut mark, mut seen) = (Mark::default(), BTreeSet::new());
            for seq in seqs {
                let next = mark.with(seq);
                prop_assert_eq!(next.is_some(), seen.insert(seq));
                mark = next.unwrap_or(mark);
                let greatest = seen.last().copied().unwrap_or(0);
                prop_assert_eq!(mark.greatest(), greatest);
                prop_assert_eq!(mark.gap(), greatest - seen.len() as u64);
                let included = (1..).take_while(|seq| seen.contains(seq)).last().unwrap_or(0);
                prop_assert_eq!(mark.included(), included);
                prop_assert_eq!(Mark::stored(mark.greatest(), &flat(&mark)), Some(mark.clone()));
            }
        }
    }

    #[test]
    fn damaged_marks_are_refused() {
        for (greatest, missing) in
            [(5, vec![2]), (5, vec![3, 2]), (5, vec![2, 5]), (5, vec![0, 1]), (9, vec![4, 5, 5, 6])]
        {
            assert_eq!(Mark::stored(greatest, &missing), None, "{missing:?}");
        }
    }

    #[test]
    fn a_wild_seq_costs_one_range() {
        let mark = Mark::default().with(u64::MAX).unwrap();
        assert_eq!(mark.missing(), [(1, u64::MAX - 1)]);
        assert_eq!(mark.with(7).unwrap().included(), 0);
    }
}
