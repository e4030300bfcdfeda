//! What a comparison found.

use std::collections::BTreeMap;
use std::fmt::Debug;

use bytes::Bytes;
use schemas::wire::{Codec, Event};
use serde::Serialize;

/// How a rebuilt partition compares with the live one.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Report {
    /// Which processor was rebuilt.
    pub processor: String,
    /// Which partition.
    pub partition: u32,
    /// Input records that were folded.
    pub records: u64,
    /// Values that were compared, by what they are.
    pub compared: BTreeMap<&'static str, u64>,
    /// How many of them differ.
    pub different: u64,
    /// The first differences.
    pub differences: Vec<Difference>,
    /// Hash over all compared rows of the live table; empty when none are compared.
    pub live_hash: String,
    /// The same of the rebuilt rows.
    pub replayed_hash: String,
}

/// One value that differs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Difference {
    /// What it is.
    pub what: &'static str,
    /// Which one.
    pub key: String,
    /// As the live processor has it.
    pub live: String,
    /// As the replay has it.
    pub replayed: String,
}

/// So many differences are told in full.
const TOLD: usize = 10;

impl Report {
    pub(super) fn new(processor: impl Into<String>, partition: u32) -> Self {
        Self { processor: processor.into(), partition, ..Self::default() }
    }

    /// Whether live and replayed are the same to the byte.
    pub const fn is_same(&self) -> bool {
        self.different == 0
    }

    /// Compares two values; `None` is one that is not there.
    pub(super) fn compare<T: PartialEq>(
        &mut self,
        what: &'static str,
        key: impl FnOnce() -> String,
        live: Option<&T>,
        replayed: Option<&T>,
        show: impl Fn(&T) -> String,
    ) {
        *self.compared.entry(what).or_default() += 1;
        if live == replayed {
            return;
        }
        self.different += 1;
        if self.differences.len() < TOLD {
            let show = |value: Option<&T>| value.map_or("nothing".to_owned(), &show);
            let (live, replayed) = (show(live), show(replayed));
            self.differences.push(Difference { what, key: key(), live, replayed });
        }
    }

    /// Compares two maps, key by key.
    pub(super) fn compare_all<K: Ord + Clone, T: PartialEq>(
        &mut self,
        what: &'static str,
        live: &BTreeMap<K, T>,
        replayed: &BTreeMap<K, T>,
        key: impl Fn(&K) -> String,
        show: impl Fn(&T) -> String,
    ) {
        let only_replayed = replayed.keys().filter(|key| !live.contains_key(*key));
        let keys: Vec<K> = live.keys().chain(only_replayed).cloned().collect();
        for at in keys {
            self.compare(what, || key(&at), live.get(&at), replayed.get(&at), &show);
        }
    }
}

/// An encoded event in words.
pub(super) fn show<E: Event + Debug>(codec: &Codec) -> impl Fn(&Bytes) -> String {
    |value| match codec.decode::<E>(value) {
        Ok(event) => format!("{event:?}"),
        Err(error) => format!("{} bytes that can't be read: {error}", value.len()),
    }
}

/// A key in words.
pub(super) fn text(key: &Bytes) -> String {
    String::from_utf8_lossy(key).into_owned()
}
